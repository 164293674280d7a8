package dev.fusor.trim;

import dev.fusor.simd.Specialised;
import java.util.Arrays;

/**
 * What is seen of the magnitude keys of a range while likely cuts are used in it: for each that is wanted, how many elements
 * its cut keeps, and how many keys are near it; and, if they are listed, which elements have these.
 */
public final class KeyWatch {
    private final int[] least;
    private final int[] spans;
    private final int[] kept;
    private final int[] near;
    private final int[][] places;
    private final int[][] keys;

    /**
     * Makes room.
     *
     * @param least for each that is wanted the first key that is near its cut
     * @param spans how many keys from there on are near, unsigned; 1 each if they are not listed
     * @param longest elements of a range that may be listed at most, 0 to list none
     */
    KeyWatch(int[] least, int[] spans, int longest) {
        this.least = least;
        this.spans = spans;
        this.kept = new int[least.length];
        this.near = new int[least.length];
        int room = longest + Specialised.MOST_LANES;
        this.places = longest > 0 ? new int[least.length][room] : null;
        this.keys = longest > 0 ? new int[least.length][room] : null;
    }

    /** Begins a range. */
    void clear() {
        Arrays.fill(kept, 0);
        Arrays.fill(near, 0);
    }

    int kept(int wanted) {
        return kept[wanted];
    }

    /** {@return whether elements with keys near a cut are listed, or only counted} */
    public boolean lists() {
        return places != null;
    }

    /**
     * {@return the first key that is near a cut}
     *
     * @param wanted whose
     */
    public int least(int wanted) {
        return least[wanted];
    }

    /**
     * {@return how many keys from the first on are near a cut, unsigned: 1 if elements are not listed}
     *
     * @param wanted whose
     */
    public int span(int wanted) {
        return spans[wanted];
    }

    /**
     * Adds to the counts.
     *
     * @param wanted whose
     * @param more how many elements of a range its cut keeps
     * @param moreNear how many keys there are near it, listed if they are to be
     */
    public void add(int wanted, int more, int moreNear) {
        kept[wanted] += more;
        near[wanted] += moreNear;
    }

    /**
     * {@return how many keys near a cut have been counted}
     *
     * @param wanted whose
     */
    public int near(int wanted) {
        return near[wanted];
    }

    /**
     * {@return where the elements with these keys are, from the first of the range, in order; with room for all and a vector more}
     *
     * @param wanted whose
     */
    public int[] places(int wanted) {
        return places[wanted];
    }

    /**
     * {@return the keys of these elements, with as much room}
     *
     * @param wanted whose
     */
    public int[] keys(int wanted) {
        return keys[wanted];
    }
}
