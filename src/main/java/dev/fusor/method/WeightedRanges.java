package dev.fusor.method;

import dev.fusor.arithmetic.WeightedSum;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import java.util.List;

/**
 * A merge that is a weighted sum of models, or of task vectors on a base.
 *
 * @param base the base model, or null for none
 * @param models at least one
 * @param weights one for each model
 * @param divisor divides the sum
 */
public record WeightedRanges(TensorSource base, List<TensorSource> models, double[] weights, double divisor)
        implements
            DeviceRanges {
    private static final WeightedSum SUM = WeightedSum.on(HERE);

    /** Keeps a copy of the list. */
    public WeightedRanges {
        models = List.copyOf(models);
    }

    @Override
    public void merge(long from, Tensor out) {
        long count = out.elements();
        List<Tensor> slices = models.stream().map(model -> model.slice(from, count)).toList();
        SUM.sum(base == null ? null : base.slice(from, count), slices, weights, divisor, out);
    }
}
