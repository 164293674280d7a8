package dev.fusor.method;

import dev.fusor.trim.MagnitudeSelection;
import java.util.Map;

/**
 * Pruning of task vectors by magnitude: of n elements floor(density n) of largest magnitude stay, or with {@code prune: largest}
 * the others go, those of smallest magnitude stay; what is left is added up.
 *
 * <p>With {@code scope: row} and one model this is the magnitude pruning of differences of FusionBench, whose {@code prune_ratio} is
 * 1 - density and whose {@code prune_type} minor and major are {@code prune: smallest} and {@code largest}. It prunes the weights
 * of linear layers only and leaves the base model's everything else; here a filter does that. Among equals it keeps the last, and here the
 * first stay.
 */
public final class MagnitudePruning extends TrimmedTaskArithmetic {
    private static final Parameter PRUNE = Parameter.word("prune", "smallest", "largest");

    /** The method has no state. */
    public MagnitudePruning() {
        super("magnitude_pruning", false, false, PRUNE);
    }

    @Override
    Kept kept(Map<String, Double> modelParameters, Map<String, Double> parameters, long elements) {
        long kept = MagnitudeSelection.kept(modelParameters.get("density"), elements);
        return parameters.get(PRUNE.name()) == 0 ? new Kept(kept, 0) : new Kept(elements, elements - kept);
    }
}
