package dev.fusor.trim;

/**
 * What trimming keeps of a task vector: the elements that one cut keeps and another does not.
 *
 * @param atLeast keeps what is large enough
 * @param tooLarge keeps what is too large
 */
public record MagnitudeBand(MagnitudeCut atLeast, MagnitudeCut tooLarge) {
    /** Keeps everything. */
    public static final MagnitudeBand ALL = new MagnitudeBand(MagnitudeCut.ALL, MagnitudeCut.NONE);

    /** {@return whether nothing is too large} */
    public boolean isOpen() {
        return tooLarge.equals(MagnitudeCut.NONE);
    }

    /**
     * {@return the least key that is kept in a range which {@link #nextChange} does not split}
     *
     * @param index any flat index of the range
     */
    public int leastKey(long index) {
        return atLeast.leastKey(index);
    }

    /**
     * {@return the least key that is too large in such a range}
     *
     * @param index any flat index of the range
     */
    public int limitKey(long index) {
        return tooLarge.leastKey(index);
    }

    /**
     * {@return the first index from which either key differs from the one at {@code from}, or the largest long}
     *
     * @param from a flat index
     */
    public long nextChange(long from) {
        return Math.min(atLeast.nextChange(from), tooLarge.nextChange(from));
    }

    /**
     * {@return whether an element is kept}
     *
     * @param value the element
     * @param index its flat index
     */
    public boolean keeps(float value, long index) {
        return atLeast.keeps(value, index) && !tooLarge.keeps(value, index);
    }
}
