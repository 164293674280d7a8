package dev.fusor.arithmetic;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.Tensor;

/**
 * Moves a base model towards another one where the two are near.
 *
 * <p>For each element, in float32: {@code d = x - b}, {@code w = min(max(t / max(|d|, 1e-6), 0), 1)}, and the result is
 * {@code fma(w, d, b)}, rounded to the output type. Elements no further apart than t become x (up to that rounding), others
 * move by t. F64 is rounded to float32 first. A NaN in either tensor makes that element NaN and no other; where both are
 * the same infinity, d is NaN too. Tensors of no elements are left alone.
 */
public sealed interface NearSwap permits NearSwapCpu {
    /**
     * {@return the primitive on a device}
     *
     * @param device runs it
     */
    static NearSwap on(CpuDevice device) {
        return new NearSwapCpu(device);
    }

    /**
     * Moves the base towards another model.
     *
     * @param base the base model
     * @param x the other model, of as many elements
     * @param t the distance to move by at most; 0 or less leaves the base
     * @param out receives the result; may be one of the inputs, but not overlap one otherwise
     * @throws IllegalArgumentException if counts differ or a type is not arithmetic
     */
    void swap(Tensor base, Tensor x, double t, Tensor out);
}
