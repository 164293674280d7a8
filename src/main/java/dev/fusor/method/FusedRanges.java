package dev.fusor.method;

import dev.fusor.consensus.TaskVectorFusion;
import dev.fusor.consensus.TaskVectorFusion.Fusion;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import java.util.List;

/**
 * A merge that makes one task vector of those of all models, and adds a multiple of it to the base.
 *
 * @param base the base model
 * @param models as many as the fusion takes, or more
 * @param fusion makes one task vector
 * @param lambda scales it
 */
public record FusedRanges(TensorSource base, List<TensorSource> models, Fusion fusion, double lambda)
        implements
            DeviceRanges {
    /** Keeps a copy of the list. */
    public FusedRanges {
        models = List.copyOf(models);
    }

    @Override
    public void merge(long from, Tensor out) {
        long count = out.elements();
        TaskVectorFusion.merge(base.slice(from, count),
                models.stream().map(model -> model.slice(from, count)).toList(), fusion, lambda, out);
    }
}
