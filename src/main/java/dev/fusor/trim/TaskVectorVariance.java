package dev.fusor.trim;

import dev.fusor.simd.Scratch;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/**
 * How much task vectors differ from each other, element by element: their variance over the models, as a tensor that is
 * computed as it is asked for.
 *
 * <p>In float64 and in the order of the models: the mean is the sum of the task vectors divided by their number n, and the
 * variance the sum of the squared differences from it, divided by n and rounded to float32. NaN and infinities give NaN.
 */
public final class TaskVectorVariance extends ComputedSource {
    /** Scratch: arrays 0 to 3 are in use while task vectors are formed. */
    private static final int DELTAS = 4;

    /**
     * The variance of the task vectors of some models.
     *
     * @param base the base model
     * @param models at least one
     * @throws IllegalArgumentException if the lengths differ or a type is not arithmetic
     */
    public TaskVectorVariance(TensorSource base, List<? extends TensorSource> models) {
        super(Stream.concat(Stream.of(base), models.stream()).toArray(TensorSource[]::new));
    }

    @Override
    Part part(long from, long count) {
        return TaskVectorVariance::variance;
    }

    private static void variance(List<Tensor> ranges, long at, float[] values, int count) {
        Scratch scratch = Scratch.mine();
        int models = ranges.size() - 1;
        double[] mean = scratch.doubles(2);
        double[] squares = scratch.doubles(3);
        Arrays.fill(mean, 0, count, 0);
        Arrays.fill(squares, 0, count, 0);
        for (int m = 0; m < models; m++) {
            float[] delta = scratch.floats(DELTAS + m);
            TaskVector.load(ranges.getFirst(), ranges.get(1 + m), at, delta, count);
            for (int i = 0; i < count; i++) {
                mean[i] += delta[i];
            }
        }
        for (int i = 0; i < count; i++) {
            mean[i] /= models;
        }
        for (int m = 0; m < models; m++) {
            float[] delta = scratch.floats(DELTAS + m);
            for (int i = 0; i < count; i++) {
                double off = delta[i] - mean[i];
                squares[i] += off * off;
            }
        }
        for (int i = 0; i < count; i++) {
            values[i] = (float) (squares[i] / models);
        }
    }
}
