package dev.fusor.trim;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.TensorSource;

/**
 * Finds, exactly, where to cut a task vector so that its k elements of largest magnitude stay: the trim step of TIES
 * (Yadav et al. 2023, arXiv 2306.01708).
 *
 * <p>The task vector is {@code x - base}, each difference rounded to float32 (taken in float64 and then rounded if either
 * tensor is F64), and is never stored; without a base it is x itself, rounded to float32. NaN ranks above infinity. The
 * result depends on the numbers alone, not on threads, ranges or chance.
 */
public sealed interface MagnitudeSelection permits MagnitudeSelectionCpu {
    /** What becomes of elements whose magnitude equals that of the k-th. */
    enum Ties {
        /** Exactly k elements are kept, among equals those of lowest flat index. */
        EXACT_K,
        /** All that equal the k-th are kept, as the authors of TIES do: k elements or more. */
        ALL_TIES
    }

    /**
     * {@return the primitive on a device}
     *
     * @param device runs it
     */
    static MagnitudeSelection on(CpuDevice device) {
        return new MagnitudeSelectionCpu(device);
    }

    /**
     * {@return how many elements a density keeps} The product in float64, rounded down.
     *
     * @param density the fraction to keep, from 0 to 1
     * @param elements the elements there are
     * @throws IllegalArgumentException if the density is outside its range or NaN
     */
    static long kept(double density, long elements) {
        if (!(density >= 0 && density <= 1)) {
            throw new IllegalArgumentException("density is a fraction from 0 to 1, got " + density);
        }
        return Math.min(elements, (long) (density * elements));
    }

    /**
     * {@return the cut that keeps the k largest magnitudes}
     *
     * @param base the base model, or null to look at {@code x} itself
     * @param x the model, of as many elements and any arithmetic type
     * @param k how many to keep; 0 keeps none, the number of elements or more keeps all
     * @param ties what becomes of equals
     * @throws IllegalArgumentException if the lengths differ, a type is not arithmetic or k is negative
     */
    MagnitudeCut select(TensorSource base, TensorSource x, long k, Ties ties);

    /**
     * {@return how many elements are not 0} NaN is not.
     *
     * @param base the base model, or null to look at {@code x} itself
     * @param x the model, of as many elements and any arithmetic type
     * @throws IllegalArgumentException if the lengths differ or a type is not arithmetic
     */
    long nonZero(TensorSource base, TensorSource x);
}
