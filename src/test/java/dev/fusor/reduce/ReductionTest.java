package dev.fusor.reduce;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class ReductionTest {
    private static final int[] LENGTHS = {0, 1, 15, 16, 63, 64, 65, 1023, 1024, 1025, 4095, 4096, 4097, 8192, 12_289,
        131_073, 300_001};

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 8})
    void agreesWithTheTreeOfItsDefinitionOnAnyNumberOfThreads(int threads) {
        try (CpuDevice device = CpuDevice.open(threads)) {
            for (DType type : new DType[]{DType.F32, DType.BF16, DType.F16, DType.F8_E4M3, DType.F64}) {
                for (int length : LENGTHS) {
                    Tensor a = Tensors.random(type, length, 1, null, 1);
                    Tensor b = Tensors.random(DType.F32, length, 2, null, 1);
                    assertThat(Reduction.on(device).dot(a, b))
                            .as("%s, %d elements, seed %d", type, length, Tensors.SEED)
                            .isEqualTo(define(a, b));
                    assertThat(Reduction.on(device).sumOfSquares(a)).isEqualTo(define(a, a));
                }
            }
        }
    }

    @Test
    void staysWithinTheErrorOfItsTreeOfTheExactSum() {
        Tensor a = Tensors.random(DType.F32, 50_000, 1, null, 1);
        Tensor b = Tensors.random(DType.F32, 50_000, 2, null, 1);
        BigDecimal exact = BigDecimal.ZERO;
        double magnitude = 0;
        for (int i = 0; i < 50_000; i++) {
            BigDecimal product = new BigDecimal(Elements.get(a, i)).multiply(new BigDecimal(Elements.get(b, i)));
            exact = exact.add(product);
            magnitude += Math.abs(product.doubleValue());
        }
        // 64 additions in a lane, 6 folds, 4 levels of chunks: 74 roundings on the longest path.
        double bound = 74 * 0x1p-53 * magnitude;
        try (CpuDevice device = CpuDevice.open(2)) {
            assertThat(Math.abs(Reduction.on(device).dot(a, b) - exact.doubleValue())).isLessThanOrEqualTo(bound);
        }
    }

    @Test
    void wrongShapesAndTypesAreNamed() {
        try (CpuDevice device = CpuDevice.open(1)) {
            Reduction reduction = Reduction.on(device);
            assertThatThrownBy(() -> reduction.dot(Tensors.zeros(DType.F32, 3), Tensors.zeros(DType.F32, 4)))
                    .hasMessageContaining("F32 [3] and F32 [4]");
            assertThatThrownBy(() -> reduction.sumOfSquares(Tensors.zeros(DType.I64, 3)))
                    .hasMessageContaining("arithmetic types");
        }
    }

    private static double define(Tensor a, Tensor b) {
        List<Double> sums = new ArrayList<>();
        for (long chunk = 0; chunk < a.elements(); chunk += 4096) {
            double[] lanes = new double[64];
            for (long i = chunk; i < Math.min(chunk + 4096, a.elements()); i++) {
                int lane = (int) ((i - chunk) % 64);
                lanes[lane] = Math.fma(Elements.get(a, i), Elements.get(b, i), lanes[lane]);
            }
            for (int half = 32; half > 0; half /= 2) {
                for (int lane = 0; lane < half; lane++) {
                    lanes[lane] += lanes[lane + half];
                }
            }
            sums.add(lanes[0]);
        }
        while (sums.size() > 1) {
            List<Double> level = new ArrayList<>();
            for (int i = 0; i < sums.size(); i += 2) {
                level.add(i + 1 < sums.size() ? sums.get(i) + sums.get(i + 1) : sums.get(i));
            }
            sums = level;
        }
        return sums.isEmpty() ? 0 : sums.getFirst();
    }
}
