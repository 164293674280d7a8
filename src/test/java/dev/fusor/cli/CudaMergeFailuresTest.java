package dev.fusor.cli;

import dev.fusor.bindings.cuda.LibCuda;
import dev.fusor.simulator.RequiresSimulator;
import dev.fusor.simulator.Simulator;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Models;
import dev.fusor.testing.Tensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;

/** {@code fusor merge --device cuda}: every way in which the driver can fail. */
@RequiresSimulator
class CudaMergeFailuresTest {
    /** Little enough that ranges are short. */
    private static final long BESIDE_THE_HEAP = 104_000_000;

    @TempDir
    private Path folder;

    private CommandLineRun merge(Path recipe, String out, String... options) {
        List<String> command = new ArrayList<>(
                List.of("merge", recipe.toString(), folder.resolve(out).toString(), "--quiet", "--threads", "2",
                        "--max-memory", Long.toString(Runtime.getRuntime().maxMemory() + BESIDE_THE_HEAP)));
        command.addAll(List.of(options));
        return CommandLineRun.of(command.toArray());
    }

    /** The last line of what went wrong. */
    private static String said(CommandLineRun run) {
        return run.err().strip().lines().toList().getLast();
    }

    private SequencedMap<String, byte[]> bits(String out) throws IOException {
        return Models.bits(folder.resolve(out));
    }

    private Path linear() throws IOException {
        return Files.writeString(folder.resolve("linear.yml"), """
                merge_method: linear
                models:
                  - model: %1$s/a
                    parameters: {weight: 0.3}
                  - model: %1$s/b
                    parameters: {weight: 0.5}
                """.formatted(folder));
    }

    /** Reduces whole tensors first, and then sums as linear does. */
    private Path slerp() throws IOException {
        return Files.writeString(folder.resolve("slerp.yml"), """
                merge_method: slerp
                base_model: %1$s/a
                models:
                  - model: %1$s/b
                parameters: {t: 0.3}
                """.formatted(folder));
    }

    /** Two models of a few tensors, one longer than the smallest range. */
    @BeforeEach
    void models() throws IOException {
        for (String name : new String[]{"a", "b"}) {
            SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
            int length = 10_000;
            for (DType type : new DType[]{DType.BF16, DType.F32, DType.F64}) {
                tensors.put(type.name(), Tensors.random(type, length, name.hashCode() + length, null, 1));
                length /= 9;
            }
            Models.write(folder.resolve(name), tensors);
        }
    }

    @Test
    void tooLittleDeviceMemoryHalvesTheRangesUntilTheyFit() throws IOException {
        Path recipe = linear();
        fits(recipe, 200_000, 3 + 1); // three ranges of 4096 elements of three tensors take 150 KB; 10,000 and 1,111 elements
        fits(slerp(), 200_000, 2 * (3 + 1) + 2); // reductions and sums of the ranges, and a fold for each tensor

        Simulator.capacity(100_000);
        Simulator.reset();
        CommandLineRun failed = merge(recipe, "none", "--device", "cuda");
        assertThat(failed.status()).isEqualTo(1);
        assertThat(said(failed))
                .startsWith(
                        "fusor: the merge was given up: cuMemAllocFromPoolAsync failed with CUDA_ERROR_OUT_OF_MEMORY")
                .endsWith("; --device cpu merges to the same bits");
        assertThat(folder.resolve("none")).doesNotExist();
    }

    /** Cuts are found on the device where tensors fit, of each and of all; else by the processor, before ranges are merged there. */
    @ParameterizedTest
    @ValueSource(strings = {"tensor", "model"})
    void tensorsThatAreTrimmedAreBroughtToTheDeviceOnceIfTheyFit(String scope) throws IOException {
        for (String name : new String[]{"c", "d"}) {
            SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
            tensors.put("BF16", Tensors.random(DType.BF16, 10_000, name.hashCode(), null, 1));
            tensors.put("F32", Tensors.random(DType.F32, 5000, name.hashCode(), null, 1));
            Models.write(folder.resolve(name), tensors);
        }
        Path recipe = Files.writeString(folder.resolve("ties.yml"), """
                merge_method: ties
                base_model: %1$s/c
                models:
                  - model: %1$s/d
                    parameters: {weight: 0.7, density: 0.3}
                parameters: {scope: %2$s}
                """.formatted(folder, scope));
        fits(recipe, 200_000, 3 + 2);

        deleteFolder("cuda");
        Simulator.capacity(10_000_000);
        Simulator.reset();
        assertThat(merge(recipe, "cuda", "--device", "cuda").status()).isZero();
        assertThat(bits("cuda")).usingRecursiveComparison().isEqualTo(bits("cpu"));
        boolean ofModel = scope.equals("model");
        assertThat(Simulator.calls("cuLaunchKernelEx")).as("two merges, and a selection or two")
                .isEqualTo(2 + (ofModel ? selection(2, 1) : 2 * selection(1, 1)));
        assertThat(Simulator.calls("cuMemcpyHtoDAsync_v2"))
                .as("two inputs of two tensors, tables of two merges and two launches over a type each, and of selections")
                .isEqualTo(2 * 2 + 2 + 2 + (ofModel ? 1 : 2));

        // Room for some of it: memory runs out before, in or after a selection.
        for (long capacity = 180_000; capacity < 500_000; capacity += 40_000) {
            merges(recipe, capacity);
        }
    }

    /** Units are moved on the device where a tensor has room in both orders; else the processor gathers ranges of it. */
    @ParameterizedTest
    @CsvSource({"task_arithmetic, weight: 0.7, 4, 2", "slerp, t: 0.3, 10, 6",
        "ties, 'weight: 0.7, density: 0.3', 4, 22"})
    void alignedTensorsAreMovedOnTheDeviceIfTheyFit(String method, String parameters, int launchesOfRanges,
            int launchesWithoutMoves) throws IOException {
        for (String name : new String[]{"c", "d"}) {
            SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
            tensors.put("fc1.weight", tensor(DType.F32, name, 100, 99));
            tensors.put("fc1.bias", tensor(DType.F64, name, 1, 100)); // no type of devices: matched by the processor
            tensors.put("fc2.weight", tensor(DType.BF16, name, 30, 100));
            Models.write(folder.resolve(name), tensors);
        }
        Files.writeString(folder.resolve("spec.yml"), """
                groups: {hidden: 100}
                tensors:
                  fc1.weight: [hidden, ~]
                  fc1.bias: [~, hidden]
                  fc2.weight: [~, hidden]
                """);
        Path recipe = Files.writeString(folder.resolve("aligned.yml"), """
                merge_method: %2$s
                base_model: %1$s/c
                models:
                  - model: %1$s/d
                parameters: {%3$s}
                align: {to: %1$s/c, spec: spec.yml}
                """.formatted(folder, method, parameters));
        fits(recipe, 200_000, launchesOfRanges);
        fits(recipe, 10_000_000, launchesWithoutMoves + 2);
        for (long capacity : new long[]{220_000, 240_000, 260_000, 320_000}) {
            merges(recipe, capacity);
        }
    }

    /** With little memory, as on the processor. */
    private void merges(Path recipe, long capacity) throws IOException {
        deleteFolder("cuda");
        Simulator.capacity(capacity);
        Simulator.reset();
        CommandLineRun run = merge(recipe, "cuda", "--device", "cuda");
        assertThat(run.status()).as(capacity + " bytes: " + run.err()).isZero();
        assertThat(bits("cuda")).as(capacity + " bytes").usingRecursiveComparison().isEqualTo(bits("cpu"));
        assertThat(Simulator.ledger()).as(capacity + " bytes").isEmpty();
    }

    /** Ranges are of whole rows, and looked at where they are merged; rows that are longer than a range are for the processor. */
    @ParameterizedTest
    @ValueSource(strings = {"merge_method: ties\nparameters: {scope: row, rescale: true}",
        "merge_method: magnitude_pruning\nparameters: {scope: row, prune: largest}",
        "merge_method: della\nparameters: {epsilon: 0.15}",
        "merge_method: della_linear\nparameters: {rescale_l1: true}"})
    void rowsAreLookedAtInTheRangesTheyAreMergedIn(String method) throws IOException {
        for (String name : new String[]{"c", "d", "e"}) {
            SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
            tensors.put("BF16", tensor(DType.BF16, name, 30, 700));
            tensors.put("F32", tensor(DType.F32, name, 3, 4097));
            tensors.put("F16", tensor(DType.F16, name, 1, 1, 1));
            tensors.put("F8", tensor(DType.F8_E4M3, name, 5, 3, 5));
            tensors.put("one", tensor(DType.F32, name, 100));
            tensors.put("none", tensor(DType.F32, name, 0, 3));
            Models.write(folder.resolve(name), tensors);
        }
        Path recipe = Files.writeString(folder.resolve("rows.yml"), """
                %2$s
                base_model: %1$s/c
                models:
                  - model: %1$s/d
                    parameters: {weight: 0.7, density: 0.3}
                  - model: %1$s/e
                    parameters: {weight: 0.6, density: 0.8}
                """.formatted(folder, method));
        // Five rows of 700 in 4096 elements; two looks and a merge for each range. Trimming takes a tensor of one axis as such.
        int one = method.contains("della") ? 3 : 1 + selection(1, 2);
        fits(recipe, 380_000, (6 + 1 + 1) * 3 + one);
        fits(recipe, 10_000_000, (1 + 1 + 1 + 1) * 3 + one);
    }

    private static Tensor tensor(DType type, String model, long... extents) {
        Shape shape = Shape.of(extents);
        return Tensor.of(Tensors.random(type, shape.elements(), model.hashCode() + extents[0], null, 1).data(), type,
                shape);
    }

    /**
     * Launches of a selection from few elements: a look at all keys of each type, three times a histogram and a choice of eleven bits,
     * the ties of tiles and the tiles of the last ones, and the place of the last tie of each model.
     */
    private static int selection(int types, int models) {
        return types + 3 * 2 + 2 + models;
    }

    private void fits(Path recipe, long capacity, long launches) throws IOException {
        deleteFolder("cpu");
        deleteFolder("cuda");
        CommandLineRun here = merge(recipe, "cpu");
        assertThat(here.status()).as(here.err()).isZero();
        Simulator.capacity(capacity);
        Simulator.reset();
        CommandLineRun run = merge(recipe, "cuda", "--device", "cuda:0");
        assertThat(run.status()).as(run.err()).isZero();
        assertThat(bits("cuda")).usingRecursiveComparison().isEqualTo(bits("cpu"));
        assertThat(Simulator.calls("cuLaunchKernelEx")).isEqualTo(launches);
    }

    @Test
    void aDeviceThatIsNotThereIsNamed() throws IOException {
        Path recipe = linear();
        assertThat(merge(recipe, "out", "--device", "gpu").err().strip())
                .isEqualTo("fusor: --device is auto, cpu, cuda or cuda:N, got 'gpu'");
        assertThat(merge(recipe, "out", "--device", "cuda:7").err()).startsWith(
                "fusor: --device cuda:7 is not there: wanted cuda:0 to cuda:0; driver for CUDA 13.0; cuda:0 Simulated H200");
        Simulator.fault("cuInit", 1, LibCuda.CUDA_ERROR_NO_DEVICE());
        assertThat(merge(recipe, "out", "--device", "cuda").err()).startsWith(
                "fusor: --device cuda cannot be used: cuInit failed with CUDA_ERROR_NO_DEVICE (100) while starting the driver; check with nvidia-smi");
        assertThat(merge(recipe, "out", "--device", "cuda").status()).isZero();
    }

    static SequencedMap<String, Long> calls() throws IOException {
        SequencedMap<String, Long> calls = new LinkedHashMap<>();
        Pattern function = Pattern.compile("--include-function (\\w+)");
        for (String line : Files.readAllLines(Path.of("bindings/include.txt"))) {
            function.matcher(line).results().map(match -> match.group(1)).forEach(name -> {
                long count = Simulator.calls(name);
                if (count > 0) {
                    calls.put(name, count);
                }
            });
        }
        return calls;
    }

    private List<Path> left() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.getFileName().toString().contains("out")).toList();
        }
    }

    private void deleteFolder(String name) throws IOException {
        Path out = folder.resolve(name);
        if (Files.exists(out)) {
            try (Stream<Path> files = Files.walk(out)) {
                for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(file);
                }
            }
        }
    }

    /** Each call of a merge fails once, in turn: nothing is leaked or left behind, and the next merge works. */
    @ParameterizedTest
    @ValueSource(ints = {304, 2})
    void everyCallOfTheDriverMayFail(int error) throws IOException {
        Path recipe = slerp();
        assertThat(merge(recipe, "wanted").status()).isZero();
        SequencedMap<String, byte[]> wanted = bits("wanted");
        String[] options = {"--device", "cuda"};
        Simulator.reset();
        assertThat(merge(recipe, "out", options).status()).isZero();
        SequencedMap<String, Long> calls = calls();
        assertThat(calls).containsKeys("cuInit", "cuDevicePrimaryCtxRetain", "cuMemHostAlloc", "cuLaunchKernelEx",
                "cuMemFreeHost", "cuDevicePrimaryCtxRelease_v2");
        long tried = 0;
        long failed = 0;
        for (Map.Entry<String, Long> function : calls.entrySet()) {
            for (long n = 1; n <= function.getValue(); n++) {
                deleteFolder("out");
                Simulator.reset();
                Simulator.fault(function.getKey(), n, error);
                CommandLineRun run = merge(recipe, "out", options);
                String what = "call " + n + " of " + function.getKey() + " returning " + error + ": " + run.err();
                tried++;
                if (run.status() == 0) {
                    assertThat(bits("out")).as(what).usingRecursiveComparison().isEqualTo(wanted);
                } else {
                    failed++;
                    assertThat(run.status()).as(what).isEqualTo(1);
                    assertThat(said(run)).as(what).startsWith("fusor: ").contains(function.getKey());
                    assertThat(run.err()).as(what).doesNotContain("Exception");
                    assertThat(left()).as(what).isEmpty();
                }
                assertThat(Simulator.ledger()).as(what).isEmpty();
                if (run.status() != 0) {
                    CommandLineRun next = merge(recipe, "out", options);
                    assertThat(next.status()).as("after " + what + next.err()).isZero();
                    assertThat(bits("out")).as("after " + what).usingRecursiveComparison().isEqualTo(wanted);
                }
            }
        }
        assertThat(failed).isPositive();
        System.out.println("%d calls of %d functions of the driver failed with %d, %d merges with them"
                .formatted(tried, calls.size(), error, failed));
    }
}
