package dev.fusor.ensemble;

import dev.fusor.ensemble.EnsembleGradient.Objective;
import dev.fusor.ensemble.EnsembleGradient.Output;
import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.simulator.RequiresCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/** The kernels against the definition, bit for bit. */
@RequiresCuda
class EnsembleGradientCudaTest extends CudaBatches {
    private static final Set<Output> ALL = EnumSet.allOf(Output.class);

    private Map<Output, Tensor> run(Mode mode, Objective objective, Batch host, Set<Output> wanted, int shift) {
        Map<Output, Tensor> outputs = new EnumMap<>(Output.class);
        EnsembleGradientTest.outputs(host).forEach((output, like) -> {
            if (wanted.contains(output)) {
                outputs.put(output, Tensor.of(there(DType.F32, like.elements(), shift).data(), DType.F32,
                        like.shape()));
            }
        });
        Map<Output, Tensor> found = new EnumMap<>(Output.class);
        try (EnsembleGradientCuda gradient = EnsembleGradientCuda.prepare(stream, mode, objective, there(host, shift),
                outputs)) {
            gradient.run();
            outputs.forEach((output, tensor) -> found.put(output, back(tensor)));
            gradient.run();
            outputs.forEach((output, tensor) -> assertThat(Tensors.bytes(back(tensor))).as("%s, run again", output)
                    .isEqualTo(Tensors.bytes(found.get(output))));
        }
        return found;
    }

    private void check(Mode mode, Objective objective, Batch batch, int shift) {
        EnsembleGradientTest.check(mode, objective, batch, run(mode, objective, batch, ALL, shift),
                "%d classes, %s, shift %d".formatted(batch.classes(), batch.models().getFirst().logits().dtype(),
                        shift));
    }

    /** Lengths around pairs, lanes and chunks, rows of one part and of two; strided, tempered, gated, with classes missing. */
    @ParameterizedTest
    @CsvSource({"LOGITS,CROSS_ENTROPY", "LOGITS,ENTROPY", "LOG_PROBABILITIES,CROSS_ENTROPY",
        "LOG_PROBABILITIES,ENTROPY", "PROBABILITIES,CROSS_ENTROPY", "PROBABILITIES,ENTROPY"})
    void agreesWithTheDefinitionBitForBit(Mode mode, Objective objective) {
        int seed = 0;
        for (int classes : new int[]{1, 2, 31, 64, 65, 256, 257, 1000, 1023, 1024, 1025, 2085}) {
            check(mode, objective, EnsembleGradientTest.random(mode, classes, 1 + classes % 5, TYPES.get(seed % 3),
                    classes), seed++ % 2);
        }
        check(mode, objective, EnsembleGradientTest.random(mode, 2048, 17, DType.BF16, 3), 0);
        check(mode, objective, EnsembleGradientTest.random(mode, 9217, 3, DType.F16, 8), 1);
    }

    @ParameterizedTest
    @CsvSource({"LOGITS,CROSS_ENTROPY", "LOGITS,ENTROPY", "PROBABILITIES,CROSS_ENTROPY", "PROBABILITIES,ENTROPY"})
    void anyBitsAgreeWithTheDefinition(Mode mode, Objective objective) {
        for (DType type : TYPES) {
            for (int classes : new int[]{3, 40, 1030}) {
                List<Model> models = new ArrayList<>();
                for (int e = 0; e < 3; e++) {
                    Tensor flat = Tensors.anyBits(type, 4L * classes, 100 + e);
                    models.add(Model.of(Tensor.of(flat.data(), type, Shape.of(4, classes))).weighted(e));
                }
                check(mode, objective, new Batch(models, 4, classes, null, Tensors.zeros(DType.I32, 4)), 0);
            }
        }
    }

    /** What is not asked for is not stored, and changes nothing. */
    @ParameterizedTest
    @CsvSource({"LOGITS,CROSS_ENTROPY", "LOGITS,ENTROPY", "PROBABILITIES,CROSS_ENTROPY", "PROBABILITIES,ENTROPY"})
    void eachResultIsTheSameAlone(Mode mode, Objective objective) {
        Batch batch = EnsembleGradientTest.random(mode, 1500, 3, DType.F32, 2);
        for (Output output : ALL) {
            EnsembleGradientTest.check(mode, objective, batch, run(mode, objective, batch, Set.of(output), 0),
                    output + " alone");
        }
    }

    /** More rows than there are resident blocks, 16 of a warp on each of 132 multiprocessors: some have a second one. */
    @Test
    void manyRowsAreAllDifferentiated() {
        int rows = 2200;
        Tensor flat = Tensors.random(DType.F32, 6L * rows, 5, null, 1);
        Model first = new Model(flat, 0, 3, 1, 2, null);
        Model second = new Model(flat, 3L * rows, 3, 2, 1, null);
        Batch batch = new Batch(List.of(first, second), rows, 3, null, null);
        Tensor byWeight = Tensor.of(there(DType.F32, 2L * rows, 0).data(), DType.F32, Shape.of(rows, 2));
        try (EnsembleGradientCuda gradient = EnsembleGradientCuda.prepare(stream, Mode.LOGITS, Objective.ENTROPY,
                there(batch, 0), Map.of(Output.WEIGHTS, byWeight))) {
            gradient.run();
        }
        EnsembleGradientTest.check(Mode.LOGITS, Objective.ENTROPY, batch, Map.of(Output.WEIGHTS, back(byWeight)),
                rows + " rows");
    }

    @ParameterizedTest
    @CsvSource({"LOGITS", "PROBABILITIES"})
    void aRowWhoseLabelIsNoClassIsNaNAndNoOther(Mode mode) {
        Batch random = EnsembleGradientTest.random(mode, 5, 2, DType.F32, 1);
        for (DType type : new DType[]{DType.I32, DType.I64}) {
            Tensor labels = Tensors.zeros(type, 5);
            long[] numbers = {0, 5, -1, 4, type == DType.I64 ? 1L << 32 : Integer.MIN_VALUE};
            for (int row = 0; row < 5; row++) {
                if (type == DType.I64) {
                    labels.data().setAtIndex(ValueLayout.JAVA_LONG, row, numbers[row]);
                } else {
                    labels.data().setAtIndex(ValueLayout.JAVA_INT, row, (int) numbers[row]);
                }
            }
            Batch batch = new Batch(random.models(), 5, 5, null, labels);
            run(mode, Objective.CROSS_ENTROPY, batch, ALL, 0).forEach((output, tensor) -> {
                long size = tensor.elements() / 5;
                for (long i = 0; i < tensor.elements(); i++) {
                    long row = i / size;
                    assertThat(Double.isNaN(Elements.get(tensor, i))).as("%s of row %d, seed %d", output, row,
                            Tensors.SEED).isEqualTo(row != 0 && row != 3);
                }
            });
        }
    }

    @ParameterizedTest
    @CsvSource({"LOGITS,CROSS_ENTROPY", "LOGITS,ENTROPY", "PROBABILITIES,CROSS_ENTROPY", "PROBABILITIES,ENTROPY"})
    void rowsWhoseWeightsMakeNoSenseAreNaN(Mode mode, Objective objective) {
        Batch random = EnsembleGradientTest.random(mode, 70, 2, DType.F32, 1);
        Tensor flat = Tensors.of(DType.F32, -1, 2, 0, 0, Float.NaN, 1, 1, Float.POSITIVE_INFINITY, 0, 1);
        Tensor gates = Tensor.of(flat.data(), DType.F32, Shape.of(5, 2));
        Batch batch = new Batch(random.models(), 5, 70, gates, random.labels());
        check(mode, objective, batch, 0);
        Map<Output, Tensor> found = run(mode, objective, batch, ALL, 0);
        assertThat(Double.isNaN(Elements.get(found.get(Output.OBJECTIVE), 3))).isTrue();
        assertThat(Double.isNaN(Elements.get(found.get(Output.OBJECTIVE), 4))).isFalse();
    }

    @Test
    void noRowsAreNothingToDo() {
        Batch batch = new Batch(List.of(Model.of(Tensor.of(Tensors.zeros(DType.F32, 0).data(), DType.F32,
                Shape.of(0, 5)))), 0, 5, null, null);
        assertThat(run(Mode.PROBABILITIES, Objective.ENTROPY, batch, ALL, 0).get(Output.WEIGHTS).elements()).isZero();
    }

    @Test
    void whatDoesNotFitIsNamed() {
        Batch host = EnsembleGradientTest.random(Mode.LOGITS, 4, 2, DType.F32, 1);
        refused(Mode.VOTE, there(host, 0),
                "gradients are of LOGITS, LOG_PROBABILITIES and PROBABILITIES, got the mode VOTE");
        refused(Mode.LOGITS, new Batch(there(host, 0).models(), 5, 4, null, null),
                "CROSS_ENTROPY takes labels, got none");
        refused(Mode.LOGITS, host, "wanted device memory, got host memory");
        refused(Mode.LOGITS, there(EnsembleGradientTest.random(Mode.LOGITS, 4, 2, DType.F64, 1), 0),
                "on a device all logits are of one type of [F32, F16, BF16], got F64");
    }

    private void refused(Mode mode, Batch batch, String message) {
        assertThatIllegalArgumentException().isThrownBy(
                () -> EnsembleGradientCuda.prepare(stream, mode, Objective.CROSS_ENTROPY, batch, Map.of()))
                .withMessageContaining(message);
    }
}
