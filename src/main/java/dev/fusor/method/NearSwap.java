package dev.fusor.method;

import dev.fusor.method.Parameter.Scope;
import java.util.List;

/**
 * Moves the base towards the other model where the two are near: base + clip(t / |base - x|, 0, 1) * (x - base).
 */
public final class NearSwap implements MergeMethod {
    private static final List<Parameter> PARAMETERS = List
            .of(Parameter.required("t", Scope.TENSOR, "a finite number", Double::isFinite));

    /** The method has no state. */
    public NearSwap() {}

    @Override
    public String name() {
        return "nearswap";
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
    public int mostModels() {
        return 1;
    }

    @Override
    public RangeMerge prepare(MergeInputs inputs, WholeTensors whole) {
        double t = inputs.value("t");
        dev.fusor.arithmetic.NearSwap swap = dev.fusor.arithmetic.NearSwap.on(RangeMerge.HERE);
        return (from, out) -> swap.swap(inputs.baseSlice(from, out.elements()),
                inputs.slices(from, out.elements()).getFirst(), t, out);
    }
}
