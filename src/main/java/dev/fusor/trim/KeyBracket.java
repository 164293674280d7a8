package dev.fusor.trim;

import dev.fusor.trim.MagnitudeSelection.Ties;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * What a search for the k-th largest of many magnitude keys knows after some passes over them all, and what the next pass is to
 * look at: first where a sample expects the key, then, in ever finer bins, all that it may be.
 */
final class KeyBracket {
    /** Bins of a histogram. */
    static final int BIN_BITS = 11;

    private final int model;
    private final long k;
    private final Deque<Look> hints = new ArrayDeque<>();

    /** The k-th key is one of these, which are so many, and among them this one from the top. */
    private int low = 0;
    private int high = Keys.LARGEST;
    private long among;
    private long rank;

    /** As a sample has it: the k-th key, or negative without a sample, and the fraction of its equals that are among the k. */
    private int guess = -1;
    private double tiesKept;

    private Look look;
    private int passes;

    /**
     * What a pass looks at.
     *
     * @param low keys from here
     * @param high to here
     * @param gathers whether they are few enough to be gathered, or counted tile by tile if they are one; else they are counted in bins
     */
    record Look(int low, int high, boolean gathers) {
        /** {@return the width of a bin, as a power of 2} */
        int shift() {
            return KeyBracket.shift(low, high);
        }
    }

    /**
     * Begins.
     *
     * @param model whose keys
     * @param k from 1 to the number of keys
     * @param keys how many there are
     */
    KeyBracket(int model, long k, long keys) {
        this.model = model;
        this.k = k;
        this.among = keys;
        this.rank = k;
    }

    int model() {
        return model;
    }

    long k() {
        return k;
    }

    int passes() {
        return passes;
    }

    boolean isOneKey() {
        return low == high;
    }

    /**
     * Takes a hint.
     *
     * @param estimate where a sample of the keys has the k-th
     * @param capacity how many may be gathered
     */
    void expect(KeyEstimate estimate, long capacity) {
        guess = estimate.key();
        tiesKept = estimate.tiesKept();
        if (estimate.likely() >= 0) {
            hints.add(new Look(estimate.likely(), estimate.likely(), true));
        }
        int least = estimate.least();
        int most = estimate.most();
        hints.add(new Look(least, most, least == most || estimate.inDoubt() * among <= capacity));
    }

    /** Plans a pass over all keys, of which so many may be gathered. */
    Look begin(long capacity) {
        passes++;
        look = null;
        while (look == null && !hints.isEmpty()) {
            Look hint = hints.remove();
            int from = Math.max(low, hint.low);
            int to = Math.min(high, hint.high);
            look = from > to ? null : new Look(from, to, hint.gathers || from == to);
        }
        if (look == null) {
            look = new Look(low, high, low == high || among <= capacity);
        }
        return look;
    }

    /** Whether the pass that was planned is the first, a sample says where the key is, and what it looks at is gathered. */
    boolean isLikely() {
        return passes == 1 && guess >= 0 && look.gathers;
    }

    /** The cut that is likely then. Of several keys all equals are kept: those that it is wrong about are among the gathered ones. */
    MagnitudeCut likelyCut(Ties ties) {
        boolean one = look.low == look.high && ties == Ties.EXACT_K;
        return new MagnitudeCut(look.low == look.high ? look.low : guess,
                one ? (long) (among * tiesKept) - 1 : Long.MAX_VALUE);
    }

    /** What the pass looks at. */
    Look look() {
        return look;
    }

    /**
     * Takes what a pass found.
     *
     * @param above how many keys are above those it looked at
     * @param inside how many it looked at
     * @return whether the k-th key is among them
     */
    boolean end(long above, long inside) {
        long left = k - above;
        if (left < 1) {
            among = above - (k - rank);
            low = look.high + 1;
        } else if (left > inside) {
            among -= rank - (left - inside);
            rank = left - inside;
            high = look.low - 1;
        } else {
            low = look.low;
            high = look.high;
            among = inside;
            rank = left;
        }
        return left >= 1 && left <= inside;
    }

    /**
     * Narrows the keys down to the bin that has the k-th.
     *
     * @param bins of the keys, each as wide as {@link Look#shift} has it
     */
    void choose(long[] bins) {
        int shift = shift(low, high);
        int bin = high - low >>> shift;
        while (rank > bins[bin]) {
            rank -= bins[bin--];
        }
        among = bins[bin];
        low += bin << shift;
        high = Math.min(high, low + (1 << shift) - 1);
    }

    private static int shift(int low, int high) {
        return Math.max(0, Integer.SIZE - Integer.numberOfLeadingZeros(high - low) - BIN_BITS);
    }
}
