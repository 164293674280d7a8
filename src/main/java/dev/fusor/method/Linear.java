package dev.fusor.method;

import dev.fusor.arithmetic.WeightedSum;
import dev.fusor.device.CpuDevice;
import java.util.List;

/**
 * The weighted sum of the models: sum of w_i x_i, divided by the sum of the weights if {@code normalize}.
 */
public final class Linear implements MergeMethod {
    private static final List<Parameter> PARAMETERS = List.of(Parameter.weight(), Parameter.flag("normalize", true));

    /** The method has no state. */
    public Linear() {}

    @Override
    public String name() {
        return "linear";
    }

    @Override
    public List<Parameter> parameters() {
        return PARAMETERS;
    }

    @Override
    public RangeMerge prepare(MergeInputs inputs, CpuDevice device) {
        double[] weights = inputs.values("weight");
        double divisor = inputs.divisor(weights);
        WeightedSum sum = WeightedSum.on(RangeMerge.HERE);
        return (from, out) -> sum.sum(inputs.slices(from, out.elements()), weights, divisor, out);
    }
}
