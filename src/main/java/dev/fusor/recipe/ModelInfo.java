package dev.fusor.recipe;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.SequencedMap;

/**
 * What a plan needs to know of one model.
 *
 * @param reference the model as the recipe writes it, see {@link Recipe#models()}
 * @param location where it was found, for messages
 * @param tensors its tensors by name
 * @param layers the number of layers that its configuration gives ({@code num_hidden_layers}), if it is known
 */
public record ModelInfo(String reference, String location, SequencedMap<String, TensorInfo> tensors,
        OptionalInt layers) {
    /** Copies the map. */
    public ModelInfo {
        Objects.requireNonNull(reference, "reference is null");
        Objects.requireNonNull(location, "location is null");
        tensors = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(tensors));
        Objects.requireNonNull(layers, "layers is null");
    }
}
