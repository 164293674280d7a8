package dev.fusor.assign;

import dev.fusor.assign.Sinkhorn.Outcome;
import dev.fusor.assign.Sinkhorn.Settings;
import dev.fusor.device.CpuDevice;
import dev.fusor.simd.FloatMath;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class SinkhornTest {
    private static final long SEED = Tensors.SEED;

    @ParameterizedTest
    @CsvSource({"1,1,1", "1,7,2", "7,1,1", "5,9,3", "16,17,2", "257,33,2", "33,511,1", "40,513,8", "600,600,2"})
    void agreesWithItsDefinitionBitForBit(int rows, int columns, int threads) {
        for (double regularisation : new double[]{0.05, 1}) {
            Tensor costs = costs(rows, columns);
            double[] a = masses(rows, 1);
            double[] b = masses(columns, 2);
            Tensor plan = misaligned(rows, columns);
            Outcome outcome;
            try (CpuDevice device = CpuDevice.open(threads)) {
                outcome = Sinkhorn.on(device).solve(costs, a, b, new Settings(regularisation, 7, 1e-4), plan);
            }
            float[] wanted = new float[rows * columns];
            Outcome defined = define(costs, a, b, regularisation, wanted);
            String what = "%d by %d, regularisation %s, seed %d".formatted(rows, columns, regularisation, SEED);
            assertThat(outcome).as(what).isEqualTo(defined);
            double[] got = Tensors.values(plan);
            for (int i = 0; i < got.length; i++) {
                assertThat(got[i]).as("%s, entry %d", what, i).isEqualTo(wanted[i]);
            }
        }
    }

    /** The plan of least cost plus entropy is exp(f_i + g_j - c_ij over the regularisation) with these sums, and nothing else is. */
    @Test
    void rowsAndColumnsHaveTheirSums() {
        int rows = 70;
        int columns = 90;
        Tensor plan = Tensor.allocate(Arena.ofAuto(), DType.F32, rows, columns);
        double[] a = masses(rows, 1);
        double[] b = masses(columns, 2);
        Outcome outcome;
        try (CpuDevice device = CpuDevice.open(2)) {
            outcome = Sinkhorn.on(device).solve(costs(rows, columns), a, b, new Settings(0.1, 500, 1e-5), plan);
        }
        assertThat(outcome.converged()).as("seed %d", SEED).isTrue();
        double[] p = Tensors.values(plan);
        double off = 0;
        for (int i = 0; i < rows; i++) {
            double sum = 0;
            for (int j = 0; j < columns; j++) {
                sum += p[i * columns + j];
            }
            off += Math.abs(sum - a[i]);
        }
        // 1e-5 was asked for; logarithms of magnitude 16 carry 2^-20 each.
        assertThat(off).as("seed %d", SEED).isLessThan(1e-5 + 32 * 0x1p-20);
        for (int j = 0; j < columns; j++) {
            double sum = 0;
            for (int i = 0; i < rows; i++) {
                sum += p[i * columns + j];
            }
            assertThat(Math.abs(sum / b[j] - 1)).as("column %d, seed %d", j, SEED).isLessThan(32 * 0x1p-20);
        }
    }

    /** Column i + 5 is by 1 cheaper for row i than any other. */
    @Test
    void aSmallRegularisationGivesTheAssignment() {
        int units = 12;
        Tensor costs = costs(units, units);
        for (long i = 0; i < units; i++) {
            Elements.set(costs, i * units + (i + 5) % units, -1);
        }
        Tensor plan = Tensor.allocate(Arena.ofAuto(), DType.F32, units, units);
        double[] ones = new double[units];
        Arrays.fill(ones, 1);
        try (CpuDevice device = CpuDevice.open(1)) {
            Sinkhorn.on(device).solve(costs, ones, ones, new Settings(0.05, 100, 0), plan);
        }
        for (int i = 0; i < units; i++) {
            // What is left for others: eleven pairs of exp(-1 / 0.05) each.
            assertThat(Elements.get(plan, (long) i * units + (i + 5) % units)).as("row %d, seed %d", i, SEED)
                    .isGreaterThan(1 - 1e-6);
        }
    }

    @Test
    void wrongInputIsNamed() {
        try (CpuDevice device = CpuDevice.open(2); Arena mine = Arena.ofConfined()) {
            Sinkhorn sinkhorn = Sinkhorn.on(device);
            Settings settings = new Settings(1e-3, 1, 0);
            Tensor costs = Tensor.allocate(Arena.ofAuto(), DType.F32, 2, 1);
            Tensor plan = Tensor.allocate(Arena.ofAuto(), DType.F32, 2, 1);
            double[] halves = {0.5, 0.5};
            double[] one = {1};
            assertThatThrownBy(() -> sinkhorn.solve(costs, one, one, settings, plan))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("costs of 1 rows and 1 columns are F32 [1, 1], got F32 [2, 1]");
            assertThatThrownBy(() -> sinkhorn.solve(costs, halves, one, settings, Tensors.zeros(DType.F32, 2)))
                    .hasMessage("the plan of costs F32 [2, 1] has their type and shape, got F32 [2]");
            assertThatThrownBy(() -> sinkhorn.solve(costs, new double[]{1, 0}, one, settings, plan))
                    .hasMessage("the sum of row 1 is a positive float32, got 0.0");
            assertThatThrownBy(() -> sinkhorn.solve(costs, halves, new double[]{Double.NaN}, settings, plan))
                    .hasMessage("the sum of column 0 is a positive float32, got NaN");
            assertThatThrownBy(() -> sinkhorn.solve(costs, halves, new double[]{1.1}, settings, plan))
                    .hasMessage("rows and columns of a plan have the same total, got 1.0 and 1.1");
            assertThatThrownBy(() -> sinkhorn.solve(costs, halves, one, settings,
                    Tensor.allocate(mine, DType.F32, 2, 1))).hasMessageContaining("wanted a shared or automatic arena");
            Elements.set(costs, 1, 1e37);
            assertThatThrownBy(() -> sinkhorn.solve(costs, halves, one, settings, plan)).hasMessage(
                    "the cost at [1, 0] is 9.999999933815813E36: wanted numbers that are finite in float32, divided by the regularisation too");
            assertThat(sinkhorn.solve(Tensor.allocate(Arena.ofAuto(), DType.F32, 0, 1), new double[0], one, settings,
                    Tensor.allocate(Arena.ofAuto(), DType.F32, 0, 1))).isEqualTo(new Outcome(0, 0, true));
        }
        assertThatThrownBy(() -> new Settings(0, 1, 0)).isInstanceOf(IllegalArgumentException.class).hasMessage(
                "Sinkhorn takes a positive regularisation, 1 or more iterations and a tolerance from 0, got 0.0, 1 and 0.0");
    }

    private static Outcome define(Tensor costs, double[] a, double[] b, double regularisation, float[] plan) {
        float r = (float) (-1 / regularisation);
        float[][] c = new float[a.length][b.length];
        float[][] turned = new float[b.length][a.length];
        for (int i = 0; i < a.length; i++) {
            for (int j = 0; j < b.length; j++) {
                c[i][j] = (float) Elements.get(costs, (long) i * b.length + j);
                turned[j][i] = c[i][j];
            }
        }
        float[] u = new float[a.length];
        float[] v = new float[b.length];
        int iterations = 0;
        double error = 1;
        while (iterations < 7 && error > 1e-4) {
            for (int i = 0; i < a.length; i++) {
                u[i] = FloatMath.log((float) a[i]) - logSum(c[i], r, v);
            }
            for (int j = 0; j < b.length; j++) {
                v[j] = FloatMath.log((float) b[j]) - logSum(turned[j], r, u);
            }
            iterations++;
            error = 0;
            for (int i = 0; i < a.length; i++) {
                error += Math.abs((float) a[i] - (double) FloatMath.exp(u[i] + logSum(c[i], r, v)));
            }
        }
        for (int i = 0; i < a.length; i++) {
            for (int j = 0; j < b.length; j++) {
                plan[i * b.length + j] = FloatMath.exp(Math.fma(c[i][j], r, u[i]) + v[j]);
            }
        }
        return new Outcome(iterations, error, error <= 1e-4);
    }

    private static float logSum(float[] costs, float r, float[] potentials) {
        float greatest = Float.NEGATIVE_INFINITY;
        for (int k = 0; k < costs.length; k++) {
            greatest = Math.max(greatest, Math.fma(costs[k], r, potentials[k]));
        }
        float sum = 0;
        for (int from = 0; from < costs.length; from += 256) {
            float chunk = 0;
            for (int k = from; k < Math.min(from + 256, costs.length); k++) {
                chunk += FloatMath.exp(Math.fma(costs[k], r, potentials[k]) - greatest);
            }
            sum += chunk;
        }
        return greatest + FloatMath.log(sum);
    }

    private static Tensor costs(int rows, int columns) {
        SplittableRandom random = new SplittableRandom(SEED);
        Tensor costs = misaligned(rows, columns);
        for (long i = 0; i < costs.elements(); i++) {
            Elements.set(costs, i, random.nextDouble());
        }
        return costs;
    }

    private static Tensor misaligned(int rows, int columns) {
        return Tensor.of(Tensors.misaligned(DType.F32, (long) rows * columns).data(), DType.F32,
                Shape.of(rows, columns));
    }

    /** Positive, of total 1. */
    private static double[] masses(int count, long seed) {
        SplittableRandom random = new SplittableRandom(SEED + seed);
        double[] masses = random.doubles(count, 0.5, 1).toArray();
        double total = Arrays.stream(masses).sum();
        return Arrays.stream(masses).map(mass -> mass / total).toArray();
    }
}
