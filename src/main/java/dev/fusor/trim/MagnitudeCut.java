package dev.fusor.trim;

/**
 * Where trimming cuts a task vector: elements of greater magnitude are kept, and of those that tie, the first ones.
 *
 * <p>A magnitude is compared by its key: the bits of the float32 without the sign, all NaN as one key above infinity.
 *
 * @param key the key of the smallest magnitude that is kept
 * @param lastTie the flat index of the last element kept among those of that key; none if negative
 */
public record MagnitudeCut(int key, long lastTie) {
    /** The key of every NaN: they rank above infinity, and tie. */
    public static final int NAN_KEY = 0x7F800001;

    /** Keeps everything. */
    public static final MagnitudeCut ALL = new MagnitudeCut(0, Long.MAX_VALUE);

    /** Keeps nothing. */
    public static final MagnitudeCut NONE = new MagnitudeCut(Integer.MAX_VALUE, -1);

    /**
     * {@return the key of a number's magnitude}
     *
     * @param value any float32
     */
    public static int keyOf(float value) {
        return Math.min(Float.floatToRawIntBits(value) & 0x7FFFFFFF, NAN_KEY);
    }

    /**
     * {@return the least key that is kept in a range which {@link #nextChange} does not split}
     *
     * @param index any flat index of the range
     */
    public int leastKey(long index) {
        return index <= lastTie || key == Integer.MAX_VALUE ? key : key + 1;
    }

    /**
     * {@return the first index from which {@link #leastKey} differs from the one at {@code from}, or the largest long}
     *
     * @param from a flat index
     */
    public long nextChange(long from) {
        return from <= lastTie && lastTie != Long.MAX_VALUE ? lastTie + 1 : Long.MAX_VALUE;
    }

    /**
     * {@return whether an element is kept}
     *
     * @param value the element
     * @param index its flat index
     */
    public boolean keeps(float value, long index) {
        return keyOf(value) >= leastKey(index);
    }
}
