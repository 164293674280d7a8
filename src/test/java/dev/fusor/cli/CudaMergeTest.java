package dev.fusor.cli;

import dev.fusor.simulator.RequiresCuda;
import dev.fusor.simulator.Simulator;
import dev.fusor.simulator.Simulator.ThreadOrder;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Models;
import dev.fusor.testing.Tensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;

/** {@code fusor merge --device cuda} gives the bits of {@code --device cpu}. */
@RequiresCuda
class CudaMergeTest {
    @TempDir
    private Path folder;

    private void merge(Path recipe, String device) {
        CommandLineRun run = CommandLineRun.of("merge", recipe, folder.resolve(device),
                "--quiet", "--device", device, "--threads", "2",
                "--max-memory", Runtime.getRuntime().maxMemory() + 200_000_000);
        assertThat(run.status()).as(run.err()).isZero();
    }

    @ParameterizedTest
    @CsvSource({"linear, true", "aligned, true", "task_arithmetic, true", "slerp, true", "ties, true",
        "ties_of_the_authors, true",
        "breadcrumbs, true",
        "dare_ties, true", "della, true", "nearswap, false",
        "passthrough, false"})
    void examplesMergeToTheBitsOfTheProcessor(String recipe, boolean launches) throws IOException {
        check(Path.of("examples", recipe + ".yml"), launches);
    }

    @ParameterizedTest
    @CsvSource({"magmax, lambda: 0.7", "emr, task: 0", "emr, task: 2", "tall_mask, task: 3", "consensus_ta, fewest: 1",
        "sce, select_topk: 0.3", "sce, select_topk: 1", "sce, select_topk: 0"})
    void methodsOfTaskVectorsMergeToTheBitsOfTheProcessor(String method, String parameters) throws IOException {
        for (int model = 0; model <= 3; model++) {
            Models.write(folder.resolve("model" + model), layers(model));
        }
        check(Files.writeString(folder.resolve("recipe.yml"), """
                merge_method: %s
                base_model: %s/model0
                models: [{model: %2$s/model1}, {model: %2$s/model2}, {model: %2$s/model3}]
                parameters: {%3$s}
                """.formatted(method, folder, parameters)), true);
    }

    private void check(Path recipe, boolean launches) throws IOException {
        if (Simulator.isLoaded()) {
            Simulator.schedule(ThreadOrder.RANDOM, Tensors.SEED, 2, false);
        }
        merge(recipe, "cpu");
        assertThat(launched()).isFalse();

        merge(recipe, "cuda");

        assertThat(launched()).isEqualTo(launches && Simulator.isLoaded());
        assertThat(Models.bits(folder.resolve("cuda"))).usingRecursiveComparison()
                .isEqualTo(Models.bits(folder.resolve("cpu")));
    }

    @Test
    void unitsAreMatchedToTheBitsOfTheProcessor() throws IOException {
        Path a = Models.write(folder.resolve("a"), layers(1));
        Path b = Models.write(folder.resolve("b"), layers(2));
        for (String device : new String[]{"cpu", "cuda"}) {
            CommandLineRun run = CommandLineRun.of("align", a, b, "-o", folder.resolve(device), "--quiet", "--device",
                    device, "--max-memory", "4GB");
            assertThat(run.status()).as(run.err()).isZero();
            assertThat(launched()).isEqualTo(device.equals("cuda") && Simulator.isLoaded());
        }
        assertThat(Models.bits(folder.resolve("cuda"))).usingRecursiveComparison()
                .isEqualTo(Models.bits(folder.resolve("cpu")));
        assertThat(folder.resolve("cuda/alignment.json")).hasSameTextualContentAs(
                folder.resolve("cpu/alignment.json"));
    }

    @Test
    void activationsAreMatchedToTheBitsOfTheProcessor() throws IOException {
        Path a = Models.write(folder.resolve("a"), layers(1));
        Path b = Models.write(folder.resolve("b"), layers(2));
        for (String device : new String[]{"cpu", "cuda"}) {
            CommandLineRun run = CommandLineRun.of("align", a, b, "-o", folder.resolve(device), "--device", device,
                    "--activations-a", activations("a.safetensors", 1, device), "--activations-b",
                    activations("b.safetensors", 2, device), "--max-memory", "4GB");
            assertThat(run.status()).as(run.err()).isZero();
            assertThat(launched()).isEqualTo(device.equals("cuda") && Simulator.isLoaded());
        }
        assertThat(folder.resolve("cuda/alignment.json")).hasSameTextualContentAs(
                folder.resolve("cpu/alignment.json"));
    }

    private Path activations(String name, long seed, String run) throws IOException {
        Tensor tensor = shaped(Tensors.random(DType.F16, 300 * 70, seed, null, 1), 300, 70);
        return Models.write(folder.resolve(run + name), Map.of("fc1", tensor)).resolve("model.safetensors");
    }

    private static Map<String, Tensor> layers(long seed) {
        return Map.of("fc1.weight", shaped(Tensors.random(DType.BF16, 70 * 30, seed, null, 1), 70, 30),
                "fc2.weight", shaped(Tensors.random(DType.F32, 20 * 70, seed + 2, null, 1), 20, 70));
    }

    private static Tensor shaped(Tensor flat, long... extents) {
        return Tensor.of(flat.data(), flat.dtype(), Shape.of(extents));
    }

    /** As far as one can tell: only the simulator counts calls. */
    private static boolean launched() {
        return Simulator.isLoaded() && Simulator.calls("cuLaunchKernelEx") > 0;
    }
}
