package dev.fusor.recipe;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads model references; two spellings of one path, such as {@code ./a} and {@code a/}, are one model. */
final class ModelReader {
    private static final String LOCAL = "Fusor merges local checkpoints: ";
    private static final Map<String, String> ADVICE = Map.of(
            "lora", LOCAL + "merge the adapter into its model first and name the resulting folder",
            "revision", LOCAL + "fetch that revision first and name its folder",
            "override_architecture", "Fusor needs no architecture, remove it");

    private final Map<String, ModelReference> byPath = new LinkedHashMap<>();

    ModelReference read(Value value) throws RecipeException {
        if (!value.isMapping()) {
            return intern(value);
        }
        Fields fields = Fields.of(value, List.of("model", "path"), ADVICE);
        if (fields.get("model").isPresent() && fields.get("path").isPresent()) {
            throw value.problem("wanted either 'model' or 'path', got both");
        }
        if (fields.get("path").isPresent()) {
            return intern(fields.require("path"));
        }
        Value model = fields.require("model");
        return intern(model.isMapping() ? Fields.of(model, List.of("path"), ADVICE).require("path") : model);
    }

    private ModelReference intern(Value value) throws RecipeException {
        if (value.looksLikeNumber()) {
            throw value.problem("wanted the path of a model, got a number; put it in quotes if it is a folder's name");
        }
        String path = value.text();
        if (path.isBlank()) {
            throw value.problem("wanted the path of a model, got blank text");
        }
        try {
            String key = Path.of(path).normalize().toString();
            Place place = value.place();
            return byPath.computeIfAbsent(key, any -> new ModelReference(path, place.line(), place.column()));
        } catch (InvalidPathException e) {
            throw value.problem("%s is not a path: %s".formatted(Words.quote(path), e.getReason()));
        }
    }

    /** All that were read, each once. */
    Collection<ModelReference> all() {
        return byPath.values();
    }
}
