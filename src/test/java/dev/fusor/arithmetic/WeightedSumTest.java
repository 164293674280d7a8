package dev.fusor.arithmetic;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

class WeightedSumTest {
    private static final CpuDevice DEVICE = CpuDevice.open(2);
    private static final List<DType> TYPES = List.of(DType.F32, DType.BF16, DType.F16, DType.F8_E4M3, DType.F8_E5M2,
            DType.F64);

    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16", "F16", "F8_E4M3", "F8_E5M2", "F64"})
    void agreesWithItsDefinitionForEveryTypeAndNumberOfModels(DType input) {
        for (DType output : TYPES) {
            for (int models = 1; models <= 9; models++) {
                check(Tensors.anyBits(input, 300, 50), input, output, models, 300, 1);
                check(null, input, output, models, 300, -3);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16", "F16", "F8_E4M3", "F8_E5M2", "F64"})
    void agreesWithItsDefinitionAtAwkwardLengths(DType type) {
        for (int length : new int[]{0, 1, 15, 16, 17, 31, 32, 33, 255, 256, 257, 1023, 1024, 1025, 65_537, 131_077}) {
            check(Tensors.random(type, length, 50, null, 1), type, type, 3, length, 3);
            check(Tensors.anyBits(type, length, 51), type, DType.BF16, 5, length, 1);
            check(null, type, type, 4, length, 1);
            check(null, type, DType.F32, 6, length, 2);
        }
    }

    @Test
    void inputsMayBeOfDifferentTypes() {
        for (DType other : TYPES) {
            List<Tensor> models = List.of(Tensors.anyBits(DType.BF16, 2049, 1), Tensors.random(other, 2049, 2, null, 1),
                    Tensors.random(DType.F8_E4M3, 2049, 3, null, 1), Tensors.random(DType.F32, 2049, 4, null, 1),
                    Tensors.random(DType.F16, 2049, 5, null, 1));
            double[] weights = {0.3, -0.7, 1.1, 0.9, -0.2};
            for (Tensor base : Arrays.asList(null, Tensors.random(DType.F16, 2049, 6, null, 1),
                    Tensors.random(other, 2049, 7, null, 1))) {
                Tensor out = Tensors.zeros(DType.BF16, 2049);
                WeightedSum.on(DEVICE).sum(base, models, weights, 1.5, out);
                assertThat(Tensors.bytes(out)).as("base %s, a model of %s, seed %d", base, other, Tensors.SEED)
                        .isEqualTo(Tensors.bytes(define(base, models, weights, 1.5, out)));
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"BF16", "F32", "F8_E5M2", "F64"})
    void theResultDoesNotDependOnTheNumberOfThreads(DType type) {
        List<Tensor> models = models(type, 5, 400_003);
        Tensor base = Tensors.random(type, 400_003, 9, null, 1);
        double[] weights = {0.3, 0.5, -0.2, 1.7, -0.9};
        byte[] one = null;
        for (int threads : new int[]{1, 2, 3, 7, 8}) {
            Tensor out = Tensors.zeros(type, 400_003);
            try (CpuDevice device = CpuDevice.open(threads)) {
                WeightedSum.on(device).sum(base, models, weights, 0.6, out);
            }
            one = one == null ? Tensors.bytes(out) : one;
            assertThat(Tensors.bytes(out)).as("%s on %d threads, seed %d", type, threads, Tensors.SEED)
                    .isEqualTo(one);
        }
    }

    @Test
    void everyFurtherModelJoinsByOneFusedMultiplyAdd() {
        // (1 + 2^-12)^2 - (1 + 2^-11) is 2^-24; were the product rounded first, it would be 0.
        Tensor a = filled(DType.F32, 1 + 0x1p-11);
        Tensor b = filled(DType.F32, 1 + 0x1p-12);
        everyElementIs(0x1p-24, DType.F32, null, List.of(a, b), new double[]{-1, 1 + 0x1p-12}, 1);
        everyElementIs(0, DType.F32, null, List.of(b, a), new double[]{1 + 0x1p-12, -1}, 1);
    }

    @Test
    void oneTensorOfFloat64MakesAllOfItFloat64() {
        double[] weights = {1, 1, -1};
        for (int wide = -1; wide < 5; wide++) {
            List<Tensor> models = List.of(filled(wide == 0 ? DType.F64 : DType.F32, 1e8),
                    filled(wide == 1 ? DType.F64 : DType.BF16, 1), filled(wide == 2 ? DType.F64 : DType.F32, 1e8));
            Tensor base = filled(wide == 3 ? DType.F64 : DType.F32, 0);
            DType out = wide == 4 ? DType.F64 : DType.F32;
            everyElementIs(wide == -1 ? 0 : 1, out, base, models, weights, 1); // float32 cannot hold 1e8 + 1
            if (wide != 3) {
                everyElementIs(wide == -1 ? 0 : 1, out, null, models, weights, 1);
            }
        }
    }

    @Test
    void weightsAndDivisorAreRoundedToFloat32() {
        everyElementIs((float) ((float) 0.1 * 3.0), DType.F32, null, List.of(filled(DType.F32, 3)), new double[]{0.1},
                1);
        everyElementIs(0.1 * 3.0, DType.F64, null, List.of(filled(DType.F32, 3)), new double[]{0.1}, 1);
        everyElementIs(1, DType.F32, null, List.of(filled(DType.F32, 0.1f)), new double[]{1}, 0.1);
        everyElementIs(1 / 1.1, DType.F64, null, List.of(filled(DType.F32, 1)), new double[]{1}, 1.1);
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16", "F16", "F8_E4M3", "F8_E5M2", "F64"})
    void specialNumbersFollowIeee754(DType type) {
        double nan = Double.NaN;
        double inf = Double.POSITIVE_INFINITY;
        double[] one = {1};
        double[] two = {1, 1};
        for (DType out : List.of(DType.F32, DType.F64, DType.BF16, DType.F16, DType.F8_E5M2)) {
            everyElementIs(nan, out, null, List.of(filled(type, nan), filled(type, 1)), two, 1);
            everyElementIs(nan, out, null, List.of(filled(type, 1), filled(type, nan)), new double[]{1, 0}, 1);
            everyElementIs(nan, out, filled(type, nan), List.of(filled(type, 1)), one, 1);
            everyElementIs(-0.0, out, null, List.of(filled(type, -0.0)), one, 1);
            everyElementIs(-0.0, out, null, List.of(filled(type, 0)), one, -3);
            everyElementIs(0, out, null, List.of(filled(type, -0.0), filled(type, 0)), two, 1);
            everyElementIs(-0.0, out, null, List.of(filled(type, -0.0), filled(type, -0.0)), two, 1);
            everyElementIs(0, out, filled(type, -0.0), List.of(filled(type, -0.0)), one, 1); // -0 - -0 is +0
            everyElementIs(inf, out, null, List.of(filled(type, 1)), one, 0);
            everyElementIs(-inf, out, null, List.of(filled(type, 1)), one, -0.0);
            everyElementIs(nan, out, null, List.of(filled(type, 0)), one, 0);
            if (type != DType.F8_E4M3) {
                everyElementIs(-inf, out, null, List.of(filled(type, 1), filled(type, -inf)), two, 1);
                everyElementIs(nan, out, null, List.of(filled(type, inf), filled(type, -inf)), two, 1);
                everyElementIs(nan, out, null, List.of(filled(type, inf)), new double[]{0}, 1);
                everyElementIs(nan, out, filled(type, inf), List.of(filled(type, inf)), one, 1);
                everyElementIs(nan, out, filled(type, inf), List.of(filled(type, 1)), one, 1); // -inf, and +inf onto it
            }
        }
    }

    @Test
    void whatIsTooLargeOverflowsAsItsTypeDoes() {
        List<Tensor> large = List.of(filled(DType.F32, 3e38), filled(DType.F32, 3e38));
        double[] weights = {1, 1};
        double inf = Double.POSITIVE_INFINITY;
        everyElementIs(inf, DType.F32, null, large, weights, 1);
        everyElementIs(inf, DType.BF16, null, large, weights, 1);
        everyElementIs(2 * (double) 3e38f, DType.F64, null, large, weights, 1);
        everyElementIs(-inf, DType.F16, null, List.of(filled(DType.F32, -65520)), new double[]{1}, 1);
        everyElementIs(65504, DType.F16, null, List.of(filled(DType.F32, 65519)), new double[]{1}, 1);
        everyElementIs(inf, DType.F8_E5M2, null, List.of(filled(DType.BF16, 61440)), new double[]{1}, 1);
        everyElementIs(448, DType.F8_E4M3, null, List.of(filled(DType.F16, 464)), new double[]{1}, 1);
        Tensor out = Tensors.zeros(DType.F8_E4M3, 37);
        WeightedSum.on(DEVICE).sum(List.of(filled(DType.F16, -465)), new double[]{1}, 1, out);
        assertThat(Tensors.bytes(out)).containsOnly(0xFF); // no infinity there: NaN, of the number's sign
    }

    @Test
    void subnormalsAreKept() {
        everyElementIs(Float.MIN_VALUE, DType.F32, null, List.of(filled(DType.F32, Float.MIN_VALUE)), new double[]{1},
                1);
        everyElementIs(0x1p-148, DType.F32, null, List.of(filled(DType.F32, 0x1p-126)), new double[]{0x1p-22}, 1);
        everyElementIs(0x1p-133, DType.BF16, null, List.of(filled(DType.BF16, 0x1p-133)), new double[]{1}, 1);
        everyElementIs(0x1p-24, DType.F16, null, List.of(filled(DType.F16, 0x1p-24)), new double[]{1}, 1);
        everyElementIs(0x1p-24, DType.F16, null, List.of(filled(DType.F16, 0x1p-14)), new double[]{0x1p-10}, 1);
        everyElementIs(0x1p-9, DType.F8_E4M3, null, List.of(filled(DType.F8_E4M3, 0x1p-9)), new double[]{1}, 1);
        everyElementIs(0x1p-16, DType.F8_E5M2, null, List.of(filled(DType.F8_E5M2, 0x1p-15)), new double[]{1}, 2);
        everyElementIs(Double.MIN_VALUE, DType.F64, null, List.of(filled(DType.F64, Double.MIN_VALUE)),
                new double[]{1}, 1);
    }

    @Test
    void dataMayStartAnywhere() {
        double[] weights = {0.3, 0.4};
        for (DType type : TYPES) {
            List<Tensor> aligned = models(type, 3, 5000);
            List<Tensor> odd = new ArrayList<>();
            for (Tensor tensor : aligned) {
                Tensor copy = Tensors.misaligned(type, 5000);
                copy.data().copyFrom(tensor.data());
                odd.add(copy);
            }
            Tensor wanted = Tensors.zeros(type, 5000);
            Tensor out = Tensors.misaligned(type, 5000);
            WeightedSum.on(DEVICE).sum(aligned.get(2), aligned.subList(0, 2), weights, 1, wanted);
            WeightedSum.on(DEVICE).sum(odd.get(2), odd.subList(0, 2), weights, 1, out);
            assertThat(Tensors.bytes(out)).as("%s, seed %d", type, Tensors.SEED).isEqualTo(Tensors.bytes(wanted));
        }
    }

    @Test
    void arraysServeAsMemoryToo() {
        int length = 2053;
        double[] weights = {0.3, 0.4};
        Map<DType, List<MemorySegment>> arrays = Map.of(
                DType.F8_E4M3, List.of(MemorySegment.ofArray(new byte[length])),
                DType.BF16, List.of(MemorySegment.ofArray(new byte[2 * length]),
                        MemorySegment.ofArray(new short[length])),
                DType.F32, List.of(MemorySegment.ofArray(new byte[4 * length]),
                        MemorySegment.ofArray(new float[length]), MemorySegment.ofArray(new int[length])),
                DType.F64, List.of(MemorySegment.ofArray(new double[length])));
        arrays.forEach((type, heaps) -> {
            for (MemorySegment heap : heaps) {
                List<Tensor> models = models(type, 2, length);
                Tensor wanted = Tensors.zeros(type, length);
                WeightedSum.on(DEVICE).sum(models, weights, 1, wanted);
                Tensor onHeap = Tensor.of(heap, type, Shape.of(length));
                heap.copyFrom(models.getFirst().data());
                WeightedSum.on(DEVICE).sum(List.of(onHeap, models.getLast()), weights, 1, onHeap);
                assertThat(Tensors.bytes(onHeap)).as("%s in %s, seed %d", type, heap.heapBase(), Tensors.SEED)
                        .isEqualTo(Tensors.bytes(wanted));
            }
        });
    }

    @Test
    void nothingIsWrittenBesideTheOutput() {
        for (DType type : TYPES) {
            for (int length : new int[]{1, 16, 33, 1040}) {
                Tensor room = Tensors.zeros(type, length + 200);
                room.data().fill((byte) 0x55);
                Tensor before = Tensors.zeros(type, length + 200);
                before.data().fill((byte) 0x55);
                WeightedSum.on(DEVICE).sum(models(DType.BF16, 2, length), new double[]{1, 1}, 1,
                        room.slice(100, length));
                before.slice(100, length).data().copyFrom(room.slice(100, length).data());
                assertThat(Tensors.bytes(room)).as("%s, %d elements", type, length).isEqualTo(Tensors.bytes(before));
            }
        }
    }

    @Test
    void theOutputMayBeAnInput() {
        for (DType type : TYPES) {
            for (int count : new int[]{2, 7}) {
                double[] weights = IntStream.range(0, count).mapToDouble(m -> 0.1 + m).toArray();
                for (int alias = 0; alias <= count; alias++) { // the last is the base
                    List<Tensor> inputs = models(type, count + 1, 3001);
                    Tensor base = inputs.getLast();
                    List<Tensor> models = inputs.subList(0, count);
                    Tensor out = inputs.get(alias);
                    Tensor wanted = define(base, models, weights, 1, out);
                    WeightedSum.on(DEVICE).sum(base, models, weights, 1, out);
                    assertThat(Tensors.bytes(out)).as("%s, input %d of %d, seed %d", type, alias, count, Tensors.SEED)
                            .isEqualTo(Tensors.bytes(wanted));
                }
            }
        }
    }

    @Test
    void oneModelOfWeightOneIsTheModel() {
        Tensor model = Tensors.random(DType.BF16, 5000, 1, null, 1);
        Tensor out = Tensors.zeros(DType.BF16, 5000);
        WeightedSum.on(DEVICE).sum(List.of(model), new double[]{1}, 1, out);
        assertThat(Tensors.bytes(out)).isEqualTo(Tensors.bytes(model));
    }

    @Test
    void memoryOfTheCallingThreadAloneServesADeviceOfOneThread() {
        try (Arena arena = Arena.ofConfined(); CpuDevice one = CpuDevice.open(1)) {
            Tensor x = Tensor.allocate(arena, DType.F32, 300_000);
            WeightedSum.on(one).sum(List.of(x), new double[]{1}, 1, x);
            assertThat(Elements.get(x, 299_999)).isZero();
        }
    }

    @Test
    void memoryOfOneThreadIsRefusedWhereSeveralWouldUseIt() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor mine = Tensor.allocate(arena, DType.F32, 3);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> WeightedSum.on(DEVICE).sum(List.of(mine), new double[]{1}, 1, mine))
                    .withMessage(
                            "a weighted sum on 2 threads takes memory that all of them may use, got F32 [3] in an arena of one thread: wanted a shared or automatic one");
        }
    }

    @Test
    void whatDoesNotFitIsNamed() {
        WeightedSum sum = WeightedSum.on(DEVICE);
        Tensor three = Tensors.zeros(DType.F32, 3);
        double[] one = {1};
        assertThatIllegalArgumentException().isThrownBy(() -> sum.sum(List.of(), new double[0], 1, three)).withMessage(
                "a weighted sum takes at least 1 model and a weight for each, got 0 models and 0 weights");
        assertThatIllegalArgumentException().isThrownBy(() -> sum.sum(List.of(three), new double[2], 1, three))
                .withMessage("a weighted sum takes at least 1 model and a weight for each, got 1 models and 2 weights");
        String wanted = "a weighted sum takes tensors of arithmetic types and equal length, got %s for an output %s";
        Tensor four = Tensors.zeros(DType.F32, 4);
        Tensor whole = Tensors.zeros(DType.I32, 3);
        assertThatIllegalArgumentException().isThrownBy(() -> sum.sum(List.of(four), one, 1, three))
                .withMessage(wanted.formatted("F32 [4]", "F32 [3]"));
        assertThatIllegalArgumentException().isThrownBy(() -> sum.sum(four, List.of(three), one, 1, three))
                .withMessage(wanted.formatted("F32 [4]", "F32 [3]"));
        assertThatIllegalArgumentException().isThrownBy(() -> sum.sum(List.of(whole), one, 1, three))
                .withMessage(wanted.formatted("I32 [3]", "F32 [3]"));
        assertThatIllegalArgumentException().isThrownBy(() -> sum.sum(List.of(three), one, 1, whole))
                .withMessage(wanted.formatted("I32 [3]", "I32 [3]"));
    }

    /** Long enough for a vector and a rest. */
    private static Tensor filled(DType type, double value) {
        return Tensors.of(type, DoubleStream.generate(() -> value).limit(37).toArray());
    }

    private static void everyElementIs(double wanted, DType out, Tensor base, List<Tensor> models, double[] weights,
            double divisor) {
        Tensor result = Tensors.misaligned(out, 37);
        WeightedSum.on(DEVICE).sum(base, models, weights, divisor, result);
        assertThat(Tensors.bytes(result)).as("%s of %s with base %s, to %s", wanted, models, base, out)
                .isEqualTo(Tensors.bytes(filled(out, wanted)));
    }

    private static void check(Tensor base, DType input, DType output, int count, int length, double divisor) {
        List<Tensor> models = new ArrayList<>();
        for (int m = 0; m < count; m++) {
            models.add(Tensors.anyBits(input, length, m));
        }
        double[] weights = IntStream.range(0, count).mapToDouble(m -> (m % 2 == 0 ? 0.3 : -0.7) * (m + 1)).toArray();
        Tensor out = Tensors.misaligned(output, length);
        WeightedSum.on(DEVICE).sum(base, models, weights, divisor, out);
        assertThat(Tensors.bytes(out))
                .as("%d of %s to %s, %d elements, %s, seed %d", count, input, output, length,
                        base == null ? "no base" : "a base", Tensors.SEED)
                .isEqualTo(Tensors.bytes(define(base, models, weights, divisor, out)));
    }

    private static List<Tensor> models(DType type, int count, int length) {
        return IntStream.range(0, count).mapToObj(m -> Tensors.random(type, length, m, null, 1)).toList();
    }

    /** The Javadoc, one element at a time. */
    static Tensor define(Tensor base, List<Tensor> models, double[] weights, double divisor, Tensor out) {
        boolean wide = out.dtype() == DType.F64 || base != null && base.dtype() == DType.F64
                || models.stream().anyMatch(model -> model.dtype() == DType.F64);
        Tensor wanted = Tensor.of(Tensors.zeros(out.dtype(), out.elements()).data(), out.dtype(),
                Shape.of(out.elements()));
        for (long i = 0; i < out.elements(); i++) {
            Elements.set(wanted, i, wide
                    ? inFloat64(base, models, weights, divisor, i)
                    : inFloat32(base, models, weights, divisor, i));
        }
        return wanted;
    }

    private static float inFloat32(Tensor base, List<Tensor> models, double[] weights, double divisor, long i) {
        float b = base == null ? 0 : (float) Elements.get(base, i);
        float sum = 0;
        for (int m = 0; m < weights.length; m++) {
            float x = (float) Elements.get(models.get(m), i);
            x = base == null ? x : x - b;
            sum = m == 0 ? (float) weights[m] * x : Math.fma((float) weights[m], x, sum);
        }
        return base == null ? sum / (float) divisor : b + sum / (float) divisor;
    }

    private static double inFloat64(Tensor base, List<Tensor> models, double[] weights, double divisor, long i) {
        double b = base == null ? 0 : Elements.get(base, i);
        double sum = 0;
        for (int m = 0; m < weights.length; m++) {
            double x = Elements.get(models.get(m), i);
            x = base == null ? x : x - b;
            sum = m == 0 ? weights[m] * x : Math.fma(weights[m], x, sum);
        }
        return base == null ? sum / divisor : b + sum / divisor;
    }
}
