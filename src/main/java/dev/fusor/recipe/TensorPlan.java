package dev.fusor.recipe;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.SequencedMap;

/**
 * How one output tensor is made.
 *
 * @param name its name in the output
 * @param method the merge method; {@code passthrough} for a carried tensor
 * @param outDtype its type in the output
 * @param shape its shape in the output
 * @param carried true for a tensor of a type that Fusor does not compute with: the first input is copied, and all inputs
 *     must be equal to it byte for byte
 * @param base the base model's tensor, as an index into {@code inputs}, if the method uses one
 * @param inputs what goes in, in the recipe's order; at least one
 * @param parameters the method's values for the whole tensor, all of them, in the method's order; empty if carried
 */
public record TensorPlan(String name, String method, DType outDtype, Shape shape, boolean carried, OptionalInt base,
        List<TensorInput> inputs, SequencedMap<String, Double> parameters) {
    /** Copies the list and the map. */
    public TensorPlan {
        Objects.requireNonNull(name, "name is null");
        Objects.requireNonNull(method, "method is null");
        Objects.requireNonNull(outDtype, "outDtype is null");
        Objects.requireNonNull(shape, "shape is null");
        Objects.requireNonNull(base, "base is null");
        inputs = List.copyOf(inputs);
        if (inputs.isEmpty()) {
            throw new IllegalArgumentException("the tensor '%s' has no input".formatted(name));
        }
        parameters = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(parameters));
    }
}
