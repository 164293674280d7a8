package dev.fusor.method;

import dev.fusor.method.Parameter.Scope;
import dev.fusor.trim.MagnitudeSelection;
import java.util.Map;

/**
 * Model Breadcrumbs (Davari and Belilovsky 2023, arXiv 2312.06795): of each task vector neither the largest elements nor the
 * smallest stay; then they are added up, or signs are elected.
 *
 * <p>Of n elements floor(density n) stay. The floor(gamma n) largest go, or as many as that leaves room for, and the rest of
 * those that go are the smallest. Among equal magnitudes the first counts as the largest.
 */
public final class Breadcrumbs extends TrimmedTaskArithmetic {
    private static final double STANDARD_GAMMA = 0.01;

    private Breadcrumbs(String name, boolean elects) {
        super(name, elects, false, Parameter.optional("gamma", Scope.MODEL, STANDARD_GAMMA, "a fraction from 0 to 1",
                gamma -> gamma >= 0 && gamma <= 1));
    }

    /** {@return {@code breadcrumbs}: all task vectors are added up} */
    public static Breadcrumbs linear() {
        return new Breadcrumbs("breadcrumbs", false);
    }

    /** {@return {@code breadcrumbs_ties}: those of the elected sign are added up} */
    public static Breadcrumbs ties() {
        return new Breadcrumbs("breadcrumbs_ties", true);
    }

    @Override
    Kept kept(Map<String, Double> modelParameters, Map<String, Double> parameters, long elements) {
        long kept = MagnitudeSelection.kept(modelParameters.get("density"), elements);
        long tooLarge = Math.min(MagnitudeSelection.kept(modelParameters.get("gamma"), elements), elements - kept);
        return new Kept(kept + tooLarge, tooLarge);
    }
}
