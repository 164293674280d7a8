package dev.fusor.cli;

import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Models;
import dev.fusor.testing.Tensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;

class MergeCommandTest {
    private static final Path EXAMPLES = Path.of("examples");

    /** What --max-memory must allow under the tests' own heap. */
    private static final String MEMORY = "8GB";

    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"linear", "task_arithmetic", "ties", "ties_of_the_authors", "dare_ties", "breadcrumbs",
        "della", "sce", "slerp",
        "nearswap", "passthrough"})
    void everyExampleMergesToTheSameBitsHoweverItIsRun(String recipe) throws IOException {
        Path file = EXAMPLES.resolve(recipe + ".yml");
        assertThat(merge(file, "one", "--threads", 1).status()).isZero();
        SequencedMap<String, byte[]> one = Models.bits(folder.resolve("one"));
        assertThat(one).isNotEmpty();
        int run = 0;
        for (Object[] options : new Object[][]{{"--threads", 2}, {"--threads", 7}, {"--reading", "reads"},
            {"--reading", "mapped"}, {"--shard-size", "20KB"}}) {
            String name = "run" + run++;
            assertThat(merge(file, name, options).status()).isZero();
            assertThat(Models.bits(folder.resolve(name))).as("%s %s", recipe, List.of(options))
                    .usingRecursiveComparison().isEqualTo(one);
        }
    }

    @Test
    void aSeedChoosesWhatIsDroppedAndStandsInTheManifest() throws IOException {
        Path recipe = EXAMPLES.resolve("dare_ties.yml");
        assertThat(merge(recipe, "standard").status()).isZero();
        assertThat(merge(recipe, "zero", "--random-seed", 0).status()).isZero();
        assertThat(merge(recipe, "other", "--random-seed", -7).status()).isZero();
        String name = "model.layers.1.mlp.up_proj.weight";
        byte[] standard = Models.bits(folder.resolve("standard")).get(name);
        assertThat(Models.bits(folder.resolve("zero")).get(name)).isEqualTo(standard);
        assertThat(Models.bits(folder.resolve("other")).get(name)).isNotEqualTo(standard);
        assertThat(Files.readString(folder.resolve("other/merge-manifest.json"))).contains("\"random_seed\" : -7");
    }

    @Test
    void linearIsTheWeightedMeanOfEveryElementInFloat32RoundedOnce() throws IOException {
        assertThat(merge(EXAMPLES.resolve("linear.yml"), "out").status()).isZero();
        try (Checkpoint code = open("code");
                Checkpoint maths = open("maths");
                Checkpoint prose = open("prose");
                Checkpoint out = Checkpoint.open(folder.resolve("out"))) {
            for (String name : code.tensors().keySet()) {
                Tensor merged = out.map(name);
                Tensor wanted = Tensors.zeros(DType.BF16, merged.elements());
                for (long i = 0; i < merged.elements(); i++) {
                    float sum = (float) Elements.get(code.map(name), i);
                    sum = Math.fma(0.5f, (float) Elements.get(maths.map(name), i), sum);
                    sum = Math.fma(0.5f, (float) Elements.get(prose.map(name), i), sum);
                    Elements.set(wanted, i, sum / 2f);
                }
                assertThat(Tensors.bytes(merged)).as(name).isEqualTo(Tensors.bytes(wanted));
            }
        }
    }

    @Test
    void passthroughSlicesRenumberLayersAndTheConfigurationFollows() throws IOException {
        assertThat(merge(EXAMPLES.resolve("passthrough.yml"), "out").status()).isZero();
        assertThat(Files.readString(folder.resolve("out/config.json"))).contains("\"num_hidden_layers\" : 6");
        try (Checkpoint code = open("code"); Checkpoint out = Checkpoint.open(folder.resolve("out"))) {
            Tensor from = code.map("model.layers.3.self_attn.o_proj.weight");
            Tensor to = out.map("model.layers.5.self_attn.o_proj.weight");
            for (long i = 0; i < from.elements(); i++) {
                assertThat(Elements.get(to, i)).isEqualTo(Elements.get(from, i) / 2);
            }
        }
    }

    @Test
    void theOutputCarriesConfigurationRecipeAndManifest() throws IOException {
        assertThat(merge(EXAMPLES.resolve("ties.yml"), "out", "--hash").status()).isZero();
        Path out = folder.resolve("out");
        assertThat(Files.readString(out.resolve("recipe.yml")))
                .isEqualTo(Files.readString(EXAMPLES.resolve("ties.yml")));
        assertThat(out.resolve("generation_config.json")).exists();
        assertThat(Files.readString(out.resolve("config.json"))).contains("\"torch_dtype\" : \"bfloat16\"");
        assertThat(Files.readString(out.resolve("merge-manifest.json"))).contains("\"header_sha256\"", "\"sha256\"",
                "\"method\" : \"ties\"", "\"density\" : 0.4", "\"code\" : ");
        try (Stream<Path> left = Files.list(folder)) {
            assertThat(left).as("nothing but the output is left").containsExactly(out);
        }
    }

    /** Tensors this small are looked at once, to cut them, before they are read. */
    @Test
    void jsonTellsWhatWasReadAndWritten() throws IOException {
        Map<String, Object> ties = merge(EXAMPLES.resolve("ties.yml"), "out", "--json").json();
        assertThat(ties).containsEntry("output", folder.resolve("out").toString()).containsEntry("tensors", 39)
                .containsEntry("bytes_looked_at", ties.get("bytes_read")).containsEntry("not_finite", List.of())
                .containsKeys("bytes_written", "seconds");
        Map<String, Object> plan = merge(EXAMPLES.resolve("ties.yml"), "none", "--json", "--dry-run").json();
        assertThat(plan).containsEntry("bytes_to_read", ties.get("bytes_read"))
                .containsEntry("bytes_to_look_at", ties.get("bytes_looked_at"))
                .containsEntry("bytes_to_write", ties.get("bytes_written"));
        assertThat(merge(EXAMPLES.resolve("linear.yml"), "linear", "--json").json())
                .containsEntry("bytes_looked_at", 0);
        Path rows = Files.writeString(folder.resolve("rows.yml"), Files.readString(EXAMPLES.resolve("ties.yml"))
                .replace("models/", EXAMPLES.resolve("models").toAbsolutePath() + "/")
                .replace("normalize: true", "normalize: true\n  scope: row"));
        assertThat(merge(rows, "rows", "--json").json()).containsEntry("bytes_looked_at", ties.get("bytes_read"));
        Map<String, Object> slerp = merge(EXAMPLES.resolve("slerp.yml"), "slerp", "--json").json();
        assertThat(slerp).containsEntry("bytes_looked_at", slerp.get("bytes_read"));
    }

    @Test
    void dryRunPrintsThePlanAndWritesNothing() throws IOException {
        CommandLineRun run = merge(EXAMPLES.resolve("ties.yml"), "out", "--dry-run");
        assertThat(run.status()).isZero();
        assertThat(run.out()).contains("model.norm.weight BF16 [32] = ties", "39 tensors, 395.5 KB to read");
        assertThat(folder.resolve("out")).doesNotExist();
    }

    @Test
    void anExistingOutputIsRefusedAndReplacedOnlyWhenAsked() throws IOException {
        assertThat(merge(EXAMPLES.resolve("linear.yml"), "out").status()).isZero();
        Map<String, Integer> before = Models.fingerprint(folder.resolve("out"));
        CommandLineRun refused = merge(EXAMPLES.resolve("ties.yml"), "out");
        assertThat(refused.status()).isEqualTo(1);
        assertThat(refused.err()).contains("exists; give another folder, or --overwrite to replace it");
        assertThat(Models.fingerprint(folder.resolve("out"))).isEqualTo(before);
        assertThat(merge(EXAMPLES.resolve("ties.yml"), "out", "--overwrite").status()).isZero();
        assertThat(Models.fingerprint(folder.resolve("out"))).isNotEqualTo(before);
    }

    @Test
    void aFolderOfSomebodysOwnFilesIsNeverReplaced() throws IOException {
        Files.createDirectories(folder.resolve("out/thesis"));
        Files.writeString(folder.resolve("out/thesis/chapter.txt"), "mine");
        CommandLineRun refused = merge(EXAMPLES.resolve("linear.yml"), "out", "--overwrite");
        assertThat(refused.status()).isEqualTo(1);
        assertThat(refused.err().strip().lines().toList().getLast()).startsWith("fusor: ");
        assertThat(folder.resolve("out/thesis/chapter.txt")).hasContent("mine");
    }

    @Test
    void integersThatAgreeAreCarriedAndThoseThatDifferAreNamed() throws IOException {
        Tensor steps = Tensors.anyBits(DType.I64, 100, 1);
        model("a", "w", Tensors.of(DType.F32, 1, 2), "steps", steps);
        model("b", "w", Tensors.of(DType.F32, 3, 4), "steps", steps);
        model("c", "w", Tensors.of(DType.F32, 3, 4), "steps", Tensors.anyBits(DType.I64, 100, 2));
        assertThat(merge(recipe(linear("a", 1, "b", 1)), "same").status()).isZero();
        assertThat(Models.bits(folder.resolve("same")).get("steps")).isEqualTo(Tensors.bytes(steps));
        CommandLineRun differ = merge(recipe(linear("a", 1, "c", 1)), "differ");
        assertThat(differ.status()).isEqualTo(1);
        assertThat(differ.err()).contains("the tensor 'steps' of type I64 differs between");
        assertThat(folder.resolve("differ")).doesNotExist();
    }

    @Test
    void valuesThatAreNotFiniteAreReportedAndFailWhenAsked() throws IOException {
        model("a", "w", Tensors.of(DType.F32, 1, Double.NaN, 3));
        model("b", "w", Tensors.of(DType.F32, 1, 2, Double.POSITIVE_INFINITY));
        CommandLineRun reported = merge(recipe(linear("a", 1, "b", 1)), "out");
        assertThat(reported.status()).isZero();
        assertThat(reported.err()).contains("w: 1 NaN and 0 infinite in");
        CommandLineRun failed = merge(recipe(linear("a", 1, "b", 1)), "failed", "--fail-on-nan");
        assertThat(failed.status()).isEqualTo(1);
        assertThat(failed.err()).contains("the tensor 'w' has values that are not finite", "--fail-on-nan");
        assertThat(folder.resolve("failed")).doesNotExist();
    }

    @Test
    void shapesThatDifferAreAnErrorUnlessEmbeddingsMayBeCut() throws IOException {
        model("a", "model.embed_tokens.weight", matrix(5, 3));
        model("b", "model.embed_tokens.weight", matrix(4, 3));
        CommandLineRun refused = merge(recipe(linear("a", 1, "b", 1)), "out");
        assertThat(refused.status()).isNotZero();
        assertThat(refused.err()).contains("model.embed_tokens.weight", "[5, 3]", "[4, 3]");
        CommandLineRun cut = merge(recipe(linear("a", 1, "b", 1)), "out", "--cut-embeddings");
        assertThat(cut.status()).isZero();
        assertThat(cut.err()).contains("note:");
        assertThat(Models.bits(folder.resolve("out")).get("model.embed_tokens.weight")).hasSize(4 * 3 * 4);
    }

    @Test
    void everyKindOfBadUseEndsInOneSentenceAndLeavesNothing(@TempDir Path elsewhere) throws IOException {
        model("a", "w", Tensors.of(DType.F32, 1, 2));
        model("b", "w", Tensors.of(DType.F32, 3, 4));
        Path lfs = Files.createDirectory(folder.resolve("lfs"));
        Files.writeString(lfs.resolve("model.safetensors"),
                "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n");
        Path cutShort = Files.createDirectory(folder.resolve("short"));
        byte[] whole = Files.readAllBytes(folder.resolve("a/model.safetensors"));
        Files.write(cutShort.resolve("model.safetensors"), Arrays.copyOf(whole, whole.length - 3));
        SequencedMap<String, String> cases = new LinkedHashMap<>();
        cases.put(linear("a", 1, "lfs", 1), "git lfs pull");
        cases.put(linear("a", 1, "short", 1), "model.safetensors");
        cases.put(linear("a", 1, "nowhere", 1), "there is no model");
        cases.put(linear("a", 1, "b", -1), "sum");
        cases.put(linear("a", 1, "a", 1), "is listed in line 3 already");
        cases.put(linear("a", 1, "b", 1).replace("weight: 1}", "weight: .nan}"), "weight");
        cases.put(linear("a", 1, "b", 1).replace("weight", "wieght"), "weight");
        cases.put(linear("a", 1, "b", 1).replace("linear", "ties").replace("weight: 1}", "weight: 1, density: 20}")
                + "base_model: a\n", "density");
        cases.put(linear("a", 1, "b", 1).replace("linear", "tie"), "ties");
        cases.put("- 1\n", "wanted a mapping");
        Map<String, Integer> before = Models.fingerprint(folder);
        for (Map.Entry<String, String> bad : cases.entrySet()) {
            Path recipe = elsewhere.resolve("recipe.yml");
            Files.writeString(recipe, bad.getKey().replace("model: ", "model: " + folder + "/"));
            CommandLineRun run = CommandLineRun.of("merge", recipe, folder.resolve("out"), "--max-memory", MEMORY);
            assertThat(run.status()).as(bad.getKey()).isIn(1, 2);
            assertThat(run.err().strip().lines()).as(run.err()).hasSize(1);
            assertThat(run.err()).startsWith("fusor: ").contains(bad.getValue()).doesNotContain("Exception");
            assertThat(Models.fingerprint(folder)).isEqualTo(before);
        }
    }

    @Test
    void memoryThatCannotDoIsSaidBeforeAnyWork() {
        CommandLineRun run = CommandLineRun
                .of("merge", EXAMPLES.resolve("ties.yml"), folder.resolve("out"), "--max-memory", "10MB");
        assertThat(run.status()).isEqualTo(1);
        assertThat(run.err()).contains("--max-memory", "is too little");
        assertThat(folder.resolve("out")).doesNotExist();
    }

    @Test
    void aModelThatIsReadIsNeverReplaced() throws IOException {
        model("a", "w", Tensors.of(DType.F32, 1, 2));
        model("b", "w", Tensors.of(DType.F32, 3, 4));
        Path recipe = recipe(linear(folder.resolve("a").toString(), 1, folder.resolve("b").toString(), 1));
        Map<String, Integer> before = Models.fingerprint(folder);
        CommandLineRun run = merge(recipe, "b", "--overwrite");
        assertThat(run.status()).isEqualTo(1);
        assertThat(run.err()).contains("b would be replaced and the model", "lost with it; give another folder");
        assertThat(Models.fingerprint(folder)).isEqualTo(before);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"--threads | 0 | --threads is 1 or more, got 0",
        "--device | gpu | --device is auto, cpu, cuda or cuda:N, got 'gpu'",
        "--shard-size | 0 | --shard-size is 1 byte or more, got 0"})
    void optionsOutOfRangeAreBadUsage(String option, String value, String message) {
        CommandLineRun run = merge(EXAMPLES.resolve("linear.yml"), "out", option, value);
        assertThat(run.status()).isEqualTo(2);
        assertThat(run.err()).isEqualTo("fusor: %s%n".formatted(message));
    }

    @Test
    void aFolderIsNoRecipe() {
        CommandLineRun run = merge(EXAMPLES, "out");
        assertThat(run.status()).isEqualTo(2);
        assertThat(run.err()).contains("this is a folder; name a recipe in it");
    }

    @Test
    void ratesOfSmallMergesAreNotZero() {
        assertThat(merge(EXAMPLES.resolve("linear.yml"), "out").out()).containsPattern("[1-9][\\d.]* ([KMG]B|bytes)/s");
    }

    @Test
    void unknownOptionsAreBadUsage() {
        CommandLineRun run = CommandLineRun.of("merge", "a.yml", "out", "--frobnicate");
        assertThat(run.status()).isEqualTo(2);
        assertThat(run.err()).contains("--frobnicate");
    }

    private CommandLineRun merge(Path recipe, String out, Object... options) {
        Object[] arguments = new Object[6 + options.length];
        Object[] fixed = {"merge", recipe, folder.resolve(out), "--max-memory", MEMORY, "--quiet"};
        System.arraycopy(fixed, 0, arguments, 0, fixed.length);
        System.arraycopy(options, 0, arguments, fixed.length, options.length);
        return CommandLineRun.of(arguments);
    }

    private Path recipe(String text) throws IOException {
        return Files.writeString(folder.resolve("recipe.yml"), text);
    }

    private static String linear(String first, int firstWeight, String second, int secondWeight) {
        return """
                merge_method: linear
                models:
                  - {model: %s, parameters: {weight: %d}}
                  - {model: %s, parameters: {weight: %d}}
                """.formatted(first, firstWeight, second, secondWeight);
    }

    private void model(String name, Object... namesAndTensors) throws IOException {
        SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
        for (int i = 0; i < namesAndTensors.length; i += 2) {
            tensors.put((String) namesAndTensors[i], (Tensor) namesAndTensors[i + 1]);
        }
        Models.write(folder.resolve(name), tensors);
    }

    private static Tensor matrix(long rows, long columns) {
        return Tensor.of(Tensors.random(DType.F32, rows * columns, rows, null, 1).data(), DType.F32,
                Shape.of(rows, columns));
    }

    private static Checkpoint open(String model) throws IOException {
        return Checkpoint.open(EXAMPLES.resolve("models").resolve(model));
    }
}
