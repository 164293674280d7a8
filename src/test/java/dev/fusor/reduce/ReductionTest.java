package dev.fusor.reduce;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.withinPercentage;

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
                    assertThat(Reduction.on(device).sum(a)).isEqualTo(define(a, ones(length)));
                    assertThat(Reduction.on(device).products(a, b))
                            .isEqualTo(new Products(define(a, b), define(a, a), define(b, b)));
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 8})
    void taskVectorsAreFormedOnTheFly(int threads) {
        try (CpuDevice device = CpuDevice.open(threads)) {
            for (int length : LENGTHS) {
                Tensor gradient = Tensors.random(DType.F32, length, 1, null, 1);
                for (DType type : new DType[]{DType.F32, DType.BF16, DType.F64}) {
                    Tensor base = Tensors.random(DType.BF16, length, 2, null, 1);
                    List<Tensor> models = new ArrayList<>();
                    List<Double> taskVectors = new ArrayList<>();
                    List<Double> whole = new ArrayList<>();
                    for (int m = 0; m < 5; m++) {
                        Tensor model = Tensors.random(m == 3 ? DType.F16 : type, length, 10 + m, base, 0.1);
                        models.add(model);
                        Tensor difference = Tensors.zeros(DType.F64, length);
                        for (int i = 0; i < length; i++) {
                            Elements.set(difference, i, Elements.get(model, i) - Elements.get(base, i));
                        }
                        taskVectors.add(define(gradient, difference));
                        whole.add(define(gradient, model));
                    }
                    String where = "%s, %d elements, seed %d".formatted(type, length, Tensors.SEED);
                    assertThat(Reduction.on(device).taskVectorProducts(gradient, base, models)).as(where)
                            .containsExactly(taskVectors.stream().mapToDouble(Double::doubleValue).toArray());
                    assertThat(Reduction.on(device).taskVectorProducts(gradient, null, models)).as(where)
                            .containsExactly(whole.stream().mapToDouble(Double::doubleValue).toArray());
                }
                assertThat(Reduction.on(device).taskVectorProducts(gradient, gradient, List.of())).isEmpty();
            }
        }
    }

    /** The loss is a sum of squares of theta, so its gradient is 2 theta, and that by lambda is known in closed form. */
    @Test
    void taskVectorProductsAreTheGradientOfALossByTheCoefficients() {
        int length = 5000;
        double[] lambda = {0.3, -0.2, 0.5};
        Tensor base = Tensors.random(DType.F32, length, 1, null, 1);
        List<Tensor> models = new ArrayList<>();
        for (int m = 0; m < lambda.length; m++) {
            models.add(Tensors.random(DType.F32, length, 2 + m, base, 0.5));
        }
        Tensor theta = Tensors.zeros(DType.F64, length);
        Tensor gradient = Tensors.zeros(DType.F64, length);
        for (int i = 0; i < length; i++) {
            Elements.set(theta, i, theta(base, models, lambda, i));
            Elements.set(gradient, i, 2 * Elements.get(theta, i));
        }
        try (CpuDevice device = CpuDevice.open(2)) {
            double[] got = Reduction.on(device).taskVectorProducts(gradient, base, models);
            for (int m = 0; m < lambda.length; m++) {
                // A quadratic loss: its central difference is its derivative, whatever the step.
                double[] up = lambda.clone();
                double[] down = lambda.clone();
                up[m] += 0.5;
                down[m] -= 0.5;
                double wanted = 0;
                for (int i = 0; i < length; i++) {
                    double high = theta(base, models, up, i);
                    double low = theta(base, models, down, i);
                    wanted += high * high - low * low;
                }
                assertThat(got[m]).as("lambda %d, seed %d", m, Tensors.SEED)
                        .isCloseTo(wanted, withinPercentage(1e-7));
            }
        }
    }

    private static double theta(Tensor base, List<Tensor> models, double[] lambda, int i) {
        double sum = Elements.get(base, i);
        for (int m = 0; m < lambda.length; m++) {
            sum += lambda[m] * (Elements.get(models.get(m), i) - Elements.get(base, i));
        }
        return sum;
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
                    .hasMessage("a sum takes a tensor of an arithmetic type, got I64 [3]");
            assertThatThrownBy(() -> reduction.sum(Tensors.zeros(DType.BOOL, 3))).hasMessageContaining("BOOL [3]");
            assertThatThrownBy(() -> reduction.products(Tensors.zeros(DType.F32, 3), Tensors.zeros(DType.I8, 3)))
                    .hasMessageContaining("F32 [3] and I8 [3]");
            Tensor three = Tensors.zeros(DType.F32, 3);
            assertThatThrownBy(() -> reduction.taskVectorProducts(three, Tensors.zeros(DType.F32, 4), List.of()))
                    .hasMessageContaining("F32 [3] and F32 [4]");
            assertThatThrownBy(() -> reduction.taskVectorProducts(three, null, List.of(Tensors.zeros(DType.I8, 3))))
                    .hasMessageContaining("F32 [3] and I8 [3]");
        }
    }

    @Test
    void whatIsNotFiniteFollowsIeee() {
        try (CpuDevice device = CpuDevice.open(1)) {
            Reduction reduction = Reduction.on(device);
            double infinity = Double.POSITIVE_INFINITY;
            assertThat(reduction.sum(Tensors.of(DType.F32, 1, infinity, 2))).isEqualTo(infinity);
            assertThat(reduction.sum(Tensors.of(DType.BF16, infinity, -infinity))).isNaN();
            assertThat(reduction.sum(Tensors.of(DType.F32, -0.0))).isEqualTo(0.0);
            assertThat(reduction.products(Tensors.of(DType.F16, 0, 1), Tensors.of(DType.F16, -infinity, 1)))
                    .isEqualTo(new Products(Double.NaN, 1, infinity));
        }
    }

    static Tensor ones(int length) {
        double[] values = new double[length];
        Arrays.fill(values, 1);
        return Tensors.of(DType.F32, values);
    }

    /** The definition, element by element; the sum of elements is that of their products with 1. */
    static double define(Tensor a, Tensor b) {
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
        return fold(sums.stream().mapToDouble(Double::doubleValue).toArray());
    }

    /** Pairs of neighbours, level by level. */
    static double fold(double[] sums) {
        if (sums.length < 2) {
            return sums.length == 0 ? 0 : sums[0];
        }
        double[] level = new double[(sums.length + 1) / 2];
        for (int i = 0; i < level.length; i++) {
            level[i] = 2 * i + 1 < sums.length ? sums[2 * i] + sums[2 * i + 1] : sums[2 * i];
        }
        return fold(level);
    }
}
