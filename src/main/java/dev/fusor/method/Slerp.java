package dev.fusor.method;

import dev.fusor.method.Parameter.Scope;
import java.util.List;

/**
 * Spherical linear interpolation from the base model (t = 0) to the other (t = 1), the whole tensor as one vector.
 */
public final class Slerp implements MergeMethod {
    private static final List<Parameter> PARAMETERS = List
            .of(Parameter.required("t", Scope.TENSOR, "a finite number", Double::isFinite));

    /** The method has no state. */
    public Slerp() {}

    @Override
    public String name() {
        return "slerp";
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
}
