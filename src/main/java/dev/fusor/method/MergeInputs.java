package dev.fusor.method;

import dev.fusor.consensus.TaskVectorFusion.Fusion;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * What one tensor is merged from.
 *
 * @param tensor the tensor's name in the output
 * @param seed of all random choices
 * @param base the base model's tensor, or null for a method that uses none
 * @param models the models' tensors, the base not among them; all of equal length
 * @param modelParameters a value for each parameter of scope MODEL, for each model
 * @param parameters a value for each parameter of scope TENSOR
 */
public record MergeInputs(String tensor, long seed, TensorSource base, List<TensorSource> models,
        List<Map<String, Double>> modelParameters, Map<String, Double> parameters) {
    /** Copies the lists. */
    public MergeInputs {
        models = List.copyOf(models);
        modelParameters = List.copyOf(modelParameters);
        parameters = Map.copyOf(parameters);
        if (models.isEmpty() || models.size() != modelParameters.size()) {
            throw new IllegalArgumentException("a merge takes at least 1 model and parameters for each, got %d and %d"
                    .formatted(models.size(), modelParameters.size()));
        }
    }

    double value(String parameter) {
        return parameters.get(parameter);
    }

    double value(int model, String parameter) {
        return modelParameters.get(model).get(parameter);
    }

    boolean flag(String parameter) {
        return value(parameter) != 0;
    }

    double[] values(String parameter) {
        return modelParameters.stream().mapToDouble(values -> values.get(parameter)).toArray();
    }

    /** One of the models on the base. */
    MergeInputs only(int model) {
        return new MergeInputs(tensor, seed, base, List.of(models.get(model)), List.of(modelParameters.get(model)),
                parameters);
    }

    /** The merge that makes one task vector of those of all models, and adds lambda times it to the base. */
    RangeMerge fused(Fusion fusion, double lambda) {
        return new FusedRanges(base, models, fusion, lambda);
    }

    /** Bytes of the base and all models. */
    long bytes() {
        return Stream.concat(Stream.of(base), models.stream()).mapToLong(source -> source.bytesOf(source.elements()))
                .sum();
    }

    <T> List<T> ofEachModel(IntFunction<T> made) {
        return IntStream.range(0, models.size()).mapToObj(made).toList();
    }

    List<Tensor> slices(long from, long count) {
        return models.stream().map(model -> model.slice(from, count)).toList();
    }

    Tensor baseSlice(long from, long count) {
        return base.slice(from, count);
    }

    /** The weights' sum in float64, in the order of the models, where {@code normalize} is set; else 1. */
    double divisor(double[] weights) {
        if (!flag("normalize")) {
            return 1;
        }
        double sum = 0;
        for (double weight : weights) {
            sum += weight;
        }
        return sum;
    }
}
