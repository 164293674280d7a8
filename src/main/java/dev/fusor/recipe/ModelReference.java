package dev.fusor.recipe;

import java.util.Objects;

/**
 * A model as a recipe names it: a local folder or file, verbatim.
 *
 * @param path the text in the recipe; {@code +} and {@code @} have no special meaning
 * @param line where it stands first, from 1
 * @param column the column in that line, from 1
 */
public record ModelReference(String path, int line, int column) {
    /** Checks that there is a path. */
    public ModelReference {
        Objects.requireNonNull(path, "path is null");
    }
}
