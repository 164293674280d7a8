package dev.fusor.align;

import dev.fusor.align.ActivationStatistics.Measure;
import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class ActivationStatisticsTest {
    private static final long SEED = Tensors.SEED;

    private final CpuDevice device = CpuDevice.open(2);

    @AfterEach
    void close() {
        device.close();
    }

    @ParameterizedTest
    @CsvSource({"1,1,1,1", "3,2,1,5", "4,4,1,256", "33,65,3,100", "5,7,2,257"})
    void agreeWithTheirDefinitionBitForBit(int n, int m, int batches, int rows) {
        ActivationStatistics statistics = new ActivationStatistics(device, n, m);
        List<Tensor> a = new ArrayList<>();
        List<Tensor> b = new ArrayList<>();
        for (int batch = 0; batch < batches; batch++) {
            a.add(activations(rows + batch, n, 2 * batch, batch % 2 == 0 ? DType.F32 : DType.BF16));
            b.add(activations(rows + batch, m, 2 * batch + 1, DType.F32));
            statistics.add(a.getLast(), b.getLast());
        }
        Definition x = new Definition(a, n);
        Definition y = new Definition(b, m);
        for (int i = 0; i < n; i++) {
            assertThat(statistics.first().means()[i]).isEqualTo(x.origin[i] + x.sum[i] / x.rows);
            assertThat(statistics.first().deviations()[i]).as("unit %d, seed %d", i, SEED)
                    .isEqualTo(Math.sqrt(Math.max(0, (x.square[i] - x.sum[i] * x.sum[i] / x.rows) / x.rows)));
            for (int j = 0; j < m; j++) {
                double s = product(x, y, i, j);
                double moment = ((s + x.origin[i] * y.sum[j]) + y.origin[j] * x.sum[i]) / x.rows
                        + (double) x.origin[i] * y.origin[j];
                double spread = Math.sqrt(x.square[i] - x.sum[i] * x.sum[i] / x.rows)
                        * Math.sqrt(y.square[j] - y.sum[j] * y.sum[j] / y.rows);
                double correlation = spread > 0 ? (s - x.sum[i] * y.sum[j] / x.rows) / spread : 0;
                String what = "units %d and %d, seed %d".formatted(i, j, SEED);
                assertThat(Elements.get(statistics.similarities(Measure.MOMENT), (long) i * m + j)).as(what)
                        .isEqualTo((float) moment);
                assertThat(Elements.get(statistics.similarities(Measure.CORRELATION), (long) i * m + j)).as(what)
                        .isEqualTo((float) correlation);
            }
        }
        assertThat(statistics.rows()).isEqualTo(x.rows);
    }

    /** Means a thousand times the deviations: what float32 sums of raw products would lose. */
    @Test
    void correlationsSurviveLargeMeans() {
        int rows = 3000;
        Tensor a = Tensor.allocate(Arena.ofAuto(), DType.F32, rows, 2);
        SplittableRandom random = new SplittableRandom(SEED);
        double[][] columns = new double[2][rows];
        for (int r = 0; r < rows; r++) {
            double x = random.nextGaussian();
            Elements.set(a, 2L * r, 1000 + x);
            Elements.set(a, 2L * r + 1, -2000 + 0.5 * x + random.nextGaussian());
            columns[0][r] = Elements.get(a, 2L * r);
            columns[1][r] = Elements.get(a, 2L * r + 1);
        }
        ActivationStatistics statistics = new ActivationStatistics(device, 2, 2);
        statistics.add(rows(a, 0, 1000), rows(a, 0, 1000));
        statistics.add(rows(a, 1000, 2000), rows(a, 1000, 2000));
        Tensor correlations = statistics.similarities(Measure.CORRELATION);
        // Twelve chunks of 256 products of magnitude 1 summed in float32: below 300 roundings of 2^-24 each.
        assertThat(Math.abs(Elements.get(correlations, 1) - pearson(columns[0], columns[1]))).isLessThan(300 * 0x1p-24);
        assertThat(Math.abs(Elements.get(correlations, 0) - 1)).isLessThan(300 * 0x1p-24);
    }

    @Test
    void findThePermutationOfShuffledUnits() {
        int units = 40;
        int[] order = WeightMatchingTest.shuffled(WeightMatchingTest.perceptron(1, units, 1), 1)
                .of(new PermutationGroup("hidden0", units));
        for (Measure measure : Measure.values()) {
            ActivationStatistics statistics = new ActivationStatistics(device, units, units);
            for (int batch = 0; batch < 3; batch++) {
                Tensor a = activations(200, units, batch, DType.F32);
                Tensor b = Tensor.allocate(Arena.ofAuto(), DType.BF16, 200, units);
                for (int r = 0; r < 200; r++) {
                    for (int i = 0; i < units; i++) {
                        Elements.set(b, (long) r * units + order[i], Elements.get(a, (long) r * units + i));
                    }
                }
                statistics.add(a, b);
            }
            assertThat(statistics.match(measure)).as("%s, seed %d", measure, SEED).containsExactly(order);
        }
    }

    @Test
    void aUnitThatDoesNotVaryCorrelatesWithNothing() {
        ActivationStatistics statistics = new ActivationStatistics(device, 2, 2);
        Tensor batch = Tensor.of(Tensors.of(DType.F32, 7, 1, 7, 2, 7, 4).data(), DType.F32, Shape.of(3, 2));
        statistics.add(batch, batch);
        assertThat(Tensors.values(statistics.similarities(Measure.CORRELATION))).startsWith(0, 0, 0);
        assertThat(statistics.first().means()[0]).isEqualTo(7);
        assertThat(statistics.first().deviations()[0]).isEqualTo(0);
    }

    @Test
    void wrongActivationsAreNamed() {
        ActivationStatistics statistics = new ActivationStatistics(device, 2, 3);
        Tensor two = Tensor.allocate(Arena.ofAuto(), DType.F32, 4, 2);
        Tensor three = Tensor.allocate(Arena.ofAuto(), DType.F32, 5, 3);
        assertThatThrownBy(() -> statistics.add(three, three)).isInstanceOf(IllegalArgumentException.class)
                .hasMessage("activations of 2 units are numbers of shape [rows, 2], got F32 [5, 3]");
        assertThatThrownBy(() -> statistics.add(two, three))
                .hasMessage("activations of two models have a row for each input, got F32 [4, 2] and F32 [5, 3]");
        statistics.add(Tensor.allocate(Arena.ofAuto(), DType.F32, 0, 2),
                Tensor.allocate(Arena.ofAuto(), DType.F32, 0, 3));
        assertThatThrownBy(() -> statistics.similarities(Measure.MOMENT)).isInstanceOf(IllegalStateException.class)
                .hasMessage("no activations were added: add at least one row first");
        assertThatThrownBy(() -> statistics.match(Measure.MOMENT))
                .hasMessage("a permutation matches as many units, got 2 and 3");
        Tensor nan = Tensor.allocate(Arena.ofAuto(), DType.F32, 5, 2);
        Elements.set(nan, 3, Double.NaN);
        statistics.add(nan, three);
        assertThatThrownBy(() -> statistics.similarities(Measure.MOMENT)).isInstanceOf(IllegalArgumentException.class)
                .hasMessage("unit 1 of the first model had an activation that is NaN or infinite");
        assertThatThrownBy(() -> new ActivationStatistics(device, 0, 1))
                .hasMessage("activations are of 1 or more units, got 0 and 1");
    }

    /** Rows one by one; products in chunks of 256 rows from each batch's first. */
    private static final class Definition {
        private final float[] origin;
        private final double[] sum;
        private final double[] square;
        private final List<float[][]> shifted = new ArrayList<>();
        private long rows;

        Definition(List<Tensor> batches, int units) {
            origin = new float[units];
            sum = new double[units];
            square = new double[units];
            for (Tensor batch : batches) {
                int count = (int) batch.shape().extent(0);
                float[][] deviations = new float[units][count];
                for (int i = 0; i < units; i++) {
                    if (shifted.isEmpty()) {
                        double total = 0;
                        for (int r = 0; r < count; r++) {
                            total += Elements.get(batch, (long) r * units + i);
                        }
                        origin[i] = (float) (total / count);
                    }
                    for (int r = 0; r < count; r++) {
                        float x = (float) Elements.get(batch, (long) r * units + i) - origin[i];
                        deviations[i][r] = x;
                        sum[i] += x;
                        square[i] += (double) x * x;
                    }
                }
                shifted.add(deviations);
                rows += count;
            }
        }
    }

    private static float product(Definition x, Definition y, int i, int j) {
        float sum = 0;
        for (int batch = 0; batch < x.shifted.size(); batch++) {
            float[] a = x.shifted.get(batch)[i];
            float[] b = y.shifted.get(batch)[j];
            for (int from = 0; from < a.length; from += 256) {
                float chunk = 0;
                for (int r = from; r < Math.min(a.length, from + 256); r++) {
                    chunk = Math.fma(a[r], b[r], chunk);
                }
                sum += chunk;
            }
        }
        return sum;
    }

    private static double pearson(double[] x, double[] y) {
        double meanX = 0;
        double meanY = 0;
        for (int i = 0; i < x.length; i++) {
            meanX += x[i] / x.length;
            meanY += y[i] / y.length;
        }
        double xy = 0;
        double xx = 0;
        double yy = 0;
        for (int i = 0; i < x.length; i++) {
            xy += (x[i] - meanX) * (y[i] - meanY);
            xx += (x[i] - meanX) * (x[i] - meanX);
            yy += (y[i] - meanY) * (y[i] - meanY);
        }
        return xy / Math.sqrt(xx * yy);
    }

    private static Tensor activations(int rows, int units, long seed, DType type) {
        return Tensor.of(Tensors.random(type, (long) rows * units, seed, null, 1).data(), type, Shape.of(rows, units));
    }

    private static Tensor rows(Tensor tensor, long from, long count) {
        long units = tensor.shape().extent(1);
        return Tensor.of(tensor.slice(from * units, count * units).data(), tensor.dtype(), Shape.of(count, units));
    }
}
