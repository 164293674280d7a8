package dev.fusor.recipe;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;

/** Finds the models of a recipe on disk. */
final class ModelLocator {
    private final Recipe recipe;
    private final Path folder;

    ModelLocator(Recipe recipe, Path folder) {
        this.recipe = recipe;
        this.folder = folder;
    }

    SequencedMap<String, Path> locate() throws RecipeException {
        SequencedMap<String, Path> found = new LinkedHashMap<>();
        Map<Path, String> seen = new HashMap<>();
        for (ModelReference model : recipe.models()) {
            Path path = find(model);
            String twin = seen.putIfAbsent(real(model, path), model.path());
            if (twin != null) {
                throw problem(model, "the models %s and %s are the same, %s; write them alike"
                        .formatted(Words.quote(twin), Words.quote(model.path()), path));
            }
            found.put(model.path(), path);
        }
        return found;
    }

    private Path find(ModelReference model) throws RecipeException {
        Path here = Path.of(model.path());
        Path beside = folder.resolve(here);
        if (Files.exists(here)) {
            return here;
        }
        if (Files.exists(beside)) {
            return beside;
        }
        String tried = here.isAbsolute() || beside.equals(here)
                ? ""
                : ", neither in the working directory nor in " + folder.toAbsolutePath();
        throw problem(model, "there is no model %s%s; Fusor merges local checkpoints%s"
                .formatted(Words.quote(model.path()), tried, hint(model.path())));
    }

    private static String hint(String path) {
        return path.contains("+")
                ? ", so merge the adapter after the + into its model first and name the resulting folder"
                : path.contains("@")
                        ? ", so fetch the revision after the @ first and name its folder"
                        : ", so fetch it first and name its folder";
    }

    private Path real(ModelReference model, Path path) throws RecipeException {
        try {
            return path.toRealPath();
        } catch (IOException e) {
            throw problem(model,
                    "the model %s cannot be read: %s".formatted(Words.quote(model.path()), e.getMessage()));
        }
    }

    private RecipeException problem(ModelReference model, String problem) {
        return new RecipeException(recipe.sourceName(), model.line(), model.column(), problem);
    }
}
