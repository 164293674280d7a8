package dev.fusor.arithmetic;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

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
    @EnumSource(names = {"F32", "BF16", "F16"})
    void agreesWithItsDefinitionAtAwkwardLengths(DType type) {
        for (int length : new int[]{0, 1, 15, 16, 17, 31, 32, 33, 255, 256, 257, 1023, 1024, 1025, 65_537, 131_077}) {
            check(Tensors.random(type, length, 50, null, 1), type, type, 3, length, 3);
            check(null, type, type, 4, length, 1);
            check(null, type, type, 6, length, 2);
        }
    }

    @Test
    void inputsMayBeOfDifferentTypes() {
        List<Tensor> models = List.of(Tensors.random(DType.BF16, 2049, 1, null, 1),
                Tensors.random(DType.F32, 2049, 2, null, 1), Tensors.random(DType.F8_E4M3, 2049, 3, null, 1));
        Tensor base = Tensors.random(DType.F16, 2049, 4, null, 1);
        Tensor out = Tensors.zeros(DType.BF16, 2049);
        double[] weights = {0.3, -0.7, 1.1};
        WeightedSum.on(DEVICE).sum(base, models, weights, 1.5, out);
        assertThat(Tensors.bytes(out)).isEqualTo(Tensors.bytes(define(base, models, weights, 1.5, out)));
    }

    @Test
    void theResultDoesNotDependOnTheNumberOfThreads() {
        List<Tensor> models = models(DType.BF16, 3, 400_003);
        double[] weights = {0.3, 0.5, -0.2};
        byte[] one = null;
        for (int threads = 1; threads <= 8; threads++) {
            Tensor out = Tensors.zeros(DType.BF16, 400_003);
            try (CpuDevice device = CpuDevice.open(threads)) {
                WeightedSum.on(device).sum(models, weights, 0.6, out);
            }
            one = one == null ? Tensors.bytes(out) : one;
            assertThat(Tensors.bytes(out)).as("%d threads", threads).isEqualTo(one);
        }
    }

    @Test
    void dataMayStartAnywhere() {
        for (DType type : List.of(DType.BF16, DType.F32, DType.F64)) {
            Tensor aligned = Tensors.random(type, 5000, 1, null, 1);
            Tensor odd = Tensors.misaligned(type, 5000);
            odd.data().copyFrom(aligned.data());
            Tensor wanted = Tensors.zeros(type, 5000);
            Tensor out = Tensors.misaligned(type, 5000);
            WeightedSum.on(DEVICE).sum(List.of(aligned, aligned), new double[]{0.3, 0.4}, 1, wanted);
            WeightedSum.on(DEVICE).sum(List.of(odd, odd), new double[]{0.3, 0.4}, 1, out);
            assertThat(Tensors.bytes(out)).isEqualTo(Tensors.bytes(wanted));
        }
    }

    @Test
    void theOutputMayBeAnInput() {
        for (int models : new int[]{2, 7}) {
            List<Tensor> inputs = models(DType.BF16, models, 3001);
            double[] weights = IntStream.range(0, models).mapToDouble(m -> 0.1 + m).toArray();
            Tensor wanted = define(null, inputs, weights, 1, inputs.getLast());
            WeightedSum.on(DEVICE).sum(inputs, weights, 1, inputs.getLast());
            assertThat(Tensors.bytes(inputs.getLast())).isEqualTo(Tensors.bytes(wanted));
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
    void whatDoesNotFitIsNamed() {
        WeightedSum sum = WeightedSum.on(DEVICE);
        Tensor three = Tensors.zeros(DType.F32, 3);
        assertThatThrownBy(() -> sum.sum(List.of(), new double[0], 1, three))
                .hasMessageContaining("at least 1 model and a weight for each, got 0 models and 0 weights");
        assertThatThrownBy(() -> sum.sum(List.of(three), new double[2], 1, three)).hasMessageContaining("2 weights");
        assertThatThrownBy(() -> sum.sum(List.of(Tensors.zeros(DType.F32, 4)), new double[]{1}, 1, three))
                .hasMessageContaining("got F32 [4] for an output F32 [3]");
        assertThatThrownBy(() -> sum.sum(List.of(Tensors.zeros(DType.I32, 3)), new double[]{1}, 1, three))
                .hasMessageContaining("arithmetic types");
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
    private static Tensor define(Tensor base, List<Tensor> models, double[] weights, double divisor, Tensor out) {
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
