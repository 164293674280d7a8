package dev.fusor.method;

import dev.fusor.method.Parameter.Scope;
import java.util.List;

/**
 * Takes the tensor of one model, times {@code scale}; with a scale of 1 and an unchanged dtype, byte for byte.
 */
public final class Passthrough implements MergeMethod {
    private static final List<Parameter> PARAMETERS = List.of(Parameter.finite("scale", Scope.MODEL, 1));

    /** The method has no state. */
    public Passthrough() {}

    @Override
    public String name() {
        return "passthrough";
    }

    @Override
    public List<Parameter> parameters() {
        return PARAMETERS;
    }

    @Override
    public int mostModels() {
        return 1;
    }
}
