package dev.fusor.method;

import dev.fusor.method.Parameter.Scope;
import java.util.List;

/**
 * TIES merging (Yadav et al. 2023, arXiv 2306.01708): trim, elect signs, merge disjointly.
 */
public final class Ties implements MergeMethod {
    private static final List<Parameter> PARAMETERS = List.of(Parameter.weight(),
            Parameter.optional("density", Scope.MODEL, 1, "a fraction from 0 to 1", d -> d >= 0 && d <= 1),
            Parameter.finite("lambda", Scope.TENSOR, 1), Parameter.flag("normalize", true),
            Parameter.flag("int8_mask", false));

    /** The method has no state. */
    public Ties() {}

    @Override
    public String name() {
        return "ties";
    }

    @Override
    public List<Parameter> parameters() {
        return PARAMETERS;
    }

    @Override
    public boolean needsBase() {
        return true;
    }
}
