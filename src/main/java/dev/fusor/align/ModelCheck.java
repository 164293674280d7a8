package dev.fusor.align;

import dev.fusor.device.CpuDevice;
import dev.fusor.reduce.Reduction;
import dev.fusor.tensor.Tensor;
import java.util.function.Function;

/** Whether a model has what its spec says, in numbers that can be compared. */
final class ModelCheck {
    private ModelCheck() {}

    /**
     * {@return the sum of the squares of all elements of tensors in which a group occurs}
     *
     * @param model what messages call it
     * @throws IllegalArgumentException if such a tensor is missing, of another shape or type, or not finite
     */
    static double sumOfSquares(CpuDevice device, PermutationSpec spec, String model,
            Function<String, Tensor> tensors) {
        double sum = 0;
        for (String name : spec.tensors().keySet()) {
            if (spec.in(name).isEmpty()) {
                continue;
            }
            Tensor tensor = tensors.apply(name);
            if (tensor == null || !tensor.dtype().isArithmetic()
                    || !tensor.shape().equals(spec.tensors().get(name))) {
                throw new IllegalArgumentException("tensor '%s' of %s: wanted numbers of shape %s, got %s".formatted(
                        name, model, spec.tensors().get(name), tensor == null ? "no such tensor" : tensor));
            }
            double squares = Reduction.on(device).sumOfSquares(tensor);
            if (!Double.isFinite(squares)) {
                throw new IllegalArgumentException(
                        "tensor '%s' of %s holds NaN or infinities and cannot be matched".formatted(name, model));
            }
            sum += squares;
        }
        return sum;
    }
}
