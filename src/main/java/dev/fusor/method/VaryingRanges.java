package dev.fusor.method;

import dev.fusor.consensus.DisjointMerge;
import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.consensus.DisjointMerge.Voter;
import dev.fusor.drop.DropFactors;
import dev.fusor.drop.StoredDrop;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.MagnitudeBand;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.TaskVectorVariance;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;

/** A merge of task vectors where they differ most, those of the minor sign erased. */
public final class VaryingRanges implements DeviceRanges {
    /** How votes become the result. */
    public static final Rule RULE = new Rule(Election.UNWEIGHTED, 1, true);

    private static final DisjointMerge MERGE = DisjointMerge.on(HERE);

    private final TensorSource base;
    private final List<TensorSource> models;
    private final double[] weights;
    private final MagnitudeCut cut;
    private final TaskVectorVariance variance;

    /**
     * A merge.
     *
     * @param base the base model
     * @param models at least one
     * @param weights one for each model
     * @param cut what it keeps of the variance is where
     */
    VaryingRanges(TensorSource base, List<TensorSource> models, double[] weights, MagnitudeCut cut) {
        this.base = base;
        this.models = List.copyOf(models);
        this.weights = weights;
        this.cut = cut;
        this.variance = new TaskVectorVariance(base, models);
    }

    @Override
    public TensorSource base() {
        return base;
    }

    @Override
    public List<TensorSource> models() {
        return models;
    }

    /** {@return what it keeps of the variance is where} */
    public MagnitudeCut cut() {
        return cut;
    }

    /** {@return whether something may be dropped} */
    public boolean selects() {
        return !cut.equals(MagnitudeCut.ALL);
    }

    @Override
    public void merge(long from, Tensor out) {
        long count = out.elements();
        try (Arena arena = Arena.ofConfined()) {
            DropFactors selected = selects() ? selected(from, Tensor.allocate(arena, DType.F32, count)) : null;
            List<Tensor> slices = models.stream().map(model -> model.slice(from, count)).toList();
            MERGE.merge(base.slice(from, count), voters(slices, selected), from, RULE, out);
        }
    }

    private StoredDrop selected(long from, Tensor factors) {
        Tensor variances = variance.slice(from, factors.elements());
        for (long i = 0; i < factors.elements(); i++) {
            float differs = (float) Elements.get(variances, i);
            Elements.set(factors, i, cut.keeps(differs, from + i) ? 1 : DropFactors.DROPPED);
        }
        return new StoredDrop(from, factors);
    }

    /**
     * {@return the voters of a range}
     *
     * @param slices the range of each model, wherever it is
     * @param selected what is dropped of all, or null for nothing
     */
    public List<Voter> voters(List<Tensor> slices, DropFactors selected) {
        List<Voter> voters = new ArrayList<>();
        for (int m = 0; m < weights.length; m++) {
            voters.add(new Voter(slices.get(m), weights[m], MagnitudeBand.ALL, selected));
        }
        return voters;
    }
}
