package dev.fusor.recipe;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Layers of the output that are merged from the same sources. A recipe with {@code models} is one slice of all layers.
 *
 * @param path where it stands in the recipe, such as {@code slices[1]}
 * @param base the base model where the method uses one; then it is one of the sources
 */
record Slice(Place place, String path, List<Source> sources, Optional<ModelReference> base,
        Map<String, Setting> parameters) {
    boolean isBase(Source source) {
        return base.isPresent() && base.get().equals(source.model());
    }

    List<String> names() {
        return sources.stream().map(source -> source.model().path()).toList();
    }
}
