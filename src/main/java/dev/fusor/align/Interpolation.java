package dev.fusor.align;

import dev.fusor.arithmetic.WeightedSum;
import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import java.util.List;

/**
 * A tensor between one of the first model and one of the second whose units are permuted, in one read of both: a tile of the
 * second is gathered into the cache and summed there.
 */
public final class Interpolation {
    /** Elements of a tile: with its gathered copy within the second-level cache. */
    private static final long TILE = 1 << 15;

    private Interpolation() {}

    /**
     * Computes {@code (1 - t) first + t second} as {@link WeightedSum} does: the first product is rounded to float32, the second
     * joins by a fused multiply-add, and the sum is rounded to the type of the output; float64 if a tensor is F64.
     *
     * @param device runs it
     * @param first of an arithmetic type
     * @param second likewise, of as many elements, such as a {@link PermutedSource}
     * @param t the weight of the second; 0 does not leave it out: NaN stays NaN
     * @param out receives the result: of an arithmetic type and as many elements; may be the first, but not overlap one otherwise
     * @throws IllegalArgumentException if types or lengths are others, or a thread may not use the memory
     */
    public static void between(CpuDevice device, TensorSource first, TensorSource second, double t, Tensor out) {
        if (first.elements() != out.elements() || second.elements() != out.elements()) {
            throw new IllegalArgumentException(
                    "tensors are interpolated element by element, got %s, %s and %s".formatted(
                            first.shape(), second.shape(), out.shape()));
        }
        double[] weights = {1 - t, t};
        try (CpuDevice alone = CpuDevice.open(1)) {
            WeightedSum sum = WeightedSum.on(alone);
            device.run((out.elements() + TILE - 1) / TILE, tile -> {
                long from = tile * TILE;
                long count = Math.min(TILE, out.elements() - from);
                sum.sum(List.of(first.slice(from, count), second.slice(from, count)), weights, 1,
                        out.slice(from, count));
            });
        }
    }
}
