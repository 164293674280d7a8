package dev.fusor.align;

import dev.fusor.device.CpuDevice;
import dev.fusor.linalg.Units;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * Brings the units of a chain of dense layers to those of another, of any widths, layer after layer from the input (OTFusion,
 * <a href="https://arxiv.org/abs/1910.05653">arXiv:1910.05653</a>, by weights): the inputs of a layer are mapped as the outputs of the
 * layer before were, then a map of its outputs is found by the squared distances of what leads into them, weights and bias.
 * Inputs of the first layer and outputs of the last are taken to correspond.
 */
public final class TransportAlignment {
    private TransportAlignment() {}

    /**
     * {@return the first chain with the widths and the units of the second, F32} The mean of it and the second is the fusion.
     *
     * @param device computes it
     * @param first layers to be aligned
     * @param second as many layers; the same inputs of the first and outputs of the last, biases in the same layers
     * @param map finds a map by costs of shape [units, units of the other]
     * @throws IllegalArgumentException if the chains do not correspond so, or as maps say
     */
    public static List<DenseLayer> align(CpuDevice device, List<DenseLayer> first, List<DenseLayer> second,
            Function<Tensor, TransportMap> map) {
        check(first, second);
        List<DenseLayer> aligned = new ArrayList<>();
        TransportMap inputs = null;
        for (int i = 0; i < first.size(); i++) {
            DenseLayer from = first.get(i);
            DenseLayer to = second.get(i);
            Tensor weights = inputs == null ? from.weights() : inputs.columns(from.weights());
            if (i == first.size() - 1) {
                aligned.add(new DenseLayer(weights, from.biases()));
                break;
            }
            TransportMap outputs = map.apply(costs(device, weights, from.biases(), to));
            aligned.add(new DenseLayer(outputs.rows(weights), from.biases() == null
                    ? null
                    : vector(outputs.rows(column(from.biases())))));
            inputs = outputs;
        }
        return aligned;
    }

    private static Tensor costs(CpuDevice device, Tensor weights, Tensor biases, DenseLayer to) {
        Tensor costs = TransportMap.squaredDistances(device, Units.along(weights, 0), Units.along(to.weights(), 0));
        if (biases != null) {
            Tensor more = TransportMap.squaredDistances(device, Units.along(biases, 0), Units.along(to.biases(), 0));
            for (long i = 0; i < costs.elements(); i++) {
                Elements.set(costs, i, Elements.get(costs, i) + Elements.get(more, i));
            }
        }
        return costs;
    }

    private static Tensor column(Tensor vector) {
        return Tensor.of(vector.data(), vector.dtype(), Shape.of(vector.elements(), 1));
    }

    private static Tensor vector(Tensor column) {
        return Tensor.of(column.data(), column.dtype(), Shape.of(column.elements()));
    }

    private static void check(List<DenseLayer> first, List<DenseLayer> second) {
        if (first.size() != second.size() || first.isEmpty()) {
            throw new IllegalArgumentException("chains have as many layers, 1 or more, got %d and %d".formatted(
                    first.size(), second.size()));
        }
        if (first.getFirst().inputs() != second.getFirst().inputs()
                || first.getLast().outputs() != second.getLast().outputs()) {
            throw new IllegalArgumentException(
                    "chains have the same inputs and outputs, got %d to %d and %d to %d".formatted(
                            first.getFirst().inputs(), first.getLast().outputs(), second.getFirst().inputs(),
                            second.getLast().outputs()));
        }
        for (List<DenseLayer> chain : List.of(first, second)) {
            for (int i = 1; i < chain.size(); i++) {
                if (chain.get(i).inputs() != chain.get(i - 1).outputs()) {
                    throw new IllegalArgumentException("layer %d takes %d inputs, layer %d before it has %d outputs"
                            .formatted(i, chain.get(i).inputs(), i - 1, chain.get(i - 1).outputs()));
                }
            }
        }
        for (int i = 0; i < first.size(); i++) {
            if (first.get(i).biases() == null != (second.get(i).biases() == null)) {
                throw new IllegalArgumentException("layer %d has biases in one chain only".formatted(i));
            }
        }
    }
}
