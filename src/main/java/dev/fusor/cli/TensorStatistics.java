package dev.fusor.cli;

import dev.fusor.device.CpuDevice;
import dev.fusor.reduce.NonFinite;
import dev.fusor.tensor.Tensor;

/**
 * What the numbers of a tensor are like.
 *
 * @param nonFinite how many are NaN or infinite
 * @param min the least finite one, +infinity if there is none
 * @param max the greatest finite one, -infinity if there is none
 */
record TensorStatistics(NonFinite nonFinite, double min, double max) {
    private static final TensorStatistics NONE = new TensorStatistics(NonFinite.NONE, Double.POSITIVE_INFINITY,
            Double.NEGATIVE_INFINITY);

    /** Reads a tensor of an arithmetic type, once. */
    static TensorStatistics of(Tensor tensor, CpuDevice device) {
        return Tiles.reduce(tensor.elements(), device, NONE, (from, count, numbers) -> {
            double[] values = numbers.load(tensor, from, count);
            double min = Double.POSITIVE_INFINITY;
            double max = Double.NEGATIVE_INFINITY;
            for (int i = 0; i < count; i++) {
                if (Double.isFinite(values[i])) {
                    min = Math.min(min, values[i]);
                    max = Math.max(max, values[i]);
                }
            }
            return new TensorStatistics(NonFinite.count(tensor.slice(from, count)), min, max);
        }, TensorStatistics::plus);
    }

    private TensorStatistics plus(TensorStatistics other) {
        return new TensorStatistics(nonFinite.plus(other.nonFinite), Math.min(min, other.min),
                Math.max(max, other.max));
    }
}
