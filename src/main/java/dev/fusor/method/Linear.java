package dev.fusor.method;

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
    public RangeMerge prepare(MergeInputs inputs, WholeTensors whole) {
        double[] weights = inputs.values("weight");
        return new WeightedRanges(null, inputs.models(), weights, inputs.divisor(weights));
    }
}
