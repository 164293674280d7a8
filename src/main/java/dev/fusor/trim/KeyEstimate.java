package dev.fusor.trim;

import java.util.List;

/**
 * Where a sample has the k-th of all keys.
 *
 * @param key the k-th
 * @param likely the one key that it is likely to be, or -1 if there are several
 * @param tiesKept the fraction of the equals of a likely key that are among the k largest
 * @param least the k-th is hardly below
 * @param most it is hardly above
 * @param inDoubt the share of the sample between these
 */
record KeyEstimate(int key, int likely, double tiesKept, int least, int most, double inDoubt) {
    /**
     * A key of a sample.
     *
     * @param key it is, or beyond the ends of the sample the largest or the least that there may be
     * @param larger how many of the sample are larger
     * @param equal how many of the sample are equal
     */
    record Ranked(int key, int larger, int equal) {}

    /**
     * Draws the estimate from a sample.
     *
     * @param ranked its keys at {@link MagnitudeSample#PLACES}
     * @param fraction k as a fraction of the number of all keys
     * @param size of the sample
     */
    static KeyEstimate of(List<Ranked> ranked, double fraction, int size) {
        Ranked most = ranked.get(0);
        Ranked likely = ranked.get(1);
        Ranked least = ranked.get(4);
        boolean one = likely.key == ranked.get(3).key;
        double tiesKept = one ? Math.clamp((fraction * size - likely.larger) / likely.equal, 0, 1) : 0;
        double inDoubt = (double) (least.larger + least.equal - most.larger) / size;
        return new KeyEstimate(ranked.get(2).key, one ? likely.key : -1, tiesKept, least.key, most.key, inDoubt);
    }
}
