package dev.fusor.method;

import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.MagnitudeBand;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.MagnitudeSelection;

/**
 * TIES merging (Yadav et al. 2023, arXiv 2306.01708): trim, elect signs, merge disjointly.
 */
public final class Ties extends SparseTaskArithmetic {
    /** The method has no state. */
    public Ties() {
        super("ties", Election.WEIGHTED, true, RESCALE_TO_SUM);
    }

    @Override
    Sparsity sparsity(MergeInputs inputs, int model, WholeTensors whole) {
        TensorSource x = inputs.models().get(model);
        long kept = MagnitudeSelection.kept(inputs.value(model, "density"), x.elements());
        MagnitudeCut cut = MagnitudeSelection.on(whole.cpu()).select(inputs.base(), x, kept,
                MagnitudeSelection.Ties.EXACT_K);
        return new Sparsity(new MagnitudeBand(cut, MagnitudeCut.NONE), Sparsity.Drop.NOTHING);
    }

    @Override
    boolean rescalesToSum(MergeInputs inputs) {
        return inputs.flag("rescale");
    }
}
