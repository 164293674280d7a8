package dev.fusor.consensus;

import dev.fusor.consensus.TaskVectorFusion.Fusion;
import dev.fusor.consensus.TaskVectorFusionCuda.Item;
import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.simulator.RequiresCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.CudaTensors;
import dev.fusor.testing.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/** The kernels against the definitions, bit for bit. */
@RequiresCuda
class TaskVectorFusionCudaTest extends CudaTensors {
    /** A fusion and its definition. */
    private record Defined(Fusion fusion, Function<float[], Float> definition) {}

    private static Defined largest() {
        return new Defined(TaskVectorFusion.largest(), TaskVectorFusionTest::largest);
    }

    private static Defined unified() {
        return new Defined(TaskVectorFusion.unified(), TaskVectorFusionTest::unified);
    }

    private static Defined masked(int model) {
        return new Defined(TaskVectorFusion.masked(model), deltas -> TaskVectorFusionTest.masked(deltas, model));
    }

    private static Defined tall(int fewest, int... models) {
        double[] thresholds = IntStream.of(models).mapToDouble(model -> 0.2 + 0.15 * model).toArray();
        return new Defined(TaskVectorFusion.tallMasked(models, thresholds, fewest),
                deltas -> TaskVectorFusionTest.tall(deltas, models, thresholds, fewest));
    }

    private static List<Defined> all(int models) {
        return List.of(largest(), unified(), masked(0), masked(models - 1), tall(1, models - 1),
                tall(2, IntStream.range(0, models).toArray()));
    }

    private void check(DType input, DType output, int models, Defined defined, int length, boolean anyBits,
            int... shifts) {
        Tensor base = anyBits ? Tensors.anyBits(input, length, 1) : Tensors.random(input, length, 1, null, 0.5);
        Tensor baseThere = there(base, shifts[0]);
        List<Tensor> xs = new ArrayList<>();
        List<Tensor> xsThere = new ArrayList<>();
        for (int m = 0; m < models; m++) {
            xs.add(anyBits ? Tensors.anyBits(input, length, 2 + m) : Tensors.random(input, length, 2 + m, base, 0.1));
            xsThere.add(there(xs.get(m), shifts[m % shifts.length]));
        }
        Tensor out = there(output, length, shifts[shifts.length - 1]);
        try (TaskVectorFusionCuda merge = TaskVectorFusionCuda.prepare(stream, defined.fusion, 0.9,
                List.of(new Item(baseThere, xsThere, out)))) {
            merge.run();
        }
        assertThat(Tensors.bytes(back(out)))
                .as("%s of %d of %s to %s, %d elements, any bits %s, shifts %s, seed %d", defined.fusion, models, input,
                        output, length, anyBits, Arrays.toString(shifts), Tensors.SEED)
                .isEqualTo(Tensors.bytes(
                        TaskVectorFusionTest.define(base, xs, defined.definition, 0.9f, output)));
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
    void agreesWithTheDefinitionsForEveryTypeAndNumberOfModels(DType type) {
        for (int models : new int[]{1, 2, 3, 4, 5, 8, 9, 17}) {
            for (Defined defined : all(models)) {
                check(type, type, models, defined, 300, false, 0);
                check(type, type, models, defined, 300, true, 0);
            }
        }
    }

    @Test
    void theOutputMayBeOfAnyType() {
        for (DType input : CudaFormats.ALL) {
            for (DType output : CudaFormats.ALL) {
                check(input, output, 3, unified(), 500, false, 0);
                check(input, output, 7, largest(), 500, true, 0);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 7, 8, 9, 15, 16, 17, 255, 256, 257, 4095, 4096, 4097, 32_767, 32_768, 32_769, 65_544})
    void agreesWithTheDefinitionsAtAwkwardLengths(int length) {
        check(DType.BF16, DType.BF16, 3, masked(1), length, false, 0);
        check(DType.F32, DType.F16, 2, tall(1, 0, 1), length, false, 0);
    }

    @Test
    void tensorsMayStartAtAnyElement() {
        for (DType type : CudaFormats.ALL) {
            check(type, type, 3, unified(), 3000, false, 4);
            check(type, type, 3, unified(), 3000, false, 1);
            check(type, type, 3, unified(), 3000, false, 0, 1, 2);
        }
    }

    @Test
    void manyTensorsGoInOneLaunchAndMayBeMergedInPlace() {
        int[] lengths = {0, 5, 40_000, 700};
        List<Item> items = new ArrayList<>();
        List<Tensor> wanted = new ArrayList<>();
        for (int i = 0; i < lengths.length; i++) {
            Tensor base = Tensors.random(DType.BF16, lengths[i], i, null, 0.5);
            Tensor x = Tensors.random(DType.BF16, lengths[i], 50 + i, base, 0.1);
            Tensor baseThere = there(base, 0);
            Tensor xThere = there(x, 0);
            items.add(new Item(baseThere, List.of(xThere, baseThere), i % 2 == 0 ? xThere : baseThere));
            wanted.add(TaskVectorFusionTest.define(base, List.of(x, base), TaskVectorFusionTest::unified, 0.8f,
                    DType.BF16));
        }
        try (TaskVectorFusionCuda merge = TaskVectorFusionCuda.prepare(stream, TaskVectorFusion.unified(), 0.8,
                items)) {
            merge.run();
        }
        for (int i = 0; i < lengths.length; i++) {
            assertThat(Tensors.bytes(back(items.get(i).out()))).as("item %d, seed %d", i, Tensors.SEED)
                    .isEqualTo(Tensors.bytes(wanted.get(i)));
        }
    }

    @Test
    void whatDoesNotFitIsNamed() {
        Tensor three = there(DType.F32, 3, 0);
        String wanted = "a fusion on a device takes inputs of one type and outputs of one, each one of [F32, F16, BF16, F8_E4M3, F8_E5M2], and of equal length; got %s where %s of 3 elements was wanted";
        refused(wanted.formatted("F32 [4]", "F32"), new Item(there(DType.F32, 4, 0), List.of(three), three));
        refused(wanted.formatted("F32 [3]", "BF16"), new Item(there(DType.BF16, 3, 0), List.of(three), three));
        refused("wanted device memory, got host memory of 12 bytes: copy it to the device first, by CudaStream.upload",
                new Item(three, List.of(three), Tensors.zeros(DType.F32, 3)));
        refused("the items of a launch have as many models each, got 2 after 1",
                new Item(three, List.of(three), three), new Item(three, List.of(three, three), three));
        refused("the fusion takes the task vectors of 1 models or more, got 0", new Item(three, List.of(), three));
        refused("a launch of fusions takes at least 1 item, got none");
    }

    private void refused(String message, Item... items) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> TaskVectorFusionCuda.prepare(stream, TaskVectorFusion.largest(), 1, List.of(items)))
                .withMessage(message);
    }
}
