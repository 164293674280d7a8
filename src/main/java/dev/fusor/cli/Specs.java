package dev.fusor.cli;

import dev.fusor.align.PermutationSpec;
import dev.fusor.align.SpecException;
import dev.fusor.align.SpecGenerator;
import dev.fusor.align.SpecGenerator.Generated;
import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.recipe.RecipeException;
import dev.fusor.recipe.SpecFile;
import dev.fusor.tensor.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** Permutation specs of checkpoints. */
final class Specs {
    private Specs() {}

    /** The spec in a file, which fits a checkpoint. */
    static PermutationSpec read(Path file, Checkpoint checkpoint) throws IOException, RecipeException {
        return SpecFile.read(file).resolve(shapes(checkpoint), Configuration.numbers(checkpoint.folder()));
    }

    /** The spec that follows from names and shapes. */
    static Generated generate(Checkpoint checkpoint) throws IOException, RecipeException {
        try {
            return SpecGenerator.generate(shapes(checkpoint), Configuration.numbers(checkpoint.folder()));
        } catch (SpecException e) {
            throw new RecipeException(checkpoint.path().toString(), Table.printable(e.getMessage()));
        }
    }

    private static Map<String, Shape> shapes(Checkpoint checkpoint) {
        Map<String, Shape> shapes = new LinkedHashMap<>();
        checkpoint.tensors().forEach((name, tensor) -> shapes.put(name, tensor.shape()));
        return shapes;
    }
}
