package dev.fusor.cli;

import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.checkpoint.TensorEntry;
import dev.fusor.merge.MergeException;
import dev.fusor.recipe.ModelInfo;
import dev.fusor.recipe.Recipe;
import dev.fusor.recipe.RecipeException;
import dev.fusor.recipe.TensorInfo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/** The models of a recipe, open, in its order. */
final class RecipeModels implements AutoCloseable {
    private final List<Checkpoint> checkpoints = new ArrayList<>();
    private final List<ModelInfo> descriptions = new ArrayList<>();

    /**
     * Opens them.
     *
     * @param folder the recipe's own
     */
    RecipeModels(Recipe recipe, Path folder) throws IOException, RecipeException {
        try {
            for (Map.Entry<String, Path> model : recipe.locate(folder).entrySet()) {
                Checkpoint checkpoint = Checkpoint.open(model.getValue());
                checkpoints.add(checkpoint);
                descriptions.add(describe(model.getKey(), checkpoint));
            }
        } catch (IOException | RuntimeException e) {
            close();
            throw e;
        }
    }

    List<Checkpoint> checkpoints() {
        return checkpoints;
    }

    /** What they hold. */
    List<ModelInfo> descriptions() {
        return descriptions;
    }

    /** Refuses an output that would take the place of a model. */
    static void checkKept(Path output, List<Checkpoint> models) throws IOException, MergeException {
        if (!Files.exists(output)) {
            return;
        }
        Path replaced = output.toRealPath();
        for (Checkpoint model : models) {
            if (model.path().toRealPath().startsWith(replaced)) {
                throw new MergeException(
                        "%s would be replaced and the model %s, which is read, lost with it; give another folder"
                                .formatted(output, model.path()));
            }
        }
    }

    private static ModelInfo describe(String reference, Checkpoint checkpoint) throws IOException {
        SequencedMap<String, TensorInfo> tensors = new LinkedHashMap<>();
        for (TensorEntry entry : checkpoint.tensors().values()) {
            tensors.put(entry.name(), new TensorInfo(entry.dtype(), entry.shape(), entry.file().toString()));
        }
        return new ModelInfo(reference, checkpoint.path().toString(), tensors,
                Configuration.layers(checkpoint.folder()));
    }

    @Override
    public void close() {
        checkpoints.forEach(Checkpoint::close);
    }
}
