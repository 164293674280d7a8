package dev.fusor.drop;

import java.lang.foreign.MemorySegment;

/**
 * What a drop, at random or not, leaves of a task vector: for each element a factor, or that it is dropped.
 *
 * <p>A factor depends on the element's flat index alone, so that ranges may be had in any order and by any thread.
 */
public interface DropFactors {
    /** In place of a factor: the element is dropped, whatever it is. Factors proper are not NaN. */
    float DROPPED = Float.NaN;

    /**
     * Writes the factors of a range.
     *
     * @param from the flat index of its first element in the whole tensor
     * @param count how many, at most {@link dev.fusor.simd.Scratch#ELEMENTS}
     * @param factors receives them as float32 in little-endian order, and up to three numbers beyond that mean nothing
     */
    void load(long from, int count, MemorySegment factors);
}
