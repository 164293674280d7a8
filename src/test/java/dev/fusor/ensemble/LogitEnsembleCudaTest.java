package dev.fusor.ensemble;

import dev.fusor.ensemble.HeldRows.Limits;
import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.ensemble.LogitEnsemble.Output;
import dev.fusor.simulator.RequiresCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/** The kernels against the definition, bit for bit. */
@RequiresCuda
class LogitEnsembleCudaTest extends CudaBatches {
    private static Set<Output> outputs(Mode mode, Batch batch) {
        Set<Output> outputs = EnumSet.allOf(Output.class);
        outputs.removeIf(output -> output == Output.DISAGREEMENT && mode != Mode.PROBABILITIES
                || output == Output.LOSS && batch.labels() == null);
        return outputs;
    }

    /** Two launches where one would hold rows, as if they were too long for the device. */
    private static final Limits NOT_HELD = new Limits(0, 0, Long.MAX_VALUE);

    private Map<Output, Tensor> run(Mode mode, Batch host, Set<Output> wanted, DType results, int shift) {
        return run(mode, host, wanted, results, shift, Limits.NONE);
    }

    private Map<Output, Tensor> run(Mode mode, Batch host, Set<Output> wanted, DType results, int shift,
            Limits limits) {
        Map<Output, Tensor> outputs = new EnumMap<>(Output.class);
        for (Output output : wanted) {
            Tensor like = LogitEnsembleTest.output(output, host);
            DType type = like.shape().equals(Shape.of(host.rows(), host.classes())) && like.dtype() == DType.F32
                    && output.ordinal() <= Output.PROBABILITIES.ordinal() ? results : like.dtype();
            outputs.put(output, Tensor.of(there(type, like.elements(), shift).data(), type, like.shape()));
        }
        Map<Output, Tensor> found = new EnumMap<>(Output.class);
        try (LogitEnsembleCuda ensemble = LogitEnsembleCuda.prepare(stream, mode, there(host, shift), outputs,
                limits)) {
            ensemble.run();
            outputs.forEach((output, tensor) -> found.put(output, back(tensor)));
            ensemble.run();
            outputs.forEach((output, tensor) -> assertThat(Tensors.bytes(back(tensor))).as("%s, run again", output)
                    .isEqualTo(Tensors.bytes(found.get(output))));
        }
        return found;
    }

    private static void check(Mode mode, Batch batch, Map<Output, Tensor> found, String what) {
        int classes = batch.classes();
        for (int row = 0; row < batch.rows(); row++) {
            String where = "%s, row %d of %d models %s, %d classes, %s, seed %d".formatted(mode, row,
                    batch.models().size(), batch.models().getFirst().logits().dtype(), classes, what, Tensors.SEED);
            EnsembleDefinition wanted = new EnsembleDefinition(mode, batch, row);
            LogitEnsembleTest.same(found, Output.LOGITS, (long) row * classes, wanted.logits, where);
            LogitEnsembleTest.same(found, Output.LOG_PROBABILITIES, (long) row * classes, wanted.logProbabilities,
                    where);
            LogitEnsembleTest.same(found, Output.PROBABILITIES, (long) row * classes, wanted.probabilities, where);
            LogitEnsembleTest.same(found, Output.LOG_SUM_EXP, (long) row * batch.models().size(), wanted.logSumExp,
                    where);
            LogitEnsembleTest.same(found, Output.ENTROPY, row, new float[]{wanted.entropy}, where);
            LogitEnsembleTest.same(found, Output.DISAGREEMENT, row, new float[]{wanted.disagreement}, where);
            if (found.containsKey(Output.ARGMAX)) {
                assertThat(LogitEnsembleTest.ints(found.get(Output.ARGMAX))[row]).as("best class, %s", where)
                        .isEqualTo(wanted.ranking[0]);
            }
            checkRanks(found, batch.rows(), row, wanted, where);
            if (found.containsKey(Output.LOSS)) {
                int label = batch.labels().data().getAtIndex(ValueLayout.JAVA_INT, row);
                LogitEnsembleTest.same(found, Output.LOSS, row, new float[]{-wanted.logProbabilities[label]}, where);
            }
        }
    }

    private static void checkRanks(Map<Output, Tensor> found, long rows, int row, EnsembleDefinition wanted,
            String where) {
        if (found.containsKey(Output.TOP_CLASSES)) {
            int k = (int) (found.get(Output.TOP_CLASSES).elements() / rows);
            int[] classes = Arrays.copyOfRange(LogitEnsembleTest.ints(found.get(Output.TOP_CLASSES)), row * k,
                    row * k + k);
            assertThat(classes).as("%d best classes, %s", k, where).isEqualTo(Arrays.copyOf(wanted.ranking, k));
        }
        if (found.containsKey(Output.TOP_LOG_PROBABILITIES)) {
            int k = (int) (found.get(Output.TOP_LOG_PROBABILITIES).elements() / rows);
            float[] best = new float[k];
            for (int i = 0; i < k; i++) {
                best[i] = wanted.logProbabilities[wanted.ranking[i]];
            }
            LogitEnsembleTest.same(found, Output.TOP_LOG_PROBABILITIES, (long) row * k, best, where);
        }
    }

    private void check(Mode mode, Batch batch, int shift) {
        check(mode, batch, shift, Limits.NONE);
    }

    private void check(Mode mode, Batch batch, int shift, Limits limits) {
        check(mode, batch, run(mode, batch, outputs(mode, batch), DType.F32, shift, limits),
                "shift %d, %s".formatted(shift, limits));
    }

    /** Lengths around pairs, lanes and chunks, rows of one part and of two; strided, tempered, gated, with classes missing. */
    @ParameterizedTest
    @EnumSource
    void agreesWithTheDefinitionBitForBit(Mode mode) {
        int seed = 0;
        for (int classes : new int[]{1, 31, 65, 100, 300, 1000, 1023, 1024, 1025, 2085}) {
            for (int models : new int[]{1, 2, 5}) {
                check(mode, LogitEnsembleTest.random(classes, models, TYPES.get(seed % 3), ++seed), seed % 2,
                        NOT_HELD);
            }
        }
        check(mode, LogitEnsembleTest.random(4096, 17, DType.BF16, 3), 0, NOT_HELD);
        check(mode, LogitEnsembleTest.random(9217, 3, DType.F16, 8), 1, NOT_HELD);
    }

    /** By a warp each, by one block, by several; fewer rows at the same time than there are; chunks of warps in turn, parts of other lengths. */
    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "VOTE")
    void rowsThatAreHeldAgreeWithTheDefinition(Mode mode) {
        int[][] cases = {{257, 3, 1, 9}, {1023, 1, 9, 2}, {1025, 8, 1, 1}, {2048, 2, 1, 2}, {2050, 4, 9, 9},
            {3073, 5, 2, 2}, {9217, 2, 9, 2}, {11_111, 1, 5, 1}};
        for (int i = 0; i < cases.length; i++) {
            Batch batch = LogitEnsembleTest.random(cases[i][0], cases[i][1], TYPES.get(i % 3), 300 + i);
            check(mode, batch, i % 2, new Limits(cases[i][2], cases[i][3], Long.MAX_VALUE));
        }
    }

    /** One read of a row is one launch; what reads it once anyway waits for nothing. */
    @Test
    void rowsThatWouldBeReadTwiceAreHeld() {
        Batch batch = LogitEnsembleTest.random(1500, 4, DType.BF16, 1);
        assertLaunches(Mode.PROBABILITIES, batch, Output.ARGMAX, 1, 2);
        assertLaunches(Mode.LOGITS, batch, Output.PROBABILITIES, 1, 2);
        assertLaunches(Mode.MOST_CONFIDENT, batch, Output.LOG_PROBABILITIES, 1, 3);
        assertLaunches(Mode.MOST_CONFIDENT, batch, Output.TOP_CLASSES, 2, 3);
        assertLaunches(Mode.LOGITS, batch, Output.ENTROPY, 1, 1);
        assertLaunches(Mode.PROBABILITIES, batch, Output.LOSS, 2, 2);
        assertLaunches(Mode.VOTE, batch, Output.ARGMAX, 2, 2);
        assertLaunches(Mode.PROBABILITIES, LogitEnsembleTest.random(1500, 64, DType.F32, 1), Output.ARGMAX, 2, 2);
    }

    /** As many as the cache has room for, one at least, before the same rows are read again. */
    @ParameterizedTest
    @EnumSource(names = {"PROBABILITIES", "MOST_CONFIDENT", "LOGITS"})
    void rowsThatAreReadTwiceAreTakenAFewAtATime(Mode mode) {
        Batch batch = LogitEnsembleTest.random(1030, 2, DType.BF16, 9);
        long rowBytes = 2 * 2 * 1030;
        for (long rows : new long[]{0, 1, 2}) {
            Limits limits = new Limits(0, 0, rows * rowBytes + 1);
            check(mode, batch, 0, limits);
            Map<Output, Tensor> outputs = Map.of(Output.PROBABILITIES,
                    shaped(LogitEnsembleTest.output(Output.PROBABILITIES, batch), 0));
            try (LogitEnsembleCuda ensemble = LogitEnsembleCuda.prepare(stream, mode, there(batch, 0), outputs,
                    limits)) {
                assertThat(ensemble.rowsAtOnce()).as("%s, seed %d", mode, Tensors.SEED).isEqualTo(Math.max(1, rows));
            }
        }
    }

    private void assertLaunches(Mode mode, Batch host, Output output, int held, int notHeld) {
        Batch batch = there(host, 0);
        Map<Output, Tensor> outputs = Map.of(output, shaped(LogitEnsembleTest.output(output, host), 0));
        for (Limits limits : List.of(Limits.NONE, NOT_HELD)) {
            try (LogitEnsembleCuda ensemble = LogitEnsembleCuda.prepare(stream, mode, batch, outputs, limits)) {
                assertThat(ensemble.launches()).as("%s %s, %s", mode, output, limits)
                        .isEqualTo(limits == NOT_HELD ? notHeld : held);
            }
        }
    }

    /** Rows that share warps, strided, at any address. */
    @ParameterizedTest
    @EnumSource
    void rowsOfFewClassesAgreeWithTheDefinition(Mode mode) {
        for (int classes : new int[]{1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 32, 33, 63, 64, 127,
            128, 129, 255, 256, 257}) {
            check(mode, LogitEnsembleTest.random(classes, 1 + classes % 4, TYPES.get(classes % 3), 100 + classes),
                    classes % 2);
        }
    }

    /** More rows than there are parts of resident warps. */
    @Test
    void manyRowsOfFewClassesAreAllCombined() {
        int rows = 34_567;
        Tensor flat = Tensors.random(DType.F32, 3L * rows, 5, null, 1);
        Batch batch = new Batch(List.of(Model.of(Tensor.of(flat.data(), DType.F32, Shape.of(rows, 3)))), rows, 3, null,
                null);
        int[] best = LogitEnsembleTest.ints(run(Mode.LOGITS, batch, Set.of(Output.ARGMAX), DType.F32, 0)
                .get(Output.ARGMAX));
        double[] values = Tensors.values(flat);
        for (int row = 0; row < rows; row++) {
            int wanted = 0;
            for (int c = 1; c < 3; c++) {
                wanted = values[3 * row + c] > values[3 * row + wanted] ? c : wanted;
            }
            assertThat(best[row]).as("row %d, seed %d", row, Tensors.SEED).isEqualTo(wanted);
        }
    }

    @ParameterizedTest
    @EnumSource
    void anyBitsAgreeWithTheDefinition(Mode mode) {
        for (DType type : TYPES) {
            for (int classes : new int[]{3, 40, 1030}) {
                List<Model> models = new ArrayList<>();
                for (int e = 0; e < 3; e++) {
                    Tensor flat = Tensors.anyBits(type, 4L * classes, 100 + e);
                    models.add(Model.of(Tensor.of(flat.data(), type, Shape.of(4, classes))));
                }
                check(mode, new Batch(models, 4, classes, null, null), 0);
                check(mode, new Batch(models, 4, classes, null, null), 0, NOT_HELD);
            }
        }
    }

    /** What is not asked for is not computed: each result by itself is the same. */
    @ParameterizedTest
    @EnumSource
    void eachResultIsTheSameAlone(Mode mode) {
        Batch batch = LogitEnsembleTest.random(1500, 3, DType.F32, 2);
        for (Output output : outputs(mode, batch)) {
            check(mode, batch, run(mode, batch, Set.of(output), DType.F32, 0), output + " alone");
        }
    }

    @Test
    void resultsOfWholeRowsAreRoundedOnce() {
        Batch batch = LogitEnsembleTest.random(131, 3, DType.F32, 9);
        Set<Output> whole = EnumSet.of(Output.LOGITS, Output.LOG_PROBABILITIES, Output.PROBABILITIES);
        for (Mode mode : List.of(Mode.PROBABILITIES, Mode.LOGITS)) {
            Map<Output, Tensor> wide = run(mode, batch, whole, DType.F32, 0);
            for (DType type : List.of(DType.BF16, DType.F16)) {
                run(mode, batch, whole, type, 1).forEach((output, narrow) -> assertThat(Tensors.bytes(narrow))
                        .as("%s as %s, seed %d", output, type, Tensors.SEED)
                        .isEqualTo(Tensors.bytes(Tensors.of(type, Tensors.values(wide.get(output))))));
            }
        }
    }

    /** Chunks that cannot hold the best class are passed over; equal ones in several chunks must not be. */
    @Test
    void theBestClassIsFoundInAnyChunk() {
        SplittableRandom random = new SplittableRandom(Tensors.SEED);
        for (int round = 0; round < 20; round++) {
            int classes = 1 + random.nextInt(5000);
            double deviation = random.nextInt(30);
            List<Model> models = new ArrayList<>();
            for (int e = 0; e < 3; e++) {
                Tensor row = Tensors.random(DType.F32, classes, 7L * round + e, null, deviation);
                for (int i = 0; i < 4; i++) {
                    Elements.set(row, random.nextInt(classes), 2.5 * deviation + i / 2);
                }
                models.add(new Model(row, 0, classes, e == 2 ? 1e-40 : 1, 1, null));
            }
            Batch batch = new Batch(models, 1, classes, null, null);
            check(Mode.PROBABILITIES, batch, run(Mode.PROBABILITIES, batch, Set.of(Output.ARGMAX), DType.F32, 0),
                    "round " + round);
        }
    }

    /** Rows of few values each, so that ties are many and lie across threads and chunks; NaN, zeros of both signs, infinities. */
    @ParameterizedTest
    @EnumSource
    void theBestClassesComeInOrderLowestFirstAmongEqualOnes(Mode mode) {
        float[][] palettes = {{1, 2, 3, 4}, {-0f, 0f}, {Float.NaN, 7, -1}, {Float.NEGATIVE_INFINITY, 0}, {5}};
        SplittableRandom random = new SplittableRandom(Tensors.SEED);
        for (int[] size : new int[][]{{1, 1}, {2, 2}, {33, 33}, {100, 31}, {1025, 1}, {2100, 2}, {2100, 65},
            {3000, 1024}}) {
            List<Model> models = new ArrayList<>();
            for (int e = 0; e < 2; e++) {
                Tensor logits = Tensors.zeros(DType.F32, palettes.length * size[0]);
                for (int i = 0; i < palettes.length * size[0]; i++) {
                    float[] palette = palettes[i / size[0]];
                    Elements.set(logits, i, palette[random.nextInt(palette.length)]);
                }
                models.add(Model.of(Tensor.of(logits.data(), DType.F32, Shape.of(palettes.length, size[0]))));
            }
            Batch batch = new Batch(models, palettes.length, size[0], null, null);
            Map<Output, Tensor> outputs = Map.of(Output.TOP_CLASSES,
                    Tensor.of(there(DType.I32, (long) palettes.length * size[1], 0).data(), DType.I32,
                            Shape.of(palettes.length, size[1])),
                    Output.TOP_LOG_PROBABILITIES, Tensor.of(there(DType.F32, (long) palettes.length * size[1], 0)
                            .data(), DType.F32, Shape.of(palettes.length, size[1])));
            try (LogitEnsembleCuda ensemble = LogitEnsembleCuda.prepare(stream, mode, there(batch, 0), outputs)) {
                ensemble.run();
            }
            Map<Output, Tensor> found = new EnumMap<>(Output.class);
            outputs.forEach((output, tensor) -> found.put(output, back(tensor)));
            check(mode, batch, found, size[1] + " best classes");
        }
    }

    @Test
    void noRowsAreNothingToDo() {
        Batch batch = new Batch(List.of(Model.of(Tensor.of(Tensors.zeros(DType.F32, 0).data(), DType.F32,
                Shape.of(0, 5)))), 0, 5, null, null);
        assertThat(run(Mode.PROBABILITIES, batch, Set.of(Output.ENTROPY), DType.F32, 0).get(Output.ENTROPY).elements())
                .isZero();
    }

    @Test
    void aLabelThatIsNoClassGivesNaN() {
        Batch batch = LogitEnsembleTest.random(5, 2, DType.F32, 1);
        int[] labels = {0, 5, -1, 4, Integer.MIN_VALUE};
        for (int row = 0; row < 5; row++) {
            batch.labels().data().setAtIndex(ValueLayout.JAVA_INT, row, labels[row]);
        }
        Tensor loss = run(Mode.LOGITS, batch, Set.of(Output.LOSS), DType.F32, 0).get(Output.LOSS);
        for (int row = 0; row < 5; row++) {
            assertThat(Double.isNaN(Elements.get(loss, row))).as("row %d", row).isEqualTo(row == 1 || row == 2
                    || row == 4);
        }
    }

    @Test
    void whatDoesNotFitIsNamed() {
        Batch batch = LogitEnsembleTest.random(4, 2, DType.F32, 1);
        Tensor f64 = Tensor.of(there(DType.F64, 20, 0).data(), DType.F64, Shape.of(5, 4));
        Batch wide = new Batch(List.of(Model.of(f64)), 5, 4, null, null);
        refused(wide, Output.ARGMAX, "on a device all logits are of one type of [F32, F16, BF16], got F64 [5, 4]");
        Batch there = there(batch, 0);
        Tensor f16 = Tensor.of(there(DType.F16, 20, 0).data(), DType.F16, Shape.of(5, 4));
        refused(new Batch(List.of(there.models().getFirst(), Model.of(f16)), 5, 4, null, null), Output.ARGMAX,
                "got F16 [5, 4] beside F32");
        refused(batch, Output.ARGMAX, "wanted device memory, got host memory");
        int classes = LogitEnsembleCuda.MOST_CLASSES + 1;
        Batch many = new Batch(List.of(Model.of(Tensor.of(there(DType.F32, classes, 0).data(), DType.F32,
                Shape.of(1, classes)))), 1, classes, null, null);
        refused(many, Output.ARGMAX, "on a device there are up to 1048576 classes, got 1048577");
        Batch gated = new Batch(there.models(), 5, 4, Tensor.of(there(DType.F64, 10, 0).data(), DType.F64,
                Shape.of(5, 2)), null);
        refused(gated, Output.ARGMAX, "on a device gates are of one type of [F32, F16, BF16], got F64 [5, 2]");
    }

    @Test
    void moreBestClassesThanThereIsRoomForAreRefused() {
        int k = LogitEnsembleCuda.MOST_RANKS + 1;
        Batch batch = new Batch(List.of(Model.of(Tensor.of(there(DType.F32, k, 0).data(), DType.F32, Shape.of(1, k)))),
                1, k, null, null);
        Tensor result = Tensor.of(there(DType.I32, k, 0).data(), DType.I32, Shape.of(1, k));
        assertThatIllegalArgumentException().isThrownBy(
                () -> LogitEnsembleCuda.prepare(stream, Mode.LOGITS, batch, Map.of(Output.TOP_CLASSES, result)))
                .withMessage("on a device there are up to 1024 best classes, got 1025");
    }

    private void refused(Batch batch, Output output, String message) {
        Tensor like = LogitEnsembleTest.output(output, batch);
        Tensor result = Tensor.of(there(like.dtype(), like.elements(), 0).data(), like.dtype(), like.shape());
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LogitEnsembleCuda.prepare(stream, Mode.LOGITS, batch, Map.of(output, result)))
                .withMessageContaining(message);
    }
}
