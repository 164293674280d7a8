package dev.fusor.method;

import dev.fusor.consensus.DisjointMerge;
import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.consensus.DisjointMerge.Voter;
import dev.fusor.drop.DropFactors;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.MagnitudeBand;
import java.util.ArrayList;
import java.util.List;

/**
 * A merge of sparse task vectors, with a sign election or without.
 *
 * @param base the base model
 * @param models at least one
 * @param weights one for each model
 * @param bands what is kept of each task vector by magnitude
 * @param drops what is dropped of each beside that
 * @param rule how votes become the result
 */
public record DisjointRanges(TensorSource base, List<TensorSource> models, double[] weights, List<MagnitudeBand> bands,
        List<Drop> drops, Rule rule) implements DeviceRanges {
    private static final DisjointMerge MERGE = DisjointMerge.on(HERE);

    @Override
    public void merge(long from, Tensor out) {
        List<Voter> voters = voters(from, out.elements());
        MERGE.merge(base.slice(from, out.elements()), voters, from, rule, out);
    }

    /**
     * {@return how many more elements of a range elect plus than minus}
     *
     * @param from the flat index of its first element
     * @param count how many elements it has
     */
    long majority(long from, long count) {
        List<Voter> voters = voters(from, count);
        return MERGE.majority(base.slice(from, count), voters, from, rule.election());
    }

    /** Drops may ask for rows of their own: all of them before the range's tensors are asked for. */
    private List<Voter> voters(long from, long count) {
        List<DropFactors> factors = new ArrayList<>();
        for (int m = 0; m < weights.length; m++) {
            factors.add(drops.get(m).factors(base, models.get(m), from, count));
        }
        return voters(models.stream().map(model -> model.slice(from, count)).toList(), factors);
    }

    /**
     * {@return the voters of a range}
     *
     * @param slices the range of each model, wherever it is
     * @param factors what is dropped of each, null for nothing
     */
    public List<Voter> voters(List<Tensor> slices, List<DropFactors> factors) {
        List<Voter> voters = new ArrayList<>();
        for (int m = 0; m < weights.length; m++) {
            voters.add(new Voter(slices.get(m), weights[m], bands.get(m), factors.get(m)));
        }
        return voters;
    }

    /** {@return elements of the rows that drops look at as a whole; 1 where none do} */
    public int row() {
        return drops.stream().mapToInt(Drop::row).max().orElse(1);
    }
}
