package dev.fusor.merge;

import dev.fusor.reduce.NonFinite;
import java.util.List;
import java.util.SequencedMap;

/**
 * What a merge did.
 *
 * @param bytesRead bytes of input tensors that went in, each counted once
 * @param bytesWritten bytes of output tensors
 * @param seconds from opening the output to its last sync
 * @param nonFinite the output tensors with NaN or infinities in an input or the result, by name
 */
public record MergeReport(long bytesRead, long bytesWritten, double seconds,
        SequencedMap<String, TensorHealth> nonFinite) {
    /**
     * The numbers of one tensor that are not finite.
     *
     * @param inputs the counts of each input, in the plan's order
     * @param output the counts of the result
     */
    public record TensorHealth(List<NonFinite> inputs, NonFinite output) {
        /** {@return whether there are any} */
        public boolean any() {
            return output.any() || inputs.stream().anyMatch(NonFinite::any);
        }
    }
}
