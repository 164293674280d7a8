package dev.fusor.ensemble;

import dev.fusor.device.CpuDevice;
import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.ensemble.LogitEnsemble.Output;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class LogitEnsembleTest {
    private static final CpuDevice DEVICE = CpuDevice.open(2);
    private static final float INF = Float.POSITIVE_INFINITY;
    private static final float NAN = Float.NaN;

    @Test
    void modesDifferWhereModelsDo() {
        Batch batch = batch(2, 1, 3, of(0, 4, 0), of(3, 0, 2));
        assertThat(floats(run(Mode.LOGITS, batch, Output.LOGITS))).containsExactly(1.5f, 2, 1);
        assertThat(floats(run(Mode.MAXIMUM, batch, Output.LOGITS))).containsExactly(3, 4, 2);
        assertThat(floats(run(Mode.MOST_CONFIDENT, batch, Output.LOGITS))).containsExactly(0, 4, 0);
        assertThat(floats(run(Mode.VOTE, batch, Output.PROBABILITIES))).containsExactly(0.5f, 0.5f, 0);
    }

    @Test
    void tiesGoToTheLowestClass() {
        Batch batch = batch(2, 1, 3, of(1, 5, 5), of(5, 1, 1));
        assertThat(ints(run(Mode.VOTE, batch, Output.ARGMAX))).containsExactly(0);
        assertThat(ints(run(Mode.LOGITS, batch, Output.ARGMAX))).containsExactly(0);
        assertThat(ints(run(Mode.MAXIMUM, batch, Output.TOP_CLASSES))).containsExactly(0, 1, 2);
        assertThat(ints(run(Mode.LOGITS, batch(1, 1, 3, of(-0.0, 0.0, -1)), Output.ARGMAX))).containsExactly(0);
    }

    @Test
    void weightsDecideAVote() {
        Batch batch = new Batch(List.of(Model.of(of(1, 0)).weighted(0.4), Model.of(of(0, 1)).weighted(0.9),
                Model.of(of(1, 0)).weighted(0.4)), 1, 2, null, null);
        assertThat(ints(run(Mode.VOTE, batch, Output.ARGMAX))).containsExactly(1);
    }

    @Test
    void aModelOfWeightOrGateZeroIsNotThere() {
        List<Model> models = List.of(Model.of(of(1, 2, 3)), Model.of(of(NAN, INF, 7)).weighted(0));
        for (Mode mode : Mode.values()) {
            Batch alone = new Batch(models.subList(0, 1), 1, 3, null, null);
            Batch batch = new Batch(models, 1, 3, null, null);
            Batch gated = new Batch(List.of(models.getFirst(), models.getLast().weighted(1)), 1, 3,
                    Tensor.of(of(0.5, 0).data(), DType.F32, Shape.of(1, 2)), null);
            byte[] wanted = Tensors.bytes(run(mode, alone, Output.PROBABILITIES));
            assertThat(Tensors.bytes(run(mode, batch, Output.PROBABILITIES))).as("%s", mode).isEqualTo(wanted);
            assertThat(Tensors.bytes(run(mode, gated, Output.PROBABILITIES))).as("%s", mode).isEqualTo(wanted);
        }
    }

    @Test
    void aRowWhoseWeightsMakeNoSenseIsNaN() {
        List<Model> models = List.of(Model.of(of(3, 1, 2)), Model.of(of(1, 2, 3)));
        for (double[] gates : new double[][]{{0, 0}, {-1, 2}, {NAN, 1}, {INF, 1}}) {
            Batch batch = new Batch(models, 1, 3, Tensor.of(Tensors.of(DType.F32, gates).data(), DType.F32,
                    Shape.of(1, 2)), null);
            for (Mode mode : Mode.values()) {
                assertThat(floats(run(mode, batch, Output.LOGITS))).containsOnly(NAN);
                assertThat(floats(run(mode, batch, Output.PROBABILITIES))).containsOnly(NAN);
                assertThat(ints(run(mode, batch, Output.TOP_CLASSES))).containsExactly(0, 1, 2);
            }
        }
    }

    @Test
    void hugeLogitsDoNotOverflow() {
        for (double huge : new double[]{1e4, 1e30, Float.MAX_VALUE}) {
            Batch batch = batch(2, 1, 3, of(huge, huge, -huge), of(huge, -huge, -huge));
            assertThat(floats(run(Mode.PROBABILITIES, batch, Output.PROBABILITIES))).containsExactly(0.75f, 0.25f, 0);
            assertThat(floats(run(Mode.LOGITS, batch, Output.PROBABILITIES))).containsExactly(1, 0, 0);
            assertThat(floats(run(Mode.PROBABILITIES, batch, Output.LOG_SUM_EXP))[1]).isEqualTo((float) huge);
            assertThat(floats(run(Mode.MAXIMUM, batch, Output.ENTROPY))[0]).isCloseTo(0.6931472f, within(1e-6f));
        }
    }

    @Test
    void infinitiesAndNaNAreAsStated() {
        Tensor minus = of(-INF, -INF, -INF);
        Tensor plus = of(1, INF, 2);
        Tensor nan = of(5, 1, NAN);
        assertThat(floats(run(Mode.LOGITS, batch(1, 1, 3, minus), Output.LOG_SUM_EXP))).containsExactly(-INF);
        assertThat(floats(run(Mode.LOGITS, batch(1, 1, 3, plus), Output.LOG_SUM_EXP))).containsExactly(INF);
        assertThat(floats(run(Mode.LOGITS, batch(1, 1, 3, nan), Output.LOG_SUM_EXP))).containsExactly(NAN);
        for (Tensor row : List.of(minus, plus, nan)) {
            for (Mode mode : Mode.values()) {
                float[] p = floats(run(mode, batch(1, 1, 3, row), Output.PROBABILITIES));
                if (mode == Mode.VOTE) {
                    assertThat(p).containsExactlyInAnyOrder(1, 0, 0);
                } else {
                    assertThat(p).as("%s", mode).containsOnly(NAN);
                }
            }
        }
        assertThat(ints(run(Mode.LOGITS, batch(1, 1, 3, minus), Output.ARGMAX))).containsExactly(0);
        assertThat(ints(run(Mode.LOGITS, batch(1, 1, 3, plus), Output.ARGMAX))).containsExactly(1);
        assertThat(ints(run(Mode.LOGITS, batch(1, 1, 3, nan), Output.ARGMAX))).containsExactly(2);
        assertThat(ints(run(Mode.VOTE, batch(1, 1, 3, nan), Output.ARGMAX))).containsExactly(2);
        assertThat(floats(run(Mode.MOST_CONFIDENT, batch(2, 1, 3, nan, of(1, 2, 3)), Output.LOGITS)))
                .containsExactly(1, 2, 3);
    }

    @Test
    void aClassThatOneModelRulesOutKeepsAFiniteLoss() {
        Batch batch = new Batch(List.of(Model.of(of(0, 400)), Model.of(of(0, 300))), 1, 2, null,
                labels(DType.I32, 0));
        assertThat(floats(run(Mode.PROBABILITIES, batch, Output.LOSS))[0]).isCloseTo(300.6931f, within(1e-4f));
        Batch out = new Batch(List.of(Model.of(of(-INF, 400))), 1, 2, null, labels(DType.I64, 0));
        assertThat(floats(run(Mode.PROBABILITIES, out, Output.LOSS))).containsExactly(INF);
    }

    /** Chunks that cannot hold the best class are passed over; equal ones in several chunks must not be. */
    @Test
    void theBestClassIsFoundInAnyChunk() {
        SplittableRandom random = new SplittableRandom(Tensors.SEED);
        for (int round = 0; round < 200; round++) {
            int classes = 1 + random.nextInt(9000);
            List<Model> models = new ArrayList<>();
            double deviation = random.nextInt(30);
            for (int e = 0; e < 3; e++) {
                Tensor row = Tensors.random(DType.F32, classes, 7L * round + e, null, deviation);
                for (int i = 0; i < 4; i++) {
                    Elements.set(row, random.nextInt(classes), 2.5 * deviation + i / 2);
                }
                models.add(
                        Model.of(Tensor.of(row.data(), DType.F32, Shape.of(1, classes))).weighted(e == 2 ? 1e-40 : 1));
            }
            Batch batch = new Batch(models, 1, classes, null, null);
            int[] wanted = new EnsembleDefinition(Mode.PROBABILITIES, batch, 0).ranking;
            assertThat(ints(run(Mode.PROBABILITIES, batch, Output.ARGMAX))[0]).as("round %d, seed %d", round,
                    Tensors.SEED).isEqualTo(wanted[0]);
            assertThat(ints(run(Mode.PROBABILITIES, batch, Output.TOP_CLASSES))).as("round %d, seed %d", round,
                    Tensors.SEED).startsWith(Arrays.copyOf(wanted, k(batch)));
        }
    }

    /** Every mode and output against the definition, bit for bit; lengths around vectors, lanes and chunks. */
    @ParameterizedTest
    @EnumSource(Mode.class)
    void agreesWithItsDefinitionBitForBit(Mode mode) {
        int seed = 0;
        for (int classes : new int[]{1, 2, 15, 16, 17, 63, 65, 1023, 1024, 1025, 2085}) {
            for (int models : new int[]{1, 4, 5, 9}) {
                for (DType type : new DType[]{DType.F32, DType.BF16, DType.F16, DType.F64}) {
                    check(mode, random(classes, models, type, ++seed), seed);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Mode.class)
    void anyBitsAgreeWithTheDefinition(Mode mode) {
        for (DType type : new DType[]{DType.F32, DType.BF16, DType.F16}) {
            for (int classes : new int[]{3, 40, 1030}) {
                List<Model> models = new ArrayList<>();
                for (int e = 0; e < 3; e++) {
                    Tensor flat = Tensors.anyBits(type, 4L * classes, 100 + e);
                    models.add(Model.of(Tensor.of(flat.data(), type, Shape.of(4, classes))));
                }
                check(mode, new Batch(models, 4, classes, null, null), 7);
            }
        }
    }

    /** Rows of few values each: vectors that mix what loops treat apart, and chunks of nothing else. */
    @ParameterizedTest
    @EnumSource(Mode.class)
    void zerosInfinitiesAndWideRangesAgreeWithTheDefinition(Mode mode) {
        float[][] palettes = {{-0f, 0f}, {-0f}, {-0f, -1}, {0, -85.9f, -86.1f, -103.9f, -104.1f, -1e30f}, {1, -INF},
            {-INF},
            {2, -90}, {-0f, -INF}, {3, Float.intBitsToFloat(0xFFC00001)}, {1, INF}};
        SplittableRandom random = new SplittableRandom(Tensors.SEED);
        for (int classes : new int[]{1, 33, 64, 1024, 2060}) {
            List<Model> models = new ArrayList<>();
            for (int e = 0; e < 3; e++) {
                Tensor logits = Tensor.allocate(Arena.ofAuto(), DType.F32, palettes.length, classes);
                for (int i = 0; i < palettes.length * classes; i++) {
                    float[] palette = palettes[i / classes];
                    float value = palette[random.nextInt(8) == 0 ? random.nextInt(palette.length) : 0];
                    logits.data().setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
                }
                models.add(Model.of(logits).weighted(1 + e));
            }
            check(mode, new Batch(models, palettes.length, classes, null, null), classes);
        }
    }

    /** Against float64 from the textbook. The bound: 22 roundings in a lane, exp, log and the differences of logits up to 40. */
    @Test
    void isCloseToTheTextbookInDoublePrecision() {
        for (int seed = 0; seed < 20; seed++) {
            SplittableRandom random = new SplittableRandom(Tensors.SEED + seed);
            int classes = 2 + random.nextInt(5000);
            List<Model> models = new ArrayList<>();
            for (int e = 0; e < 3; e++) {
                Tensor flat = Tensors.random(DType.F32, classes, seed * 10 + e, null, 3);
                models.add(Model.of(Tensor.of(flat.data(), DType.F32, Shape.of(1, classes))).weighted(1 + e));
            }
            Batch batch = new Batch(models, 1, classes, null, null);
            double[] mean = new double[classes];
            double[] logMean = new double[classes];
            double entropies = 0;
            for (int e = 0; e < 3; e++) {
                double[] z = Tensors.values(models.get(e).logits());
                double sum = 0;
                for (double value : z) {
                    sum += Math.exp(value);
                }
                for (int c = 0; c < classes; c++) {
                    double p = Math.exp(z[c]) / sum;
                    mean[c] += (e + 1) / 6.0 * p;
                    logMean[c] += (e + 1) / 6.0 * z[c];
                    entropies -= (e + 1) / 6.0 * p * Math.log(p);
                }
            }
            double logSum = 0;
            for (double value : logMean) {
                logSum += Math.exp(value);
            }
            double entropy = 0;
            float[] p = floats(run(Mode.PROBABILITIES, batch, Output.PROBABILITIES));
            float[] logP = floats(run(Mode.PROBABILITIES, batch, Output.LOG_PROBABILITIES));
            float[] geometric = floats(run(Mode.LOG_PROBABILITIES, batch, Output.LOG_PROBABILITIES));
            for (int c = 0; c < classes; c++) {
                entropy -= mean[c] * Math.log(mean[c]);
                double bound = 40 * 0x1p-24 + 30 * 0x1p-24;
                assertThat(Math.abs(p[c] / mean[c] - 1)).as("class %d, seed %d", c, Tensors.SEED).isLessThan(bound);
                assertThat(Math.abs(logP[c] - Math.log(mean[c]))).isLessThan(bound);
                assertThat(Math.abs(geometric[c] - (logMean[c] - Math.log(logSum)))).isLessThan(bound);
            }
            assertThat(Math.abs(floats(run(Mode.PROBABILITIES, batch, Output.ENTROPY))[0] - entropy))
                    .isLessThan(1e-5);
            assertThat(Math.abs(floats(run(Mode.PROBABILITIES, batch, Output.DISAGREEMENT))[0]
                    - (entropy - entropies))).isLessThan(2e-5);
        }
    }

    @ParameterizedTest
    @EnumSource(Mode.class)
    void neitherThreadsNorTheCutOfABatchChangeABit(Mode mode) {
        Batch batch = random(2500, 4, DType.BF16, 77);
        Map<Output, Tensor> wanted = outputs(mode, batch);
        try (CpuDevice one = CpuDevice.open(1)) {
            LogitEnsemble.on(one).combine(mode, batch, wanted);
        }
        for (int threads = 2; threads <= 8; threads++) {
            Map<Output, Tensor> got = outputs(mode, batch);
            try (CpuDevice device = CpuDevice.open(threads)) {
                LogitEnsemble.on(device).combine(mode, batch, got);
            }
            got.forEach((output, tensor) -> assertThat(Tensors.bytes(tensor)).as("%s", output)
                    .isEqualTo(Tensors.bytes(wanted.get(output))));
        }
        for (int row = 0; row < batch.rows(); row++) {
            long at = row;
            List<Model> models = batch.models().stream().map(model -> new Model(model.logits(),
                    model.first() + at * model.stride(), model.stride(), model.weight(), model.temperature(),
                    model.present())).toList();
            int e = models.size();
            Batch single = new Batch(models, 1, batch.classes(),
                    Tensor.of(batch.gates().slice(at * e, e).data(), batch.gates().dtype(), Shape.of(1, e)),
                    batch.labels().slice(at, 1));
            Map<Output, Tensor> got = outputs(mode, single);
            LogitEnsemble.on(DEVICE).combine(mode, single, got);
            got.forEach((output, tensor) -> {
                long size = tensor.elements();
                assertThat(Tensors.bytes(tensor)).as("%s of row %d", output, at)
                        .isEqualTo(Tensors.bytes(wanted.get(output).slice(at * size, size)));
            });
        }
    }

    @Test
    void longRowsAgreeWithTheDefinition() {
        Batch batch = random(128_257, 3, DType.F32, 5);
        check(Mode.PROBABILITIES, batch, 5);
        check(Mode.LOG_PROBABILITIES, batch, 5);
    }

    @Test
    void narrowResultsAreRoundedOnce() {
        Batch batch = random(1041, 3, DType.F32, 9);
        for (Output output : List.of(Output.LOGITS, Output.LOG_PROBABILITIES, Output.PROBABILITIES)) {
            Tensor wide = run(Mode.PROBABILITIES, batch, output);
            for (DType type : List.of(DType.BF16, DType.F16)) {
                Tensor narrow = Tensor.allocate(Arena.ofAuto(), type, batch.rows(), batch.classes());
                LogitEnsemble.on(DEVICE).combine(Mode.PROBABILITIES, batch, Map.of(output, narrow));
                Tensor wanted = Tensors.of(type, Tensors.values(wide));
                assertThat(Tensors.bytes(narrow)).as("%s as %s, seed %d", output, type, Tensors.SEED)
                        .isEqualTo(Tensors.bytes(wanted));
            }
        }
    }

    @Test
    void noRowsAreNothingToDo() {
        Batch batch = new Batch(List.of(Model.of(Tensor.allocate(Arena.ofAuto(), DType.F32, 0, 5))), 0, 5, null, null);
        assertThat(run(Mode.PROBABILITIES, batch, Output.ENTROPY).elements()).isZero();
    }

    @Test
    void whatIsWrongIsNamed() {
        Model model = Model.of(of(1, 2, 3));
        refuse(new Batch(List.of(), 1, 3, null, null), "an ensemble has 1 to 64 models, got 0");
        refuse(new Batch(List.of(model), 1, 4, null, null), "a stride of at least 4 apart, got 0 and 3");
        refuse(new Batch(List.of(model), 2, 3, null, null), "the logits of model 0 take 6 elements, got F32 [1, 3]");
        refuse(new Batch(List.of(model.weighted(-1)), 1, 3, null, null), "weight of model 0 is 0 or more");
        refuse(new Batch(List.of(model.tempered(0)), 1, 3, null, null), "the temperature of model 0 is more than 0");
        refuse(new Batch(List.of(model.limited(of(1, 1, 1))), 1, 3, null, null), "are U8 or BOOL [3], got F32");
        refuse(new Batch(List.of(model), 1, 3, of(1, 2), null), "gates are numbers [1 rows, 1 models], got F32 [1, 2]");
        refuse(new Batch(List.of(model), 1, 3, null, labels(DType.I32, 3)), "0 to 2, got 3 in row 0");
        refuse(new Batch(List.of(model), 1, 3, null, labels(DType.I64, -100)), "0 to 2, got -100 in row 0");
        refuse(new Batch(List.of(Model.of(Tensor.allocate(Arena.ofAuto(), DType.I32, 1, 3))), 1, 3, null, null),
                "the logits of model 0 are no numbers, got I32 [1, 3]");
        Batch batch = new Batch(List.of(model), 1, 3, null, null);
        assertThatThrownBy(() -> run(Mode.LOGITS, batch, Output.DISAGREEMENT))
                .hasMessage("DISAGREEMENT is of the mode PROBABILITIES, got the mode LOGITS");
        assertThatThrownBy(() -> run(Mode.LOGITS, batch, Output.LOSS)).hasMessage("LOSS takes labels, got none");
        for (Output output : Output.values()) {
            assertThatThrownBy(() -> LogitEnsemble.on(DEVICE).combine(Mode.PROBABILITIES, batch,
                    Map.of(output, Tensor.allocate(Arena.ofAuto(), DType.F32, 5)))).hasMessageStartingWith(
                            output + " is ")
                    .hasMessageEndingWith("got F32 [5]");
        }
        assertThatThrownBy(() -> Model.of(Tensors.zeros(DType.F32, 3))).hasMessageContaining("[rows, classes]");
    }

    private static void refuse(Batch batch, String message) {
        assertThatThrownBy(() -> LogitEnsemble.on(DEVICE).combine(Mode.LOGITS, batch, Map.of()))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining(message);
    }

    /** Strided, some tempered, some without all classes, gated and labelled. */
    static Batch random(int classes, int models, DType type, int seed) {
        SplittableRandom random = new SplittableRandom(Tensors.SEED + seed);
        int rows = classes > 100_000 ? 2 : 5;
        List<Model> list = new ArrayList<>();
        for (int e = 0; e < models; e++) {
            long stride = classes + seed % 3;
            int first = e % 2 * 7;
            Tensor logits = Tensors.random(type, first + rows * stride, seed + 31L * e, null, 1 << random.nextInt(6));
            Tensor present = null;
            if (seed % 4 == 0 && e % 2 == 0) {
                present = Tensors.zeros(DType.U8, classes);
                for (int c = 0; c < classes; c++) {
                    present.data().set(ValueLayout.JAVA_BYTE, c, (byte) (c % 1000 < 500 + 100 * e ? 1 : 0));
                }
            }
            list.add(new Model(logits, first, stride, 0.25 + e, e % 3 == 1 ? 0.7 : 1, present));
        }
        Tensor gates = Tensor.allocate(Arena.ofAuto(), DType.F32, rows, models);
        Tensor labels = Tensors.zeros(DType.I32, rows);
        for (int i = 0; i < rows * models; i++) {
            Elements.set(gates, i, i % 5 == 4 ? 0 : random.nextDouble());
        }
        for (int row = 0; row < rows; row++) {
            labels.data().setAtIndex(ValueLayout.JAVA_INT, row, random.nextInt(classes));
        }
        return new Batch(list, rows, classes, seed % 2 == 0 && models > 1 || seed == 77 ? gates : null, labels);
    }

    private static void check(Mode mode, Batch batch, int seed) {
        Map<Output, Tensor> got = outputs(mode, batch);
        LogitEnsemble.on(DEVICE).combine(mode, batch, got);
        for (Output output : got.keySet()) {
            Map<Output, Tensor> alone = Map.of(output, outputs(mode, batch).get(output));
            LogitEnsemble.on(DEVICE).combine(mode, batch, alone);
            assertThat(Tensors.bytes(alone.get(output))).as("%s of %s alone", output, mode)
                    .isEqualTo(Tensors.bytes(got.get(output)));
        }
        int classes = batch.classes();
        int k = k(batch);
        for (int row = 0; row < batch.rows(); row++) {
            String where = "%s, row %d of %d models %s, %d classes, batch %d, seed %d".formatted(mode, row,
                    batch.models().size(), batch.models().getFirst().logits().dtype(), classes, seed, Tensors.SEED);
            EnsembleDefinition wanted = new EnsembleDefinition(mode, batch, row);
            same(got, Output.LOGITS, (long) row * classes, wanted.logits, where);
            same(got, Output.LOG_PROBABILITIES, (long) row * classes, wanted.logProbabilities, where);
            same(got, Output.PROBABILITIES, (long) row * classes, wanted.probabilities, where);
            same(got, Output.LOG_SUM_EXP, (long) row * batch.models().size(), wanted.logSumExp, where);
            same(got, Output.ENTROPY, row, new float[]{wanted.entropy}, where);
            same(got, Output.DISAGREEMENT, row, new float[]{wanted.disagreement}, where);
            float[] best = new float[k];
            for (int i = 0; i < k; i++) {
                assertThat(ints(got.get(Output.TOP_CLASSES))[row * k + i]).as("rank %d, %s", i, where)
                        .isEqualTo(wanted.ranking[i]);
                best[i] = wanted.logProbabilities[wanted.ranking[i]];
            }
            assertThat(ints(got.get(Output.ARGMAX))[row]).isEqualTo(wanted.ranking[0]);
            same(got, Output.TOP_LOG_PROBABILITIES, (long) row * k, best, where);
            if (batch.labels() != null) {
                int label = batch.labels().data().getAtIndex(ValueLayout.JAVA_INT, row);
                same(got, Output.LOSS, row, new float[]{-wanted.logProbabilities[label]}, where);
            }
        }
    }

    static void same(Map<Output, Tensor> got, Output output, long at, float[] wanted, String where) {
        if (!got.containsKey(output)) {
            return;
        }
        for (int i = 0; i < wanted.length; i++) {
            float value = (float) Elements.get(got.get(output), at + i);
            assertThat(Float.floatToIntBits(value))
                    .as("%s %d: got %a, wanted %a; %s", output, i, value, wanted[i], where)
                    .isEqualTo(Float.floatToIntBits(wanted[i]));
        }
    }

    private static int k(Batch batch) {
        return Math.min(5, batch.classes());
    }

    private static Map<Output, Tensor> outputs(Mode mode, Batch batch) {
        Map<Output, Tensor> outputs = new EnumMap<>(Output.class);
        for (Output output : Output.values()) {
            if ((output != Output.DISAGREEMENT || mode == Mode.PROBABILITIES)
                    && (output != Output.LOSS || batch.labels() != null)) {
                outputs.put(output, output(output, batch));
            }
        }
        return outputs;
    }

    static Tensor output(Output output, Batch batch) {
        Arena arena = Arena.ofAuto();
        return switch (output) {
            case LOGITS, LOG_PROBABILITIES, PROBABILITIES -> Tensor.allocate(arena, DType.F32, batch.rows(),
                    batch.classes());
            case ARGMAX -> Tensor.allocate(arena, DType.I32, batch.rows());
            case TOP_CLASSES -> Tensor.allocate(arena, DType.I32, batch.rows(), k(batch));
            case TOP_LOG_PROBABILITIES -> Tensor.allocate(arena, DType.F32, batch.rows(), k(batch));
            case LOG_SUM_EXP -> Tensor.allocate(arena, DType.F32, batch.rows(), batch.models().size());
            case ENTROPY, DISAGREEMENT, LOSS -> Tensor.allocate(arena, DType.F32, batch.rows());
        };
    }

    private static Tensor run(Mode mode, Batch batch, Output output) {
        Tensor tensor = output(output, batch);
        LogitEnsemble.on(DEVICE).combine(mode, batch, Map.of(output, tensor));
        return tensor;
    }

    private static Batch batch(int models, int rows, int classes, Tensor... logits) {
        assertThat(logits).hasSize(models);
        return new Batch(List.of(logits).stream().map(Model::of).toList(), rows, classes, null, null);
    }

    private static Tensor of(double... values) {
        return Tensor.of(Tensors.of(DType.F32, values).data(), DType.F32, Shape.of(1, values.length));
    }

    private static Tensor labels(DType type, long label) {
        Tensor labels = Tensors.zeros(type, 1);
        if (type == DType.I32) {
            labels.data().set(ValueLayout.JAVA_INT, 0, (int) label);
        } else {
            labels.data().set(ValueLayout.JAVA_LONG, 0, label);
        }
        return labels;
    }

    private static float[] floats(Tensor tensor) {
        return tensor.data().toArray(ValueLayout.JAVA_FLOAT);
    }

    static int[] ints(Tensor tensor) {
        return tensor.data().toArray(ValueLayout.JAVA_INT);
    }

    private static org.assertj.core.data.Offset<Float> within(float offset) {
        return org.assertj.core.data.Offset.offset(offset);
    }
}
