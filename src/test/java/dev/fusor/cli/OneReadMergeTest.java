package dev.fusor.cli;

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
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;

/** Merges that trim on the way: ranges are written before the cuts are known, and what was wrong is written again. */
class OneReadMergeTest {
    private static final float[] WEIGHTS = {1, 0.5f, -0.75f};
    private static final double[] DENSITIES = {0.15, 0.5, 0.1};

    /** The largest is so large that a sample is taken of it. */
    private static final Shape[] SHAPES = {Shape.of(0, 4), Shape.of(1), Shape.of(33), Shape.of(3, 50_007)};

    @TempDir
    Path folder;

    /** Beside each input once, a sample is looked at, and what was wrong, where magnitudes are few; else nearly all of it. */
    @ParameterizedTest
    @CsvSource({"BF16, BF16, 0.01, 0.25", "BF16, F32, 0.01, 0.25", "F32, F32, 1, 1.2"})
    void mergesAsItIsDefinedHoweverItIsCarriedOut(DType type, DType out, double least, double most)
            throws IOException {
        Map<String, byte[]> wanted = models(type, out);
        Path recipe = recipe("dtype: " + out);
        merge(recipe, wanted, least, most, "--threads", 1);
        merge(recipe, wanted, least, most, "--threads", 7, "--reading", "reads");
        merge(recipe, wanted, least, most, "--threads", 2, "--reading", "mapped");
        merge(recipe, wanted, 1, 1.2, "--threads", 2, "--max-memory", tight());
    }

    /** Ranges of 2^16 elements for two threads. */
    private static long tight() {
        return 90_000_000 + Runtime.getRuntime().maxMemory() + 2 * 5 * (1 << 16) * Double.BYTES;
    }

    /** All differences are as large, so what is kept are the first; results that are kept are too large for F16. */
    @Test
    void whatIsNotFiniteIsCountedOnce() throws IOException {
        int length = 200_003;
        Tensor base = Tensors.zeros(DType.BF16, length);
        Tensor x = Tensors.zeros(DType.BF16, length);
        for (int i = 0; i < length; i++) {
            Elements.set(base, i, 65_024);
            Elements.set(x, i, 65_536);
        }
        Models.write(folder.resolve("base"), Map.of("w", base));
        Models.write(folder.resolve("x"), Map.of("w", x));
        Path recipe = Files.writeString(folder.resolve("recipe.yml"), """
                merge_method: ties
                base_model: %s/base
                models: [{model: %1$s/x, parameters: {weight: 1, density: 0.3}}]
                dtype: float16
                """.formatted(folder));
        CommandLineRun run = CommandLineRun.of("merge", recipe, folder.resolve("out"), "--max-memory", "8GB");
        assertThat(run.err()).contains("w: 0 NaN and %d infinite in the result".formatted((int) (0.3 * length)));
        List<String> progress = run.err().lines().filter(line -> line.contains(" % ")).toList();
        assertThat(progress.getLast()).contains("100 %");
        assertThat(progress).as("what is written again is no progress").hasSizeLessThanOrEqualTo(10);
    }

    private void merge(Path recipe, Map<String, byte[]> wanted, double least, double most, Object... options)
            throws IOException {
        Object[] fixed = {"merge", recipe, folder.resolve("out"), "--overwrite", "--quiet", "--json"};
        Object[] memory = Arrays.asList(options).contains("--max-memory")
                ? new Object[0]
                : new Object[]{"--max-memory", "8GB"};
        CommandLineRun run = CommandLineRun.of(IntStream.range(0, 3)
                .mapToObj(part -> new Object[][]{fixed, memory, options}[part]).flatMap(Arrays::stream).toArray());
        assertThat(run.status()).as(run.err()).isZero();
        double looked = ((Number) run.json().get("bytes_looked_at")).doubleValue()
                / ((Number) run.json().get("bytes_read")).doubleValue();
        assertThat(looked).as("looked at, %s", Arrays.toString(options)).isBetween(least, most);
        assertThat(Models.bits(folder.resolve("out"))).as("%s, seed %d", Arrays.toString(options), Tensors.SEED)
                .usingRecursiveComparison().isEqualTo(wanted);
    }

    private Path recipe(String more) throws IOException {
        StringBuilder models = new StringBuilder();
        for (int m = 0; m < WEIGHTS.length; m++) {
            models.append("  - {model: %s/model%d, parameters: {weight: %s, density: %s}}\n".formatted(folder, m,
                    WEIGHTS[m], DENSITIES[m]));
        }
        return Files.writeString(folder.resolve("recipe.yml"), """
                merge_method: ties
                base_model: %s/base
                models:
                %sparameters: {lambda: 1.5}
                %s
                """.formatted(folder, models, more));
    }

    /** Writes the models. {@return what they are merged to} */
    private Map<String, byte[]> models(DType type, DType out) throws IOException {
        SequencedMap<String, Tensor> bases = new LinkedHashMap<>();
        List<SequencedMap<String, Tensor>> models = List.of(new LinkedHashMap<>(), new LinkedHashMap<>(),
                new LinkedHashMap<>());
        SequencedMap<String, byte[]> merged = new LinkedHashMap<>();
        for (Shape shape : SHAPES) {
            String name = "t" + shape.elements();
            Tensor base = random(type, shape.elements(), 1, null);
            List<Tensor> ofModels = IntStream.range(0, WEIGHTS.length)
                    .mapToObj(m -> random(type, shape.elements(), 2 + m, base)).toList();
            bases.put(name, Tensor.of(base.data(), type, shape));
            for (int m = 0; m < WEIGHTS.length; m++) {
                models.get(m).put(name, Tensor.of(ofModels.get(m).data(), type, shape));
            }
            merged.put(name, Tensors.bytes(define(base, ofModels, out)));
        }
        Models.write(folder.resolve("base"), bases);
        for (int m = 0; m < WEIGHTS.length; m++) {
            Models.write(folder.resolve("model" + m), models.get(m));
        }
        return merged;
    }

    /** Differences of BF16 are few: five magnitudes. */
    private static Tensor random(DType type, long length, long seed, Tensor base) {
        if (type != DType.BF16) {
            return Tensors.random(type, length, seed, base, base == null ? 0.02 : 1e-3);
        }
        SplittableRandom random = new SplittableRandom(Tensors.SEED + seed);
        Tensor tensor = Tensors.zeros(type, length);
        for (long i = 0; i < length; i++) {
            Elements.set(tensor, i, base == null
                    ? random.nextInt(64, 128) / 128.0
                    : Elements.get(base, i) + random.nextInt(-4, 5) / 128.0);
        }
        return tensor;
    }

    /** Trim by sorting, elect, merge; from the paper, with normalised weights and a lambda of 1.5. */
    private static Tensor define(Tensor base, List<Tensor> models, DType out) {
        int length = (int) base.elements();
        float[][] votes = new float[models.size()][length];
        for (int m = 0; m < votes.length; m++) {
            float[] delta = new float[length];
            for (int i = 0; i < length; i++) {
                delta[i] = (float) Elements.get(models.get(m), i) - (float) Elements.get(base, i);
            }
            List<Integer> kept = IntStream.range(0, length).boxed()
                    .sorted(Comparator.<Integer>comparingDouble(i -> -Math.abs(delta[i]))).toList()
                    .subList(0, (int) (DENSITIES[m] * length));
            for (int i : kept) {
                votes[m][i] = WEIGHTS[m] * delta[i];
            }
        }
        Tensor merged = Tensors.zeros(out, length);
        for (int i = 0; i < length; i++) {
            float mass = 0;
            for (float[] vote : votes) {
                mass += vote[i];
            }
            float sign = mass >= 0 ? 1 : -1;
            float sum = 0;
            float weights = 0;
            for (int m = 0; m < votes.length; m++) {
                boolean agrees = sign * votes[m][i] > 0;
                sum += agrees ? Math.abs(votes[m][i]) : 0;
                weights += agrees ? WEIGHTS[m] : 0;
            }
            float mean = sign * sum / (weights == 0 ? 1 : weights);
            Elements.set(merged, i, Math.fma(1.5f, mean, (float) Elements.get(base, i)));
        }
        return merged;
    }
}
