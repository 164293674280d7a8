package dev.fusor.cli;

import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Models;
import dev.fusor.testing.Tensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

/** A merge that trims whole models, from checkpoints to a checkpoint. */
class ModelScopeMergeTest {
    private static final Path MODELS = Path.of("examples/models").toAbsolutePath();

    @TempDir
    Path folder;

    private record Place(String tensor, long index, float magnitude) {}

    @Test
    void keepsTheLargestOfTheModelAndOfEqualsTheFirstOfTheOutput() throws IOException {
        Path recipe = recipe("weight: 1, density: 0.1, normalize: false, scope: model");
        Map<String, byte[]> merged = merge(recipe, "out");
        try (Checkpoint base = Checkpoint.open(MODELS.resolve("base"));
                Checkpoint code = Checkpoint.open(MODELS.resolve("code"))) {
            List<Place> order = new ArrayList<>();
            for (String name : merged.keySet()) {
                for (long i = 0; i < base.map(name).elements(); i++) {
                    order.add(new Place(name, i, Math.abs(delta(base, code, name, i))));
                }
            }
            order.sort(Comparator.comparing(Place::magnitude).reversed());
            int kept = (int) (0.1 * order.size());
            assertThat(order.get(kept).magnitude).as("ties at the cut").isEqualTo(order.get(kept - 1).magnitude);
            Set<Place> keeps = new HashSet<>(order.subList(0, kept));
            for (String name : merged.keySet()) {
                Tensor wanted = Tensors.zeros(DType.BF16, base.map(name).elements());
                for (long i = 0; i < wanted.elements(); i++) {
                    float delta = delta(base, code, name, i);
                    boolean stays = keeps.contains(new Place(name, i, Math.abs(delta)));
                    Elements.set(wanted, i, (float) Elements.get(base.map(name), i) + (stays ? delta : 0f));
                }
                assertThat(merged.get(name)).as(name).isEqualTo(Tensors.bytes(wanted));
            }
        }
    }

    @Test
    void neitherThreadsNorReadingChangeIt() throws IOException {
        Path recipe = recipe(
                "weight: 1, density: 0.1, scope: [{filter: embed, value: tensor}, {value: model}], rescale: true");
        Map<String, byte[]> one = merge(recipe, "one", "--threads", 1);
        assertThat(merge(recipe, "many", "--threads", 7)).usingRecursiveComparison().isEqualTo(one);
        assertThat(merge(recipe, "reads", "--reading", "reads")).usingRecursiveComparison().isEqualTo(one);
        assertThat(merge(recipe, "mapped", "--reading", "mapped")).usingRecursiveComparison().isEqualTo(one);
    }

    @Test
    void thePlanShowsTheExtraReadAndTheManifestTheScope() throws IOException {
        Path recipe = recipe("weight: 1, density: 0.1, scope: model, all_ties: true");
        CommandLineRun run = CommandLineRun.of("merge", recipe, folder.resolve("none"), "--max-memory", "8GB",
                "--dry-run");
        assertThat(run.out()).contains("scope=model, all_ties=true",
                "197.8 KB to read and up to 197.8 KB more to look at whole tensors");
        merge(recipe, "out");
        assertThat(Files.readString(folder.resolve("out/merge-manifest.json"))).contains("\"scope\" : \"model\"",
                "\"all_ties\" : 1.0");
    }

    private static float delta(Checkpoint base, Checkpoint x, String name, long i) {
        return (float) Elements.get(x.map(name), i) - (float) Elements.get(base.map(name), i);
    }

    private Path recipe(String parameters) throws IOException {
        return Files.writeString(folder.resolve("recipe.yml"), """
                merge_method: ties
                base_model: %s
                models: [{model: %s}]
                parameters: {%s}
                """.formatted(MODELS.resolve("base"), MODELS.resolve("code"), parameters));
    }

    private Map<String, byte[]> merge(Path recipe, String out, Object... options) throws IOException {
        List<Object> arguments = new ArrayList<>(
                List.of("merge", recipe, folder.resolve(out), "--max-memory", "8GB", "--quiet"));
        arguments.addAll(List.of(options));
        CommandLineRun run = CommandLineRun.of(arguments.toArray());
        assertThat(run.status()).as(run.err()).isZero();
        return Models.bits(folder.resolve(out));
    }
}
