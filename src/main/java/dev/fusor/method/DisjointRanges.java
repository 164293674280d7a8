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
 * @param drops what is dropped of each, null for nothing
 * @param rule how votes become the result
 */
public record DisjointRanges(TensorSource base, List<TensorSource> models, double[] weights, List<MagnitudeBand> bands,
        List<DropFactors> drops, Rule rule) implements DeviceRanges {
    private static final DisjointMerge MERGE = DisjointMerge.on(HERE);

    @Override
    public void merge(long from, Tensor out) {
        long count = out.elements();
        MERGE.merge(base.slice(from, count), voters(models.stream().map(model -> model.slice(from, count)).toList()),
                from, rule, out);
    }

    /**
     * {@return how many more elements of a range elect plus than minus}
     *
     * @param from the flat index of its first element
     * @param count how many elements it has
     */
    long majority(long from, long count) {
        return MERGE.majority(base.slice(from, count),
                voters(models.stream().map(model -> model.slice(from, count)).toList()), from, rule.election());
    }

    /**
     * {@return the voters of a range}
     *
     * @param slices the range of each model, wherever it is
     */
    public List<Voter> voters(List<Tensor> slices) {
        List<Voter> voters = new ArrayList<>();
        for (int m = 0; m < weights.length; m++) {
            voters.add(new Voter(slices.get(m), weights[m], bands.get(m), drops.get(m)));
        }
        return voters;
    }
}
