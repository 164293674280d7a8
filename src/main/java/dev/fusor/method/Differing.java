package dev.fusor.method;

import dev.fusor.device.CpuDevice;
import dev.fusor.reduce.Reduction;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.MagnitudeSelection;
import dev.fusor.trim.MagnitudeSelection.Part;
import dev.fusor.trim.MagnitudeSelection.Selected;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import dev.fusor.trim.TaskVectorSource;
import dev.fusor.trim.TaskVectorVariance;
import java.util.List;

/**
 * Where task vectors differ most, and how much of each there is.
 *
 * @param cut what it keeps of {@link TaskVectorVariance} is where
 * @param sumsOfSquares of each task vector's elements there
 * @param bytesRead bytes of tensors that were asked for
 */
public record Differing(MagnitudeCut cut, double[] sumsOfSquares, long bytesRead) {
    /** Finds it on the CPU. */
    static Differing of(TensorSource base, List<TensorSource> models, double fraction, CpuDevice device) {
        TaskVectorVariance variance = new TaskVectorVariance(base, models);
        MagnitudeCut cut = MagnitudeCut.ALL;
        long bytes = 0;
        if (fraction < 1) {
            MagnitudeSelection selection = MagnitudeSelection.on(device);
            long kept = MagnitudeSelection.kept(fraction, selection.nonZero(null, variance));
            Selected selected = selection.select(List.of(new Part(null, List.of(variance))),
                    List.of(new Wanted(0, kept)), Ties.EXACT_K);
            cut = selected.cuts().getFirst().getFirst();
            bytes = variance.bytesOf(variance.elements()) + selected.bytesRead();
        }
        double[] sums = new double[models.size()];
        for (int m = 0; m < sums.length; m++) {
            TaskVectorSource left = left(base, models.get(m), variance, cut);
            sums[m] = Reduction.on(device).sumOfSquares(left);
            bytes += left.bytesOf(left.elements());
        }
        return new Differing(cut, sums, bytes);
    }

    private static TaskVectorSource left(TensorSource base, TensorSource x, TaskVectorVariance variance,
            MagnitudeCut cut) {
        if (cut.equals(MagnitudeCut.ALL)) {
            return new TaskVectorSource(base, x);
        }
        return new TaskVectorSource(base, x, (from, count) -> {
            Tensor variances = variance.slice(from, count);
            return (index, delta, n) -> {
                for (int i = 0; i < n; i++) {
                    float differs = (float) Elements.get(variances, index - from + i);
                    delta[i] = cut.keeps(differs, index + i) ? delta[i] : 0f;
                }
            };
        });
    }
}
