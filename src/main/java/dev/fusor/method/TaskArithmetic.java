package dev.fusor.method;

import dev.fusor.method.Parameter.Scope;
import java.util.Arrays;
import java.util.List;

/**
 * Task arithmetic (Ilharco et al. 2022, arXiv 2212.04089): base + lambda * sum of w_i (x_i - base), divided by the sum of the
 * weights if {@code normalize}.
 */
public final class TaskArithmetic implements MergeMethod {
    private static final List<Parameter> PARAMETERS = List.of(Parameter.weight(),
            Parameter.finite("lambda", Scope.TENSOR, 1), Parameter.flag("normalize", false));

    /** The method has no state. */
    public TaskArithmetic() {}

    @Override
    public String name() {
        return "task_arithmetic";
    }

    @Override
    public List<Parameter> parameters() {
        return PARAMETERS;
    }

    @Override
    public boolean needsBase() {
        return true;
    }

    @Override
    public RangeMerge prepare(MergeInputs inputs, WholeTensors whole) {
        double[] weights = inputs.values("weight");
        double lambda = inputs.value("lambda");
        double[] scaled = Arrays.stream(weights).map(weight -> lambda * weight).toArray();
        return new WeightedRanges(inputs.base(), inputs.models(), scaled, inputs.divisor(weights));
    }
}
