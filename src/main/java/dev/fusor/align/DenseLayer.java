package dev.fusor.align;

import dev.fusor.tensor.Tensor;

/**
 * A layer that multiplies and adds.
 *
 * @param weights of shape [outputs, inputs], of an arithmetic type
 * @param biases one for each output, of an arithmetic type; null for none
 */
public record DenseLayer(Tensor weights, Tensor biases) {
    /**
     * A layer.
     *
     * @throws IllegalArgumentException if shapes do not fit or types are not arithmetic
     */
    public DenseLayer {
        if (weights.shape().rank() != 2 || !weights.dtype().isArithmetic()) {
            throw new IllegalArgumentException(
                    "the weights of a layer are numbers of shape [outputs, inputs], got " + weights);
        }
        if (biases != null && (biases.shape().rank() != 1 || biases.elements() != weights.shape().extent(0)
                || !biases.dtype().isArithmetic())) {
            throw new IllegalArgumentException("a layer of weights %s has a bias for each output, got %s".formatted(
                    weights, biases));
        }
    }

    /** {@return the number of outputs} */
    public long outputs() {
        return weights.shape().extent(0);
    }

    /** {@return the number of inputs} */
    public long inputs() {
        return weights.shape().extent(1);
    }
}
