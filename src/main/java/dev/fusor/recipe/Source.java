package dev.fusor.recipe;

import java.util.Map;
import java.util.Optional;

/**
 * One model in a slice.
 *
 * @param listed false for a base model that the recipe names but does not list
 * @param range all layers if empty
 */
record Source(Place place, ModelReference model, boolean listed, Optional<LayerRange> range,
        Map<String, Setting> parameters) {}
