package dev.fusor.method;

import dev.fusor.consensus.DisjointMerge;
import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.consensus.DisjointMerge.Sink;
import dev.fusor.consensus.DisjointMerge.Trimmed;
import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.MagnitudeSelection.Selected;
import dev.fusor.trim.MagnitudeSelection.Ties;
import java.util.List;

/**
 * The merge of a whole tensor whose task vectors are trimmed on the way, most often in one read (docs/adr/032).
 *
 * @param base the base model
 * @param models at least one
 * @param ties what becomes of equal magnitudes where a model is cut
 * @param rule how votes become the result
 */
public record TrimmedMerge(TensorSource base, List<Trimmed> models, Ties ties, Rule rule) {
    /**
     * Merges all of the tensor.
     *
     * @param device runs it
     * @param sink takes ranges, some more than once
     * @return the cuts, and what was read for them and the merge
     */
    public Selected run(CpuDevice device, Sink sink) {
        return DisjointMerge.on(device).merge(base, models, ties, rule, sink);
    }
}
