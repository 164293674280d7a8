package dev.fusor.method;

import dev.fusor.trim.MagnitudeSelection;
import java.util.Map;

/**
 * TIES merging (Yadav et al. 2023, arXiv 2306.01708): trim, elect signs, merge disjointly.
 */
public final class Ties extends TrimmedTaskArithmetic {
    /** The method has no state. */
    public Ties() {
        super("ties", true, true);
    }

    @Override
    Kept kept(Map<String, Double> modelParameters, Map<String, Double> parameters, long elements) {
        return new Kept(MagnitudeSelection.kept(modelParameters.get("density"), elements), 0);
    }
}
