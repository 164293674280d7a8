package dev.fusor.method;

import dev.fusor.consensus.TaskVectorFusion;
import dev.fusor.method.Parameter.Scope;
import java.util.List;

/**
 * MagMax (Marczak et al. 2024, arXiv 2407.06322): base + lambda * t, with t the element of largest magnitude among the task vectors,
 * of equals that of the last model. The paper's and FusionBench's lambda of 0.5 is the standard one.
 */
public final class MagMax implements MergeMethod {
    private static final List<Parameter> PARAMETERS = List.of(Parameter.finite("lambda", Scope.TENSOR, 0.5));

    /** The method has no state. */
    public MagMax() {}

    @Override
    public String name() {
        return "magmax";
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
        return inputs.fused(TaskVectorFusion.largest(), inputs.value("lambda"));
    }
}
