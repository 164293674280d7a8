package dev.fusor.merge;

import dev.fusor.reduce.NonFinite;
import java.util.ArrayList;
import java.util.List;

/**
 * What a merge did.
 *
 * @param bytesRead bytes of input tensors that went in, each counted once
 * @param bytesLookedAt bytes that were asked for beside that, to find cuts and sums and to mend, each as often as it was asked for
 * @param bytesWritten bytes of output tensors
 * @param seconds from opening the output to its last sync
 * @param notFinite a line for each tensor with NaN or infinities in an input or the result: its name and the counts
 */
public record MergeReport(long bytesRead, long bytesLookedAt, long bytesWritten, double seconds,
        List<String> notFinite) {
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

        /**
         * {@return the counts in words}
         *
         * @param models the models of the inputs, in the plan's order
         */
        public String inWords(List<String> models) {
            List<String> parts = new ArrayList<>();
            for (int i = 0; i < inputs.size(); i++) {
                if (inputs.get(i).any()) {
                    parts.add(inWords(inputs.get(i)) + " in " + models.get(i));
                }
            }
            parts.add(inWords(output) + " in the result");
            return String.join(", ", parts);
        }

        private static String inWords(NonFinite counts) {
            return counts.nan() + " NaN and " + counts.infinite() + " infinite";
        }
    }
}
