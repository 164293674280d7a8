package dev.fusor.arithmetic;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.Tensor;
import java.util.List;

/**
 * The weighted sum of models, or of their task vectors on top of a base model, in one read of every input.
 *
 * <p>Without a base, element i of the result is {@code (sum of w_m x_m[i]) / divisor}; with one it is
 * {@code b[i] + (sum of w_m (x_m[i] - b[i])) / divisor}. The arithmetic is fixed, so that every device gives the same
 * bits:
 * <ul>
 * <li>inputs are widened to float32, weights and divisor rounded to it; if any tensor is F64, everything is float64;
 * <li>differences are rounded; the first product is rounded, every further model joins by one fused multiply-add, in the
 * order of the list; then come the division and the addition of the base, each rounded;
 * <li>the result is rounded once more to the output type, to nearest, ties to even, overflowing as that type does.
 * </ul>
 * A NaN anywhere in a sum makes that element the output type's quiet NaN and no other; infinities and signed zeros follow
 * IEEE 754. Tensors of no elements are left alone. A divisor of 0 is not refused: it divides as IEEE 754 says.
 *
 * <p>All threads of the device must be able to use the memory: that of a confined arena serves a device of one thread.
 */
public sealed interface WeightedSum permits WeightedSumCpu {
    /**
     * {@return the primitive on a device}
     *
     * @param device runs it
     */
    static WeightedSum on(CpuDevice device) {
        return new WeightedSumCpu(device);
    }

    /**
     * Sums models.
     *
     * @param models at least one; all of the output's element count, any arithmetic types
     * @param weights one for each model
     * @param divisor divides the sum, 1 to leave it
     * @param out receives the result; may be one of the inputs, but not overlap one otherwise
     * @throws IllegalArgumentException if counts differ, a type is not arithmetic or a thread may not use the memory
     */
    default void sum(List<Tensor> models, double[] weights, double divisor, Tensor out) {
        sum(null, models, weights, divisor, out);
    }

    /**
     * Sums task vectors onto a base model.
     *
     * @param base the base model, or null for none
     * @param models at least one; all of the output's element count, any arithmetic types
     * @param weights one for each model
     * @param divisor divides the sum, 1 to leave it
     * @param out receives the result; may be one of the inputs, but not overlap one otherwise
     * @throws IllegalArgumentException if counts differ, a type is not arithmetic or a thread may not use the memory
     */
    void sum(Tensor base, List<Tensor> models, double[] weights, double divisor, Tensor out);
}
