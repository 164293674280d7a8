package dev.fusor.drop;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * MAGPRUNE, the drop of DELLA (Deep et al. 2024, arXiv 2406.11617): the larger an element is in its row, the likelier it is
 * kept.
 *
 * <p>The element of rank r, from 0 for the smallest of a row of n, is kept with the probability
 * {@code (density - epsilon) + 2 epsilon / (n - 1) * r}, computed in float64 from the left to the right, and 1 at most; in a
 * row of one element it is the density. It is kept if its word is less than {@link RandomDrop#threshold} of that
 * probability, and words are those of {@link RandomDrop}.
 */
public final class RankedDrop implements DropFactors {
    private static final ValueLayout.OfFloat FACTOR = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final long key;
    private final int model;
    private final long first;
    private final int[] ranks;
    private final long[] thresholds;
    private final float[] factors;

    /**
     * Settles the drop of some rows.
     *
     * @param key the tensor's, from {@link Philox#key}
     * @param model the model's number, from 0
     * @param window what is kept of a rank
     * @param first the flat index of the first element
     * @param ranks of the elements from there on; kept, not copied
     */
    public RankedDrop(long key, int model, Window window, long first, int[] ranks) {
        this.key = key;
        this.model = model;
        this.first = first;
        this.ranks = ranks;
        this.thresholds = window.thresholds;
        this.factors = window.factors;
    }

    /** The thresholds and factors of all ranks of a row. */
    public static final class Window {
        private final long[] thresholds;
        private final float[] factors;

        /**
         * Computes them.
         *
         * @param density the mean of the probabilities
         * @param epsilon how far they reach to either side
         * @param row elements of a row, 1 or more
         * @param rescale whether what is kept is multiplied by 1 / probability, in float64 and then rounded to float32
         * @throws IllegalArgumentException if a probability is outside 0 to 1
         */
        public Window(double density, double epsilon, int row, boolean rescale) {
            if (!fits(density, epsilon)) {
                throw new IllegalArgumentException(
                        "density +- epsilon are fractions from 0 to 1, got %s +- %s".formatted(density, epsilon));
            }
            this.thresholds = new long[row];
            this.factors = new float[row];
            double step = row == 1 ? 0 : 2 * epsilon / (row - 1);
            double least = row == 1 ? density : density - epsilon;
            for (int rank = 0; rank < row; rank++) {
                double probability = Math.min(1, least + step * rank);
                thresholds[rank] = RandomDrop.threshold(probability);
                factors[rank] = rescale ? (float) (1 / probability) : 1;
            }
        }

        /** {@return elements of a row} */
        public int row() {
            return thresholds.length;
        }

        long threshold(int rank) {
            return thresholds[rank];
        }

        float factor(int rank) {
            return factors[rank];
        }

        /**
         * {@return whether all probabilities are from 0 to 1}
         *
         * @param density the mean of the probabilities
         * @param epsilon how far they reach to either side
         */
        public static boolean fits(double density, double epsilon) {
            return epsilon >= 0 && density - epsilon >= 0 && density + epsilon <= 1;
        }
    }

    @Override
    public void load(long from, int count, MemorySegment to) {
        int early = (int) (from & 3);
        Philox philox = Philox.mine();
        philox.fill(key, model, from >>> 2, early + count + 3 >>> 2);
        int offset = Math.toIntExact(from - first);
        for (int i = 0; i < count; i++) {
            int rank = ranks[offset + i];
            boolean kept = Integer.toUnsignedLong(philox.word(early + i)) < thresholds[rank];
            to.setAtIndex(FACTOR, i, kept ? factors[rank] : DROPPED);
        }
    }
}
