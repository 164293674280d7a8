package dev.fusor.cli;

import dev.fusor.align.PermutationGroup;
import dev.fusor.align.PermutationSpec;
import dev.fusor.align.Permutations;
import dev.fusor.align.PermutedSource;
import dev.fusor.align.SpecException;
import dev.fusor.align.SpecGenerator;
import dev.fusor.checkpoint.ArrayWriter;
import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.checkpoint.CheckpointWriter.Spec;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.testing.Models;
import dev.fusor.testing.Tensors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SequencedMap;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

class AlignCommandTest {
    /** Place i of model b has unit ORDER[i] of model a. */
    private static final int[] ORDER = {2, 4, 0, 1, 3};
    /** Place i of a has unit BACK[i] of b. */
    private static final List<Integer> BACK = List.of(2, 3, 0, 4, 1);

    @TempDir
    private Path folder;

    private Path a;
    private Path b;

    /** Two layers of numbers of two types, and a counter; b is a with its units in another order. */
    @BeforeEach
    void writeModels() throws IOException {
        Map<String, Tensor> first = model(new SplittableRandom(Tensors.SEED));
        a = Models.write(folder.resolve("a"), first);
        b = Models.write(folder.resolve("b"), reordered(first));
        Files.writeString(b.resolve("config.json"), "{\"mine\": 1}");
    }

    private static SequencedMap<String, Tensor> model(SplittableRandom random) {
        SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
        tensors.put("fc1.weight", random(random, DType.BF16, 5, 3));
        tensors.put("fc1.bias", random(random, DType.F32, 5));
        tensors.put("fc2.weight", random(random, DType.BF16, 2, 5));
        tensors.put("fc2.bias", random(random, DType.F32, 2));
        return tensors;
    }

    private static Tensor random(SplittableRandom random, DType type, long... extents) {
        Tensor tensor = Tensor.allocate(Arena.ofAuto(), type, extents);
        for (long i = 0; i < tensor.elements(); i++) {
            Elements.set(tensor, i, random.nextGaussian());
        }
        return tensor;
    }

    private static Map<String, Tensor> reordered(Map<String, Tensor> tensors) {
        Map<String, Tensor> reordered = new LinkedHashMap<>(tensors);
        Tensor weight = Tensor.allocate(Arena.ofAuto(), DType.BF16, 5, 3);
        Tensor bias = Tensor.allocate(Arena.ofAuto(), DType.F32, 5);
        Tensor next = Tensor.allocate(Arena.ofAuto(), DType.BF16, 2, 5);
        for (int place = 0; place < 5; place++) {
            for (int i = 0; i < 3; i++) {
                Elements.set(weight, 3 * place + i, Elements.get(tensors.get("fc1.weight"), 3 * ORDER[place] + i));
            }
            Elements.set(bias, place, Elements.get(tensors.get("fc1.bias"), ORDER[place]));
            for (int i = 0; i < 2; i++) {
                Elements.set(next, 5 * i + place, Elements.get(tensors.get("fc2.weight"), 5 * i + ORDER[place]));
            }
        }
        reordered.putAll(Map.of("fc1.weight", weight, "fc1.bias", bias, "fc2.weight", next));
        return reordered;
    }

    /** The heap of tests is larger than that of the launcher, and counts. */
    private static CommandLineRun run(Object... arguments) {
        Object[] all = Arrays.copyOf(arguments, arguments.length + 2);
        all[arguments.length] = "--max-memory";
        all[arguments.length + 1] = "4GB";
        return CommandLineRun.of(all);
    }

    private static void assertSameBits(Path got, Path wanted) throws IOException {
        Map<String, byte[]> bits = Models.bits(got);
        assertThat(bits).hasSameSizeAs(Models.bits(wanted));
        Models.bits(wanted).forEach((name, bytes) -> assertThat(bits.get(name)).as("%s, seed %d", name, Tensors.SEED)
                .isEqualTo(bytes));
    }

    @Test
    void reorderedUnitsAreBroughtBack() throws IOException {
        CommandLineRun run = run("align", a, b, "-o", folder.resolve("out"), "--json");

        assertThat(run.status()).as(run.err()).isZero();
        assertThat(run.json()).containsEntry("converged", true).containsEntry("distance_after", 0.0)
                .containsEntry("output", folder.resolve("out").toString());
        assertThat((double) run.json().get("distance_before")).isPositive();
        List<?> objectives = (List<?>) run.json().get("objectives");
        assertThat(objectives).hasSize(3); // before, one sweep that moves, one that does not
        assertThat((double) objectives.getLast()).isGreaterThan((double) objectives.getFirst());
        assertThat(run.err()).contains("note: aligned as the sequence fc1, fc2")
                .contains("sweep 1: 1 of 1 groups moved").contains("sweep 2: 0 of 1 groups moved");
        assertSameBits(folder.resolve("out"), a);
    }

    @Test
    void theOutputTellsItsPermutationsAndKeepsItsConfiguration() throws IOException {
        CommandLineRun run = run("align", a, b, "-o", folder.resolve("out"), "--quiet");

        assertThat(run.lines().getFirst()).isEqualTo("sweep    objective");
        assertThat(run.lines().getLast()).startsWith(folder.resolve("out") + ": distance ")
                .endsWith(" before, 0.00000 after");
        assertThat(run.err()).doesNotContain("sweep");
        assertThat(folder.resolve("out/config.json")).content().contains("mine");
        CommandLineRun report = new CommandLineRun(0, Files.readString(folder.resolve("out/alignment.json")), "");
        assertThat(report.json()).containsEntry("aligned_to", a.toString());
        Map<?, ?> model = (Map<?, ?>) ((List<?>) report.json().get("models")).getFirst();
        assertThat(model.get("model")).isEqualTo(b.toString());
        assertThat(model.get("permutations")).isEqualTo(Map.of("fc1", BACK));
    }

    private Path arrays(String name, Map<String, Tensor> arrays) throws IOException {
        Path file = folder.resolve(name);
        List<Spec> specs = arrays.entrySet().stream()
                .map(array -> new Spec(array.getKey(), array.getValue().dtype(), array.getValue().shape())).toList();
        try (ArrayWriter writer = ArrayWriter.create(file, specs, false)) {
            for (Map.Entry<String, Tensor> array : arrays.entrySet()) {
                writer.write(array.getKey(), array.getValue().data());
            }
            writer.commit();
        }
        return file;
    }

    /** Numbers [inputs, 5], and those with the units in the order of model b. */
    private static List<Tensor> activations(DType type, long inputs) {
        Tensor ofA = random(new SplittableRandom(Tensors.SEED + inputs), type, inputs, 5);
        Tensor ofB = Tensor.allocate(Arena.ofAuto(), type, inputs, 5);
        for (long i = 0; i < ofB.elements(); i++) {
            Elements.set(ofB, i, Elements.get(ofA, i / 5 * 5 + ORDER[(int) (i % 5)]));
        }
        return List.of(ofA, ofB);
    }

    /** Weights that tell nothing: what is found is found by activations. */
    @Test
    void activationsBringUnitsBack() throws IOException {
        Map<String, Tensor> weights = model(new SplittableRandom(Tensors.SEED + 1));
        Path c = Models.write(folder.resolve("c"), weights);
        Path wanted = Models.write(folder.resolve("wanted"), reordered(weights));
        for (String suffix : List.of(".npy", ".safetensors")) {
            for (String measure : List.of("correlation", "moment")) {
                List<Tensor> both = activations(suffix.equals(".npy") ? DType.F64 : DType.BF16, 1 << 18);
                Path out = folder.resolve("out " + measure + suffix);
                CommandLineRun run = run("align", a, c, "-o", out, "--measure", measure, "--json", "--activations-a",
                        arrays("b " + measure + suffix, Map.of("fc1", both.get(1))), "--activations-b",
                        arrays("a " + measure + suffix, Map.of("fc1", both.get(0))));

                assertThat(run.status()).as(run.err()).isZero();
                assertThat((List<?>) run.json().get("objectives")).hasSize(2);
                assertSameBits(out, wanted);
            }
        }
    }

    @Test
    void activationsThatDoNotFitAreRefused() throws IOException {
        Path out = folder.resolve("out");
        List<Tensor> both = activations(DType.F32, 7);
        Path good = arrays("good.npy", Map.of("x", both.getFirst()));
        Path few = arrays("few.npy", Map.of("x", activations(DType.F32, 6).getFirst()));
        Path wide = arrays("wide.npy", Map.of("x", Tensor.allocate(Arena.ofAuto(), DType.F32, 7, 6)));
        Path none = arrays("none.npy", Map.of("x", Tensor.allocate(Arena.ofAuto(), DType.F32, 0, 5)));
        Path other = arrays("other.safetensors", Map.of("fc2", both.getFirst()));
        Path nan = arrays("nan.npy", Map.of("x", activations(DType.F32, 7).getFirst()));
        try (FileChannel file = FileChannel.open(nan, StandardOpenOption.WRITE)) {
            file.write(ByteBuffer.wrap(new byte[]{-1, -1, -1, -1}), file.size() - 4);
        }
        Map<Path, String> problems = Map.of(few,
                few + ": the activations of group 'fc1' are 7 rows as in " + good
                        + ", one for each input, got F32 [6, 5]",
                wide, wide + ": the activations of group 'fc1' are floating point numbers [rows, 5], got F32 [7, 6]",
                none, none + ": the activations of group 'fc1' are floating point numbers [rows, 5], got F32 [0, 5]",
                other, other + ": there is no array 'fc1', found fc2",
                folder.resolve("no.npz"), folder.resolve("no.npz") + ": there is no such file; check the path",
                nan, good + " and " + nan + ": unit 4 of the second model had an activation that is NaN or infinite");
        for (Map.Entry<Path, String> problem : problems.entrySet()) {
            CommandLineRun run = run("align", a, b, "-o", out, "--activations-a", good, "--activations-b",
                    problem.getKey());
            assertThat(run.status()).isEqualTo(1);
            assertThat(run.err()).endsWith("fusor: " + problem.getValue() + "\n");
        }
        assertThat(run("align", a, b, "-o", out, "--activations-b", good).err()).contains(
                "--activations-a and --activations-b go together: give the activations of both models");
        assertThat(out).doesNotExist();
    }

    /** All groups at once: the residual stream, the heads and the neurons of every layer. */
    @Test
    void aDecoderIsBroughtBack() throws IOException, SpecException {
        Map<String, Tensor> reordered = new LinkedHashMap<>();
        try (Checkpoint code = Checkpoint.open(Path.of("examples/models/code"))) {
            Map<String, Shape> shapes = new LinkedHashMap<>();
            code.tensors().forEach((name, tensor) -> shapes.put(name, tensor.shape()));
            PermutationSpec spec = SpecGenerator.generate(shapes, Map.of("num_attention_heads", 4L)).spec();
            Permutations permutations = Permutations.identity(spec.groups());
            Random random = new Random(Tensors.SEED);
            for (PermutationGroup group : spec.groups()) {
                List<Integer> units = new ArrayList<>(IntStream.range(0, group.units()).boxed().toList());
                Collections.shuffle(units, random);
                permutations = permutations.with(group, units.stream().mapToInt(Integer::intValue).toArray());
            }
            for (String name : shapes.keySet()) {
                TensorSource source = PermutedSource.of(code.map(name), spec.in(name), permutations);
                Tensor copy = Tensor.allocate(Arena.ofAuto(), source.dtype(), source.shape().toArray());
                copy.data().copyFrom(source.slice(0, source.elements()).data());
                reordered.put(name, copy);
            }
        }
        Path there = folder.resolve("there");
        Files.createDirectories(there);
        Files.copy(Path.of("examples/models/code/model.safetensors"), there.resolve("model.safetensors"));
        Files.writeString(there.resolve("config.json"), "{\"num_attention_heads\": 4}");
        Path mixed = Models.write(folder.resolve("mixed"), reordered);
        CommandLineRun run = run("align", there, mixed, "-o", folder.resolve("out"), "--json");

        assertThat(run.status()).as(run.err()).isZero();
        assertThat(run.err()).contains("note: aligned as a Llama-like decoder");
        assertThat(run.json()).as("seed %d", Tensors.SEED).containsEntry("distance_after", 0.0);
        assertThat((double) run.json().get("distance_before")).isPositive();
        assertSameBits(folder.resolve("out"), there);
    }

    @Test
    void theSpecThatIsGivenCounts() throws IOException {
        Path spec = Files.writeString(folder.resolve("none.yml"), """
                groups: {}
                tensors: {fc1.weight: ~, fc1.bias: ~, fc2.weight: ~, fc2.bias: ~}
                """);
        CommandLineRun run = run("align", a, b, "--spec", spec, "-o", folder.resolve("out"), "--json");

        assertThat(run.status()).as(run.err()).isZero();
        assertThat(run.json()).containsEntry("distance_before", 0.0);
        assertSameBits(folder.resolve("out"), b);
    }

    @Test
    void aRecipeAlignsBeforeItMerges() throws IOException {
        for (String reading : List.of("mapped", "reads")) {
            Path recipe = Files.writeString(folder.resolve("r.yml"), """
                    merge_method: linear
                    models:
                      - {model: a, parameters: {weight: 0.5}}
                      - {model: b, parameters: {weight: 0.5}}
                    align: {to: a}
                    """);
            CommandLineRun run = run("merge", recipe, folder.resolve(reading), "--reading", reading);

            assertThat(run.status()).as(run.err()).isZero();
            assertSameBits(folder.resolve(reading), a);
            assertThat(folder.resolve(reading).resolve("alignment.json")).exists();
        }
    }

    @Test
    void modelsAreAlignedToTheBaseModel() throws IOException {
        Path base = Models.write(folder.resolve("base"), model(new SplittableRandom(Tensors.SEED)));
        Path recipe = Files.writeString(folder.resolve("r.yml"), """
                merge_method: task_arithmetic
                base_model: base
                models:
                  - {model: b, parameters: {weight: 0.5}}
                align: {spec: s.yml}
                """);
        Files.writeString(folder.resolve("s.yml"), CommandLineRun.of("spec", base).out());
        CommandLineRun run = run("merge", recipe, folder.resolve("out"));

        assertThat(run.status()).as(run.err()).isZero();
        assertSameBits(folder.resolve("out"), base);
    }

    @Test
    void threadsDoNotMatter() throws IOException {
        SplittableRandom random = new SplittableRandom(Tensors.SEED + 1);
        Path other = Models.write(folder.resolve("other"), model(random));
        run("align", a, other, "-o", folder.resolve("one"), "--threads", 1);
        run("align", a, other, "-o", folder.resolve("many"), "--threads", 5);

        assertSameBits(folder.resolve("one"), folder.resolve("many"));
        assertThat(Files.readAllBytes(folder.resolve("one/alignment.json")))
                .isEqualTo(Files.readAllBytes(folder.resolve("many/alignment.json")));
    }

    private void assertFails(CommandLineRun run, int status, String message) {
        assertThat(run.err().lines().toList().getLast()).isEqualTo("fusor: " + message);
        assertThat(run.status()).isEqualTo(status);
        assertThat(run.out()).isEmpty();
        assertThat(folder.resolve("out")).doesNotExist();
    }

    @Test
    void modelsThatDifferInShapeAreRefused() throws IOException {
        SequencedMap<String, Tensor> tensors = model(new SplittableRandom(1));
        tensors.put("fc2.bias", Tensor.allocate(Arena.ofAuto(), DType.F32, 3));
        Path wide = Models.write(folder.resolve("wide"), tensors);
        tensors.put("extra", Tensor.allocate(Arena.ofAuto(), DType.F32, 3));
        tensors.put("fc2.bias", Tensor.allocate(Arena.ofAuto(), DType.F32, 2));
        Path more = Models.write(folder.resolve("more"), tensors);

        assertFails(run("align", a, wide, "-o", folder.resolve("out")), 1, wide
                + " cannot be aligned to " + a + ": wanted a tensor 'fc2.bias' of shape [2], got [3]");
        assertFails(run("align", a, more, "-o", folder.resolve("out")), 1, more
                + " cannot be aligned to " + a + ": it has a tensor 'extra' that the other lacks");
    }

    @Test
    void weightsThatAreNotFiniteAreRefused() throws IOException {
        SequencedMap<String, Tensor> tensors = model(new SplittableRandom(1));
        Elements.set(tensors.get("fc1.bias"), 3, Double.NaN);
        Path broken = Models.write(folder.resolve("broken"), tensors);

        assertFails(run("align", a, broken, "-o", folder.resolve("out")), 1, broken
                + " cannot be aligned to " + a
                + ": tensor 'fc1.bias' of the second model holds NaN or infinities and cannot be matched");
    }

    @Test
    void badUsageIsSaidInOneSentence() throws IOException {
        Path out = folder.resolve("out");

        assertFails(run("align", a, a, "-o", out), 2,
                "fusor align:5:3: align: there is no other model to align to '"
                        + a + "'; name one with 'to'");
        assertFails(run("align", a, b, "-o", out, "--threads", 0), 2, "--threads is 1 or more, got 0");
        assertFails(run("align", a, b, "-o", out, "--spec", folder.resolve("no.yml")), 2,
                folder.resolve("no.yml") + ": there is no such file; check the path");
        assertThat(run("align", a, b).status()).isEqualTo(2);
        assertFails(run("align", a, b, "-o", b, "--overwrite"), 1,
                b + " would be replaced and the model " + b + ", which is read, lost with it; give another folder");
        assertThat(run("align", a, b, "-o", b).err()).contains("exists; give another folder");
    }

    @Test
    void theMatrixOfAGroupCountsAsMemory() throws IOException {
        Map<String, Tensor> tensors = Map.of("fc1.weight", Tensor.allocate(Arena.ofAuto(), DType.F16, 9000, 1),
                "fc2.weight",
                Tensor.allocate(Arena.ofAuto(), DType.F16, 1, 9000));
        Path x = Models.write(folder.resolve("x"), tensors);
        Path y = Models.write(folder.resolve("y"), tensors);
        CommandLineRun run = CommandLineRun.of("align", x, y, "-o", folder.resolve("out"), "--max-memory",
                Runtime.getRuntime().maxMemory() + 300_000_000L);

        assertThat(run.status()).isEqualTo(1);
        assertThat(run.err()).contains("matching the 9000 units of group 'fc1' takes 324000000 bytes");
        assertThat(Arrays.asList(folder.toFile().list())).doesNotContain("out");
    }
}
