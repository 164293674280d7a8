package dev.fusor.method;

import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.method.Parameter.Scope;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.MagnitudeBand;
import dev.fusor.trim.MagnitudeSelection;
import dev.fusor.trim.MagnitudeSelection.Ties;

/**
 * Model Breadcrumbs (Davari and Belilovsky 2023, arXiv 2312.06795): of each task vector neither the largest elements nor the
 * smallest stay; then they are added up, or signs are elected.
 *
 * <p>Of n elements floor(density n) stay. The floor(gamma n) largest go, or as many as that leaves room for, and the rest of
 * those that go are the smallest. Among equal magnitudes that of lowest flat index counts as the largest.
 */
public final class Breadcrumbs extends SparseTaskArithmetic {
    private static final double STANDARD_GAMMA = 0.01;

    private Breadcrumbs(String name, Election election) {
        super(name, election, false, Parameter.optional("gamma", Scope.MODEL, STANDARD_GAMMA, "a fraction from 0 to 1",
                gamma -> gamma >= 0 && gamma <= 1), RESCALE_TO_SUM);
    }

    /** {@return {@code breadcrumbs}: all task vectors are added up} */
    public static Breadcrumbs linear() {
        return new Breadcrumbs("breadcrumbs", Election.NONE);
    }

    /** {@return {@code breadcrumbs_ties}: those of the elected sign are added up} */
    public static Breadcrumbs ties() {
        return new Breadcrumbs("breadcrumbs_ties", Election.WEIGHTED);
    }

    @Override
    Sparsity sparsity(MergeInputs inputs, int model, WholeTensors whole) {
        TensorSource x = inputs.models().get(model);
        long length = x.elements();
        long kept = MagnitudeSelection.kept(inputs.value(model, "density"), length);
        long tooLarge = Math.min(MagnitudeSelection.kept(inputs.value(model, "gamma"), length), length - kept);
        MagnitudeSelection selection = MagnitudeSelection.on(whole.cpu());
        return new Sparsity(new MagnitudeBand(selection.select(inputs.base(), x, kept + tooLarge, Ties.EXACT_K),
                selection.select(inputs.base(), x, tooLarge, Ties.EXACT_K)), Sparsity.Drop.NOTHING);
    }

    @Override
    boolean rescalesToSum(MergeInputs inputs) {
        return inputs.flag("rescale");
    }
}
