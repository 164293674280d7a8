package dev.fusor.reduce;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.TensorSource;
import java.util.List;

/**
 * Sums over whole tensors in float64 by a fixed tree, so that the result does not depend on device, threads or ranges.
 *
 * <p>Elements are cut into chunks of {@link #CHUNK}. Within a chunk, element i belongs to lane i mod {@link #LANES}; a
 * lane starts at +0 and takes its elements in order, products by fused multiply-add. The lanes of a chunk are folded in halves (lane
 * l takes lane l + 32, then + 16, down to + 1), and the chunks' sums are added in pairs of neighbours, level by level, an
 * odd one out moving up unchanged. No elements give +0. NaN and infinities follow IEEE 754.
 */
public sealed interface Reduction permits ReductionCpu {
    /** Elements of one chunk. */
    int CHUNK = 4096;

    /** Lanes of a chunk. */
    int LANES = 64;

    /**
     * {@return the primitive on a device}
     *
     * @param device runs it
     */
    static Reduction on(CpuDevice device) {
        return new ReductionCpu(device);
    }

    /**
     * {@return the sum of the products of corresponding elements}
     *
     * @param a any arithmetic type
     * @param b likewise, of as many elements
     * @throws IllegalArgumentException if the lengths differ or a type is not arithmetic
     */
    double dot(TensorSource a, TensorSource b);

    /**
     * {@return the sum of the squares of the elements} Its square root is the Euclidean norm.
     *
     * @param a any arithmetic type
     * @throws IllegalArgumentException if the type is not arithmetic
     */
    double sumOfSquares(TensorSource a);

    /**
     * {@return the sum of the elements}
     *
     * @param a any arithmetic type
     * @throws IllegalArgumentException if the type is not arithmetic
     */
    double sum(TensorSource a);

    /**
     * {@return the dot product of two tensors and the sum of the squares of each, in one read of both}
     *
     * @param a any arithmetic type
     * @param b likewise, of as many elements
     * @throws IllegalArgumentException if the lengths differ or a type is not arithmetic
     */
    Products products(TensorSource a, TensorSource b);

    /**
     * {@return for each model the dot product of a gradient with its task vector, in one read of everything}
     *
     * <p>Where {@code theta = base + sum of lambda_m (model_m - base)} and the gradient is that of a loss by theta, this is the
     * gradient of the loss by each lambda: the adjoint of a weighted sum, one step of what AdaMerging (Yang et al. 2024, arXiv
     * 2310.02575) and learned soups (Wortsman et al. 2022, arXiv 2203.05482) learn. An entry of a task vector is a difference
     * rounded to float64.
     *
     * @param gradient of a loss by each element, any arithmetic type
     * @param base any arithmetic type; null if models are summed without one, and are their own task vectors
     * @param models any number, of any arithmetic types
     * @throws IllegalArgumentException if the lengths differ or a type is not arithmetic
     */
    double[] taskVectorProducts(TensorSource gradient, TensorSource base, List<? extends TensorSource> models);
}
