package dev.fusor.linalg;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.Tensor;

/**
 * How alike the units of two models are: the product of a matrix with a row for each unit of one and the transpose of such a
 * matrix of the other, added to what is there. Summed over all tensors that touch a group of units, it is the matrix whose
 * best assignment matches them (Git Re-Basin, <a href="https://arxiv.org/abs/2209.04836">arXiv:2209.04836</a>, section 3.2).
 *
 * <p>Element [i, j] changes in this way, whatever the number of threads and with or without vectors:
 * <ul>
 * <li>elements are widened to float32 (F64 is rounded to it);
 * <li>columns go in chunks of {@value #CHUNK}; the sum of a chunk starts at +0 and takes the product of unit i of one with
 * unit j of the other by one fused multiply-add for each column, in their order;
 * <li>the sums of the chunks are added to the element, in their order, each rounded to float32.
 * </ul>
 * Products of F16, BF16 and F8 are exact in float32. A NaN makes each element that it has a part in the one quiet NaN, and no
 * other; infinities follow IEEE 754. Without columns the elements stay as they are.
 */
public sealed interface UnitSimilarity permits UnitSimilarityCpu {
    /** Columns that are summed before they are added. */
    int CHUNK = 256;

    /**
     * {@return the primitive on a device}
     *
     * @param device runs it
     */
    static UnitSimilarity on(CpuDevice device) {
        return new UnitSimilarityCpu(device);
    }

    /**
     * Adds the similarities of units.
     *
     * @param a units of one model, of an arithmetic type
     * @param b units of the other, of an arithmetic type; as many columns
     * @param similarities F32 of shape [units of a, units of b]; may not overlap the models
     * @throws IllegalArgumentException if types or shapes are others, if there are more than 2^22 units on a side, or if a thread may
     * not use the memory
     */
    void accumulate(Units a, Units b, Tensor similarities);
}
