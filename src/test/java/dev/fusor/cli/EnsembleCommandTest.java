package dev.fusor.cli;

import dev.fusor.checkpoint.ArrayReader;
import dev.fusor.checkpoint.ArrayWriter;
import dev.fusor.checkpoint.CheckpointWriter.Spec;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

class EnsembleCommandTest {
    private static final int ROWS = 211;
    private static final int CLASSES = 13;
    private static final String[] KINDS = {"logits", "log_probabilities", "probabilities", "maximum",
        "most_confident", "vote"};

    @TempDir
    private Path folder;

    private static Tensor logits(DType type, int seed) {
        Tensor flat = Tensors.random(type, ROWS * CLASSES, seed, null, 2);
        return Tensor.of(flat.data(), type, Shape.of(ROWS, CLASSES));
    }

    private static Tensor labels(DType type) {
        SplittableRandom random = new SplittableRandom(Tensors.SEED);
        Tensor labels = Tensors.zeros(type, ROWS);
        for (int row = 0; row < ROWS; row++) {
            labels.data().set(ValueLayout.JAVA_BYTE, row * type.bits() / 8L, (byte) random.nextInt(CLASSES));
        }
        return labels;
    }

    private static int label(Tensor labels, int row) {
        return labels.data().get(ValueLayout.JAVA_BYTE, row * labels.dtype().bits() / 8L);
    }

    private Path write(String name, Tensor tensor) throws IOException {
        Path file = folder.resolve(name);
        try (ArrayWriter writer = ArrayWriter.create(file, List.of(new Spec("x", tensor.dtype(), tensor.shape())),
                true)) {
            writer.write("x", tensor.data());
            writer.commit();
        }
        return file;
    }

    private static Tensor read(String reference) throws IOException {
        try (ArrayReader reader = ArrayReader.open(reference)) {
            Tensor tensor = Tensor.allocate(Arena.ofAuto(), reader.dtype(), reader.shape().toArray());
            reader.read(tensor.data());
            return tensor;
        }
    }

    /** One row of probabilities, from the textbook. */
    private static double[] softmax(double[] x) {
        double[] p = new double[x.length];
        double max = Double.NEGATIVE_INFINITY;
        double sum = 0;
        for (double value : x) {
            max = Math.max(max, value);
        }
        for (int c = 0; c < x.length; c++) {
            p[c] = Math.exp(x[c] - max);
            sum += p[c];
        }
        for (int c = 0; c < x.length; c++) {
            p[c] /= sum;
        }
        return p;
    }

    private static int best(double[] p) {
        int best = 0;
        for (int c = 1; c < p.length; c++) {
            best = p[c] > p[best] ? c : best;
        }
        return best;
    }

    private static double[] x(Tensor logits, int row, double temperature) {
        double[] x = new double[CLASSES];
        for (int c = 0; c < CLASSES; c++) {
            x[c] = Elements.get(logits, (long) row * CLASSES + c) / temperature;
        }
        return x;
    }

    /** What the modes make of the rows of three models in float64. */
    private static double[] combined(String mode, double[][] x, double[] shares) {
        double[] scores = new double[CLASSES];
        double[][] p = Stream.of(x).map(EnsembleCommandTest::softmax).toArray(double[][]::new);
        int confident = 0;
        for (int e = 1; e < x.length; e++) {
            confident = p[e][best(p[e])] > p[confident][best(p[confident])] ? e : confident;
        }
        for (int c = 0; c < CLASSES; c++) {
            scores[c] = mode.equals("maximum") ? Double.NEGATIVE_INFINITY : 0;
            for (int e = 0; e < x.length; e++) {
                switch (mode) {
                    case "logits", "log_probabilities" -> scores[c] += shares[e] * x[e][c];
                    case "probabilities" -> scores[c] += shares[e] * p[e][c];
                    case "maximum" -> scores[c] = Math.max(scores[c], x[e][c]);
                    case "most_confident" -> scores[c] = x[confident][c];
                    default -> scores[c] += best(x[e]) == c ? shares[e] : 0;
                }
            }
        }
        return mode.equals("probabilities") || mode.equals("vote") ? scores : softmax(scores);
    }

    private static double entropy(double[] p) {
        double entropy = 0;
        for (double value : p) {
            entropy -= value == 0 ? 0 : value * Math.log(value);
        }
        return entropy;
    }

    /** Means over rows of what is printed. */
    private record Quality(double accuracy, double loss, double error, double entropy, double confidence) {
        static Quality of(List<double[]> rows, Tensor labels) {
            double right = 0;
            double loss = 0;
            double entropy = 0;
            double confidence = 0;
            double error = 0;
            for (int bin = 0; bin < 15; bin++) {
                double sure = 0;
                double hits = 0;
                double in = 0;
                for (int row = 0; row < ROWS; row++) {
                    double[] p = rows.get(row);
                    double top = p[best(p)];
                    if (top > bin / 15.0 && top <= (bin + 1) / 15.0) {
                        in++;
                        sure += top;
                        hits += best(p) == label(labels, row) ? 1 : 0;
                    }
                }
                error += in == 0 ? 0 : in / ROWS * Math.abs(hits / in - sure / in);
                right += hits;
                confidence += sure;
            }
            for (int row = 0; row < ROWS; row++) {
                loss -= Math.log(rows.get(row)[label(labels, row)]);
                entropy += EnsembleCommandTest.entropy(rows.get(row));
            }
            return new Quality(right / ROWS, loss / ROWS, error, entropy / ROWS, confidence / ROWS);
        }
    }

    private static void same(Map<?, ?> json, Quality wanted, String where) {
        assertThat(json.get("accuracy")).as(where).isEqualTo(wanted.accuracy());
        for (Map.Entry<String, Double> each : Map.of("loss", wanted.loss(), "calibration_error", wanted.error(),
                "entropy", wanted.entropy(), "confidence", wanted.confidence()).entrySet()) {
            if (Double.isFinite(each.getValue())) {
                assertThat((Double) json.get(each.getKey())).as("%s of %s", each.getKey(), where)
                        .isCloseTo(each.getValue(), within(1e-5));
            } else {
                assertThat(json.get(each.getKey())).as("%s of %s", each.getKey(), where).isNull();
            }
        }
    }

    /** Logits on a grid: no two ways to round them differ in a best class. */
    @ParameterizedTest
    @EnumSource(value = DType.class, names = {"F32", "F16", "F64", "BF16"})
    void qualitiesAreThoseOfTheDefinitionInDoublePrecision(DType type) throws IOException {
        double[] weights = {1, 2, 0.5};
        double[] temperatures = {1, 0.8, 2};
        String suffix = type == DType.BF16 ? ".safetensors" : ".npy";
        List<Tensor> logits = new ArrayList<>();
        List<Path> files = new ArrayList<>();
        for (int e = 0; e < 3; e++) {
            logits.add(logits(type, e));
            files.add(write("m" + e + suffix, logits.get(e)));
        }
        Tensor labels = labels(DType.I64);
        Path right = write("labels.npy", labels);

        CommandLineRun run = CommandLineRun.of("ensemble", files.get(0), files.get(1), files.get(2), "--labels", right,
                "--weights", "1,2,0.5", "--temperatures", "1,0.8,2", "--json");

        assertThat(run.status()).as(run.err()).isZero();
        Map<?, ?> json = run.json();
        String where = "%s, seed %d".formatted(type, Tensors.SEED);
        assertThat(json.get("rows")).hasToString("211");
        List<int[]> ballots = new ArrayList<>();
        for (int e = 0; e < 3; e++) {
            List<double[]> rows = new ArrayList<>();
            int[] ballot = new int[ROWS];
            for (int row = 0; row < ROWS; row++) {
                rows.add(softmax(x(logits.get(e), row, temperatures[e])));
                ballot[row] = best(rows.get(row));
            }
            ballots.add(ballot);
            same((Map<?, ?>) ((List<?>) json.get("models")).get(e), Quality.of(rows, labels),
                    "model " + e + ", " + where);
        }
        double information = 0;
        for (int m = 0; m < KINDS.length; m++) {
            List<double[]> rows = new ArrayList<>();
            double differences = 0;
            for (int row = 0; row < ROWS; row++) {
                double[][] x = new double[3][];
                for (int e = 0; e < 3; e++) {
                    x[e] = x(logits.get(e), row, temperatures[e]);
                }
                double[] p = combined(KINDS[m], x, new double[]{1 / 3.5, 2 / 3.5, 0.5 / 3.5});
                rows.add(p);
                for (int e = 0; e < 3; e++) {
                    differences += ballots.get(e)[row] == best(p) ? 0 : 1;
                    information -= KINDS[m].equals("probabilities") ? weights[e] / 3.5 * entropy(softmax(x[e])) : 0;
                }
                information += KINDS[m].equals("probabilities") ? entropy(p) : 0;
            }
            Map<?, ?> mode = (Map<?, ?>) ((List<?>) json.get("modes")).get(m);
            assertThat(mode.get("mode")).isIn((Object[]) KINDS);
            mode = find(json, KINDS[m]);
            same(mode, Quality.of(rows, labels), KINDS[m] + ", " + where);
            assertThat((Double) mode.get("disagreement")).isCloseTo(differences / ROWS / 3, within(1e-12));
        }
        assertThat((Double) json.get("mutual_information")).isCloseTo(information / ROWS, within(1e-5));
        assertThat(run.err().contains("is F64 and rounded to F32")).isEqualTo(type == DType.F64);
    }

    private static Map<?, ?> find(Map<?, ?> json, String mode) {
        return ((List<?>) json.get("modes")).stream().map(Map.class::cast).filter(each -> mode.equals(each.get("mode")))
                .findFirst().orElseThrow();
    }

    @Test
    void theTableNamesModelsAndModes() throws IOException {
        Tensor one = Tensor.of(Tensors.of(DType.F32, 0, 0, 5, 0).data(), DType.F32, Shape.of(2, 2));
        Tensor other = Tensor.of(Tensors.of(DType.F32, 0, 1, 0, 1).data(), DType.F32, Shape.of(2, 2));
        Path a = write("a.npy", one);
        Path b = write("b.npy", other);
        CommandLineRun run = CommandLineRun.of("ensemble", a, b, "--mode", "logits");

        assertThat(run.lines().get(0)).matches("prediction +accuracy +loss +ECE +entropy +confidence +disagreement");
        assertThat(run.lines().get(1)).matches(a + " +- +- +- +0.3667 +0.7467 +100.00 %");
        assertThat(run.lines().get(2)).matches(b + " +- +- +- +0.5822 +0.7311 +100.00 %");
        assertThat(run.lines().get(3)).matches("logits +- +- +- +0.5141 +0.7516 +50.00 %");
        assertThat(run.lines().get(4)).isEqualTo("2 rows, 2 classes");
        assertThat(run.err()).isEmpty();
    }

    @Test
    void theExampleOfTheReadmeRuns() throws IOException {
        Path logits = Path.of("examples/models/logits");
        Path out = folder.resolve("best.npy");
        CommandLineRun run = CommandLineRun.of("ensemble", logits.resolve("code.npy"), logits.resolve("maths.npy"),
                logits.resolve("prose.npy"), "--labels", logits.resolve("labels.npy"), "--mode", "probabilities",
                "--out", out, "--save", "argmax");

        assertThat(run.status()).as(run.err()).isZero();
        assertThat(run.lines().getLast()).isEqualTo(out + ": argmax of probabilities");
        assertThat(read(out.toString()).toString()).isEqualTo("I32 [500]");
    }

    @ParameterizedTest
    @ValueSource(strings = {"1", "100", "5000", "64MB"})
    void blocksOfAnySizeGiveTheSameFiles(String memory) throws IOException {
        Path a = write("a.npy", logits(DType.F32, 1));
        Path b = write("b.safetensors", logits(DType.BF16, 2));
        Path right = write("labels.npy", labels(DType.I32));
        String everything = "logits,log_probabilities,probabilities,argmax,top_classes,top_log_probabilities,entropy,"
                + "log_sum_exp,disagreement,loss";
        Object[] arguments = {"ensemble", a, b, "--labels", right, "--mode", "probabilities", "--save", everything,
            "--top", 3, "--overwrite", "--out", folder.resolve("all.safetensors"), "--max-memory", memory};
        assertThat(CommandLineRun.of(arguments).status()).isZero();
        byte[] whole = Files.readAllBytes(folder.resolve("all.safetensors"));
        arguments[arguments.length - 1] = "64MB";
        CommandLineRun run = CommandLineRun.of(arguments);

        assertThat(Files.readAllBytes(folder.resolve("all.safetensors"))).isEqualTo(whole);
        assertThat(run.lines().getLast()).startsWith(folder.resolve("all.safetensors") + ": logits, log_prob");
        Tensor p = read(folder.resolve("all.safetensors") + ":probabilities");
        Tensor best = read(folder.resolve("all.safetensors") + ":argmax");
        Tensor top = read(folder.resolve("all.safetensors") + ":top_classes");
        assertThat(top.shape()).isEqualTo(Shape.of(ROWS, 3));
        for (int row = 0; row < ROWS; row++) {
            int wanted = best(x(p, row, 1));
            assertThat(best.data().getAtIndex(ValueLayout.JAVA_INT, row)).isEqualTo(wanted);
            assertThat(top.data().getAtIndex(ValueLayout.JAVA_INT, 3L * row)).isEqualTo(wanted);
        }
    }

    @Test
    void modelsThatAlternateInAStreamAreAsGoodAsFiles() throws IOException {
        Tensor a = logits(DType.F32, 1);
        Tensor b = logits(DType.F32, 2);
        Tensor both = Tensor.allocate(Arena.ofAuto(), DType.F32, ROWS, 2, CLASSES);
        for (int row = 0; row < ROWS; row++) {
            for (int e = 0; e < 2; e++) {
                both.slice((row * 2L + e) * CLASSES, CLASSES).data()
                        .copyFrom((e == 0 ? a : b).slice((long) row * CLASSES, CLASSES).data());
            }
        }
        Path out = folder.resolve("out.npy");
        CommandLineRun.of("ensemble", write("a.npy", a), write("b.npy", b), "--mode", "vote", "--out", out);
        InputStream in = System.in;
        PrintStream standard = System.out;
        ByteArrayOutputStream piped = new ByteArrayOutputStream();
        try (PrintStream stream = new PrintStream(piped)) {
            System.setIn(new ByteArrayInputStream(Files.readAllBytes(write("both.npy", both))));
            System.setOut(stream);
            CommandLineRun run = CommandLineRun.of("ensemble", "-", "--mode", "vote", "--out", "-");
            assertThat(run.status()).as(run.err()).isZero();
            assertThat(run.out()).isEmpty();
            assertThat(run.err()).contains("standard input model 1 ").contains("vote ");
        } finally {
            System.setIn(in);
            System.setOut(standard);
        }
        assertThat(piped.toByteArray()).isEqualTo(Files.readAllBytes(out));
    }

    @Test
    void classesThatAModelLacksHaveNoProbability() throws IOException {
        Tensor one = Tensor.of(Tensors.of(DType.F32, 0, 0, 9).data(), DType.F32, Shape.of(1, 3));
        Tensor masks = Tensor.allocate(Arena.ofAuto(), DType.U8, 1, 3);
        masks.data().set(ValueLayout.JAVA_BYTE, 0, (byte) 1);
        masks.data().set(ValueLayout.JAVA_BYTE, 1, (byte) 1);
        Path out = folder.resolve("out.npy");
        CommandLineRun run = CommandLineRun.of("ensemble", write("a.npy", one), "--masks", write("masks.npy", masks),
                "--mode", "logits", "--out", out);

        assertThat(run.status()).as(run.err()).isZero();
        assertThat(Tensors.values(read(out.toString()))).containsExactly(0.5, 0.5, 0);
    }

    @Test
    void rowsThatAreNoDistributionAreCountedAndNoQuality() throws IOException {
        double inf = Double.POSITIVE_INFINITY;
        Tensor one = Tensor.of(Tensors.of(DType.F32, 1, Double.NaN, inf, 0, -inf, 0, -inf, -inf).data(), DType.F32,
                Shape.of(4, 2));
        Path a = write("a.npy", one);
        CommandLineRun run = CommandLineRun.of("ensemble", a, "--mode", "logits");

        assertThat(run.status()).isZero();
        assertThat(run.err()).isEqualTo(
                "note: " + a + " has 3 rows with NaN or infinities that leave no distribution\n");
        assertThat(run.lines().get(1)).matches(a + "( +-){6}");
    }

    @Test
    void labelsOfAnyIntegersCount() throws IOException {
        Path a = write("a.npy", logits(DType.F32, 1));
        String wanted = null;
        for (DType type : new DType[]{DType.U8, DType.I8, DType.U16, DType.I16, DType.U32, DType.I32, DType.I64}) {
            CommandLineRun run = CommandLineRun.of("ensemble", a, "--labels", write("labels.npy", labels(type)));
            assertThat(run.status()).as(run.err()).isZero();
            wanted = wanted == null ? run.out() : wanted;
            assertThat(run.out()).isEqualTo(wanted);
        }
    }

    @Test
    void noRowsHaveNoQuality() throws IOException {
        Path a = write("a.npy", Tensor.allocate(Arena.ofAuto(), DType.F32, 0, 3));
        CommandLineRun run = CommandLineRun.of("ensemble", a, "--mode", "logits", "--out", folder.resolve("b.npy"));

        assertThat(run.status()).as(run.err()).isZero();
        assertThat(run.lines().get(2)).matches("logits( +-){6}");
        assertThat(read(folder.resolve("b.npy").toString()).shape()).isEqualTo(Shape.of(0, 3));
    }

    @Test
    void badInputIsOneSentenceAndNoOutput() throws IOException {
        Path a = write("a.npy", logits(DType.F32, 1));
        Path small = write("100%d.npy", Tensor.allocate(Arena.ofAuto(), DType.F32, 3, CLASSES));
        Path integers = write("integers.npy", Tensor.allocate(Arena.ofAuto(), DType.I64, ROWS, CLASSES));
        Tensor wrong = labels(DType.I64);
        wrong.data().setAtIndex(ValueLayout.JAVA_LONG, 17, CLASSES);
        Path labels = write("labels.npy", wrong);
        Path out = folder.resolve("out.npy");
        fails(1, "wanted 211 rows of 13 classes as in " + a + ", got F32 [3, 13]", a, small);
        fails(1, "wanted logits, floating point numbers [rows, classes] or [rows, models, classes], got I64 [211, 13]",
                integers);
        fails(1, "got I64 [211]", labels);
        fails(1, "the label of row 17 is 13, classes are 0 to 12", a, "--labels", labels, "--mode", "vote", "--out",
                out);
        fails(1, "wanted labels, integers [211], got F32 [211, 13]", a, "--labels", a);
        fails(1, "wanted masks, BOOL or U8 [1, 13], got F32 [211, 13]", a, "--masks", a);
        fails(1, "there is no such file", folder.resolve("none.npy"));
        fails(1, "the output exists", a, "--mode", "vote", "--out", a);
        fails(1, "a .npy file holds one array, wanted 2", a, "--mode", "vote", "--out", out, "--save", "argmax,loss",
                "--labels", write("good.npy", labels(DType.I64)));
        fails(2, "--out takes one --mode", a, "--out", out);
        fails(2, "--save takes --out", a, "--save", "argmax");
        fails(2, "--weights has one for each of 1 models, got [1.0, 2.0]", a, "--weights", "1,2");
        fails(2, "--weights are 0 or more, finite, and one is more than 0, got [0.0]", a, "--weights", "0");
        fails(2, "--weights are 0 or more", a, "--weights", "NaN");
        fails(2, "--temperatures are 1e-30 to 1e30, got [0.0]", a, "--temperatures", "0");
        fails(2, "--temperatures has one for each of 1 models", a, "--temperatures", "1,2,3");
        fails(2, "--top is 1 to 13", a, "--mode", "vote", "--out", out, "--save", "top_classes", "--top", 14);
        fails(2, "--top takes --save TOP_CLASSES or TOP_LOG_PROBABILITIES, got --save [ARGMAX]", a, "--mode", "vote",
                "--out", out, "--save", "argmax", "--top", 3);
        fails(2, "--save LOSS takes --labels", a, "--mode", "vote", "--out", out, "--save", "loss");
        fails(2, "--save DISAGREEMENT is of --mode PROBABILITIES", a, "--mode", "vote", "--out", out, "--save",
                "disagreement");
        fails(2, "'mean'", a, "--mode", "mean");
        fails(2, "- was given more than once", "-", "-");
        fails(2, "--threads is 1 or more", a, "--threads", 0);
        fails(2, "standard output takes one array", a, "--mode", "vote", "--out", "-", "--save", "argmax,entropy");
        fails(2, "Missing required parameter");
        assertThat(out).doesNotExist();
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files.filter(file -> file.getFileName().toString().startsWith("."))).isEmpty();
        }
    }

    private static void fails(int status, String message, Object... arguments) {
        List<Object> words = new ArrayList<>(List.of("ensemble"));
        words.addAll(List.of(arguments));
        CommandLineRun run = CommandLineRun.of(words.toArray());
        assertThat(run.err()).as("%s", words).startsWith("fusor: ").contains(message).hasLineCount(status);
        assertThat(run.status()).isEqualTo(status);
        assertThat(run.out()).isEmpty();
    }
}
