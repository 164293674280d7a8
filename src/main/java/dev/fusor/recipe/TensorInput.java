package dev.fusor.recipe;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/**
 * One tensor that goes into an output tensor.
 *
 * <p>Its shape is the output's, or, where an embedding is cut, it has more rows than the output: then its first
 * {@code shape.elements()} elements count.
 *
 * @param model the model, as an index into {@link MergePlan#models()}
 * @param tensor the tensor's name in that model
 * @param parameters the method's values for this model, all of them, in the method's order; empty for a base model that
 *     takes none and for a carried tensor
 */
public record TensorInput(int model, String tensor, SequencedMap<String, Double> parameters) {
    /** Copies the map. */
    public TensorInput {
        parameters = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(parameters));
    }
}
