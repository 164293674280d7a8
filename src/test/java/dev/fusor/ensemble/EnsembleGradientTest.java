package dev.fusor.ensemble;

import dev.fusor.device.CpuDevice;
import dev.fusor.ensemble.EnsembleGradient.Objective;
import dev.fusor.ensemble.EnsembleGradient.Output;
import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class EnsembleGradientTest {
    private static final CpuDevice DEVICE = CpuDevice.open(2);
    private static final int[] CLASSES = {1, 2, 15, 16, 17, 63, 64, 65, 1023, 1024, 1025, 2500};

    @ParameterizedTest
    @CsvSource({"LOGITS,CROSS_ENTROPY", "LOGITS,ENTROPY", "LOG_PROBABILITIES,ENTROPY",
        "PROBABILITIES,CROSS_ENTROPY", "PROBABILITIES,ENTROPY"})
    void agreesWithItsDefinitionToTheBit(Mode mode, Objective objective) {
        for (int classes : CLASSES) {
            for (DType type : new DType[]{DType.F32, DType.BF16, DType.F64}) {
                Batch batch = random(mode, classes, 1 + classes % 5, type, classes);
                Map<Output, Tensor> got = run(mode, objective, batch);
                check(mode, objective, batch, got, "%d classes, %s".formatted(classes, type));
            }
        }
    }

    /** Those results that were asked for. */
    static void check(Mode mode, Objective objective, Batch batch, Map<Output, Tensor> got, String what) {
        int models = batch.models().size();
        for (int row = 0; row < batch.rows(); row++) {
            GradientDefinition wanted = new GradientDefinition(mode, objective, batch, row);
            String where = "%s of %s, row %d of %d models, %s, seed %d".formatted(objective, mode, row, models, what,
                    Tensors.SEED);
            same(got.get(Output.OBJECTIVE), row, new float[]{wanted.objective}, where);
            same(got.get(Output.WEIGHTS), (long) row * models, wanted.weights, where);
            same(got.get(Output.TEMPERATURES), (long) row * models, wanted.temperatures, where);
        }
    }

    @ParameterizedTest
    @CsvSource({"LOGITS,CROSS_ENTROPY", "LOGITS,ENTROPY", "PROBABILITIES,CROSS_ENTROPY", "PROBABILITIES,ENTROPY"})
    void neitherThreadsNorTheCutOfABatchChangeABit(Mode mode, Objective objective) {
        Batch batch = random(mode, 2500, 4, DType.BF16, 77);
        Map<Output, Tensor> wanted = run(mode, objective, batch);
        for (int threads : new int[]{1, 3, 8}) {
            Map<Output, Tensor> got = outputs(batch);
            try (CpuDevice device = CpuDevice.open(threads)) {
                EnsembleGradient.on(device).differentiate(mode, objective, batch, got);
            }
            got.forEach((output, tensor) -> assertThat(Tensors.bytes(tensor)).as("%s, seed %d", output, Tensors.SEED)
                    .isEqualTo(Tensors.bytes(wanted.get(output))));
        }
        for (int row = 0; row < batch.rows(); row++) {
            long at = row;
            List<Model> models = batch.models().stream().map(model -> new Model(model.logits(),
                    model.first() + at * model.stride(), model.stride(), model.weight(), model.temperature(),
                    model.present())).toList();
            Tensor gates = Tensor.of(batch.gates().slice(at * 4, 4).data(), DType.F32, Shape.of(1, 4));
            Batch single = new Batch(models, 1, batch.classes(), gates, batch.labels().slice(at, 1));
            run(mode, objective, single).forEach((output, tensor) -> {
                long size = tensor.elements();
                assertThat(Tensors.bytes(tensor)).as("%s of row %d, seed %d", output, at, Tensors.SEED)
                        .isEqualTo(Tensors.bytes(wanted.get(output).slice(at * size, size)));
            });
        }
    }

    /** The bound is derived in docs/adr/026. */
    @ParameterizedTest
    @CsvSource({"LOGITS,CROSS_ENTROPY", "LOGITS,ENTROPY", "LOG_PROBABILITIES,CROSS_ENTROPY",
        "PROBABILITIES,CROSS_ENTROPY", "PROBABILITIES,ENTROPY"})
    void agreesWithCalculusInDoublePrecision(Mode mode, Objective objective) {
        for (int classes : new int[]{1, 2, 3, 17, 1000, 3001}) {
            Batch batch = random(mode, classes, 3, DType.F32, 100 + classes);
            Map<Output, Tensor> got = run(mode, objective, batch);
            for (int row = 0; row < batch.rows(); row++) {
                ExactGradient exact = new ExactGradient(mode, objective, batch, row);
                String where = "%s of %s, %d classes, row %d, seed %d".formatted(objective, mode, classes, row,
                        Tensors.SEED);
                close(got.get(Output.OBJECTIVE), row, exact.objective(), exact.objectiveScale(), exact, where);
                for (int e = 0; e < 3; e++) {
                    long at = row * 3L + e;
                    close(got.get(Output.WEIGHTS), at, exact.weight(e), exact.weightScale(e), exact, where);
                    close(got.get(Output.TEMPERATURES), at, exact.temperature(e), exact.temperatureScale(e), exact,
                            where);
                }
            }
        }
    }

    private static void close(Tensor got, long at, double wanted, double scale, ExactGradient exact, String where) {
        double value = Elements.get(got, at);
        assertThat(Math.abs(value - wanted)).as("element %d: got %s, wanted %s; %s", at, value, wanted, where)
                .isLessThanOrEqualTo((100 + 8 * exact.spread()) * 0x1p-24 * scale);
    }

    /** So calculus itself is proven: the derivative is what the objective does when a weight or a temperature moves. */
    @ParameterizedTest
    @CsvSource({"LOGITS,CROSS_ENTROPY", "LOGITS,ENTROPY", "LOG_PROBABILITIES,ENTROPY",
        "PROBABILITIES,CROSS_ENTROPY", "PROBABILITIES,ENTROPY"})
    void calculusAgreesWithFiniteDifferences(Mode mode, Objective objective) {
        for (int classes : new int[]{1, 2, 17, 300}) {
            Batch batch = random(mode, classes, 3, DType.F32, 200 + classes);
            for (int row = 0; row < batch.rows(); row++) {
                ExactGradient exact = new ExactGradient(mode, objective, batch, row);
                for (int e = 0; e < 3; e++) {
                    String where = "%s of %s by model %d, %d classes, row %d, seed %d".formatted(objective, mode, e,
                            classes, row, Tensors.SEED);
                    if (exact.share(e) > 0) {
                        assertThat(exact.weight(e)).as(where).isCloseTo(exact.differenceByWeight(e), within(exact));
                    }
                    assertThat(exact.temperature(e)).as(where).isCloseTo(exact.differenceByTemperature(e),
                            within(exact));
                }
            }
        }
    }

    private static org.assertj.core.data.Offset<Double> within(ExactGradient exact) {
        return org.assertj.core.data.Offset.offset(1e-6 * (1 + exact.objectiveScale()));
    }

    @Test
    void aModelThatIsRightGainsWeight() {
        Batch batch = new Batch(List.of(Model.of(of(3, 0, 0)), Model.of(of(0, 3, 0))), 1, 3, null, label(0));
        for (Mode mode : List.of(Mode.LOGITS, Mode.LOG_PROBABILITIES, Mode.PROBABILITIES)) {
            float[] weights = floats(run(mode, Objective.CROSS_ENTROPY, batch).get(Output.WEIGHTS));
            assertThat(weights[0]).isNegative();
            assertThat(weights[1]).isPositive();
        }
    }

    @Test
    void aModelOfShareZeroHasItsOneSidedDerivative() {
        Batch batch = new Batch(List.of(Model.of(of(0, 0)), Model.of(of(Math.log(3), 0)).weighted(0)), 1, 2, null,
                label(0));
        Map<Output, Tensor> mixed = run(Mode.PROBABILITIES, Objective.CROSS_ENTROPY, batch);
        // The label has 1/2 from the one and 3/4 from the other.
        assertThat(floats(mixed.get(Output.WEIGHTS))[0]).isZero();
        assertThat(floats(mixed.get(Output.WEIGHTS))[1]).isCloseTo(-0.5f, org.assertj.core.data.Offset.offset(1e-6f));
        assertThat(floats(mixed.get(Output.TEMPERATURES))[1]).isZero();
        // And a difference of logits of log 3, half of it by each class.
        assertThat(floats(run(Mode.LOGITS, Objective.CROSS_ENTROPY, batch).get(Output.WEIGHTS))[1])
                .isCloseTo((float) (-0.5 * Math.log(3)), org.assertj.core.data.Offset.offset(1e-6f));
    }

    @Test
    void aClassThatOneModelRulesOutDoesNotSpoilTheGradient() {
        float inf = Float.POSITIVE_INFINITY;
        Batch batch = new Batch(List.of(Model.of(of(1, -inf, 0)), Model.of(of(2, -inf, 1))), 1, 3, null, label(2));
        for (Mode mode : List.of(Mode.LOGITS, Mode.PROBABILITIES)) {
            for (Objective objective : Objective.values()) {
                run(mode, objective, batch).values().forEach(tensor -> assertThat(floats(tensor))
                        .as("%s of %s", objective, mode).doesNotContain(Float.NaN, inf, -inf));
            }
        }
    }

    @Test
    void whatCannotBeIsInfiniteAndItsGradientIsNotFinite() {
        float inf = Float.POSITIVE_INFINITY;
        Batch batch = new Batch(List.of(Model.of(of(1, -inf)), Model.of(of(2, -inf))), 1, 2, null, label(1));
        for (Mode mode : List.of(Mode.LOGITS, Mode.PROBABILITIES)) {
            Map<Output, Tensor> got = run(mode, Objective.CROSS_ENTROPY, batch);
            assertThat(floats(got.get(Output.OBJECTIVE))).containsExactly(inf);
            assertThat(Float.isFinite(floats(got.get(Output.WEIGHTS))[0])).isFalse();
        }
    }

    @Test
    void rowsOfNaNAndWeightsThatMakeNoSenseAreNaN() {
        Batch negative = new Batch(List.of(Model.of(of(1, 2)), Model.of(of(2, 1))), 1, 2,
                Tensor.of(Tensors.of(DType.F32, -1, 2).data(), DType.F32, Shape.of(1, 2)), label(1));
        Batch infinite = new Batch(List.of(Model.of(of(1, 2)), Model.of(of(Float.POSITIVE_INFINITY, 1))), 1, 2, null,
                label(1));
        Batch nan = new Batch(List.of(Model.of(of(1, Float.NaN)), Model.of(of(2, 1))), 1, 2, null, label(1));
        for (Batch batch : List.of(negative, infinite, nan)) {
            for (Mode mode : List.of(Mode.LOGITS, Mode.PROBABILITIES)) {
                for (Objective objective : Objective.values()) {
                    run(mode, objective, batch).values()
                            .forEach(tensor -> assertThat(floats(tensor)).containsOnly(Float.NaN));
                }
            }
        }
    }

    @Test
    void noRowsAreNothingToDo() {
        Tensor none = Tensor.allocate(Arena.ofAuto(), DType.F32, 0, 5);
        Batch batch = new Batch(List.of(Model.of(none)), 0, 5, null, null);
        assertThat(run(Mode.LOGITS, Objective.ENTROPY, batch).get(Output.WEIGHTS).elements()).isZero();
    }

    @Test
    void whatIsWrongIsNamed() {
        Model model = Model.of(of(1, 2, 3));
        Batch batch = new Batch(List.of(model), 1, 3, null, label(1));
        refuse(Mode.VOTE, Objective.ENTROPY, batch, Map.of(),
                "gradients are of LOGITS, LOG_PROBABILITIES and PROBABILITIES, got the mode VOTE");
        refuse(Mode.LOGITS, Objective.CROSS_ENTROPY, new Batch(List.of(model), 1, 3, null, null), Map.of(),
                "CROSS_ENTROPY takes labels, got none");
        refuse(Mode.LOGITS, Objective.CROSS_ENTROPY, new Batch(List.of(model), 1, 3, null, label(3)), Map.of(),
                "labels are classes, 0 to 2, got 3 in row 0");
        refuse(Mode.LOGITS, Objective.ENTROPY,
                new Batch(List.of(model.limited(Tensors.zeros(DType.U8, 3))), 1, 3, null, null), Map.of(),
                "gradients of the mode LOGITS take models that have all classes, model 0 lacks some");
        refuse(Mode.LOGITS, Objective.ENTROPY, batch, Map.of(Output.WEIGHTS, Tensors.zeros(DType.F32, 1)),
                "WEIGHTS is F32 [1, 1], got F32 [1]");
        refuse(Mode.LOGITS, Objective.ENTROPY, new Batch(List.of(model.weighted(-1)), 1, 3, null, null), Map.of(),
                "the weight of model 0 is 0 or more, and finite, got -1.0");
    }

    private static void refuse(Mode mode, Objective objective, Batch batch, Map<Output, Tensor> outputs,
            String message) {
        assertThatThrownBy(() -> EnsembleGradient.on(DEVICE).differentiate(mode, objective, batch, outputs))
                .isInstanceOf(IllegalArgumentException.class).hasMessage(message);
    }

    /** Strided, some tempered, gated, labelled; in the mean of probabilities one lacks classes. */
    static Batch random(Mode mode, int classes, int models, DType type, int seed) {
        SplittableRandom random = new SplittableRandom(Tensors.SEED + seed);
        int rows = 5;
        List<Model> list = new ArrayList<>();
        for (int e = 0; e < models; e++) {
            long stride = classes + seed % 3;
            int first = e % 2 * 7;
            Tensor logits = Tensors.random(type, first + rows * stride, seed + 31L * e, null, 3);
            Tensor present = null;
            if (mode == Mode.PROBABILITIES && e == 2) {
                present = Tensors.zeros(DType.U8, classes);
                for (int c = 0; c < classes; c++) {
                    present.data().set(ValueLayout.JAVA_BYTE, c, (byte) (c % 7 < 5 ? 1 : 0));
                }
            }
            list.add(new Model(logits, first, stride, 0.25 + e, e % 3 == 1 ? 0.7 : 1, present));
        }
        Tensor gates = Tensor.allocate(Arena.ofAuto(), DType.F32, rows, models);
        for (int i = 0; i < rows * models; i++) {
            Elements.set(gates, i, i % 5 == 4 ? 0 : 0.1 + random.nextDouble());
        }
        Tensor labels = Tensors.zeros(DType.I64, rows);
        for (int row = 0; row < rows; row++) {
            labels.data().setAtIndex(ValueLayout.JAVA_LONG, row, random.nextInt(classes));
        }
        return new Batch(list, rows, classes, models > 1 ? gates : null, labels);
    }

    private static Map<Output, Tensor> run(Mode mode, Objective objective, Batch batch) {
        Map<Output, Tensor> outputs = outputs(batch);
        EnsembleGradient.on(DEVICE).differentiate(mode, objective, batch, outputs);
        return outputs;
    }

    static Map<Output, Tensor> outputs(Batch batch) {
        Map<Output, Tensor> outputs = new EnumMap<>(Output.class);
        int models = batch.models().size();
        outputs.put(Output.OBJECTIVE, Tensor.allocate(Arena.ofAuto(), DType.F32, batch.rows()));
        outputs.put(Output.WEIGHTS, Tensor.allocate(Arena.ofAuto(), DType.F32, batch.rows(), models));
        outputs.put(Output.TEMPERATURES, Tensor.allocate(Arena.ofAuto(), DType.F32, batch.rows(), models));
        return outputs;
    }

    private static void same(Tensor got, long at, float[] wanted, String where) {
        for (int i = 0; got != null && i < wanted.length; i++) {
            float value = (float) Elements.get(got, at + i);
            assertThat(Float.floatToIntBits(value)).as("%d: got %a, wanted %a; %s", i, value, wanted[i], where)
                    .isEqualTo(Float.floatToIntBits(wanted[i]));
        }
    }

    private static Tensor of(double... values) {
        return Tensor.of(Tensors.of(DType.F32, values).data(), DType.F32, Shape.of(1, values.length));
    }

    private static Tensor label(int label) {
        Tensor labels = Tensors.zeros(DType.I32, 1);
        labels.data().set(ValueLayout.JAVA_INT, 0, label);
        return labels;
    }

    private static float[] floats(Tensor tensor) {
        return tensor.data().toArray(ValueLayout.JAVA_FLOAT);
    }
}
