package dev.fusor.align;

import dev.fusor.align.ActivationStatistics.Measure;
import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class UnitCorrectionTest {
    private static final UnitStatistics FIRST = new UnitStatistics(new double[]{1, 5}, new double[]{2, 3});
    private static final UnitStatistics SECOND = new UnitStatistics(new double[]{3, -3}, new double[]{4, 1});

    @Test
    void meansAndDeviationsBecomeThoseBetweenTheEndpoints() {
        UnitStatistics merged = new UnitStatistics(new double[]{10, 1}, new double[]{1.25, 0});
        UnitCorrection correction = UnitCorrection.between(FIRST, SECOND, 0.25, merged);
        assertThat(correction.scales()).containsExactly(2.5 / 1.25, 1);
        assertThat(correction.shifts()).containsExactly(1.5 - 2 * 10, 3 - 1);
    }

    @Test
    void theVarianceOfInterpolatedUnitsFollowsFromTheirCorrelation() {
        UnitStatistics half = UnitCorrection.interpolated(FIRST, SECOND, new double[]{1, -1}, 0.5);
        assertThat(half.means()).containsExactly(2, 1);
        assertThat(half.deviations()).containsExactly(3, 1);
        assertThat(UnitCorrection.interpolated(FIRST, SECOND, new double[]{0, 0}, 0.5).deviations())
                .containsExactly(Math.sqrt(5), Math.sqrt(2.5));
        assertThat(UnitCorrection.interpolated(FIRST, SECOND, new double[]{-1, -1.000001}, 0.25).deviations()[1])
                .isGreaterThan(0);
        assertThat(UnitCorrection.interpolated(FIRST, FIRST, new double[]{-1, -1.000001}, 0.5).deviations())
                .containsExactly(0, 0);
    }

    /** A layer of two models interpolated by weights, statistics of the outputs before and after: no data pass in between. */
    @Test
    void aCorrectedLayerHasTheStatisticsThatWereWanted() {
        int rows = 500;
        int inputs = 6;
        int units = 4;
        double t = 0.4;
        double[] x = Tensors.values(Tensors.random(DType.F64, rows * inputs, 1, null, 1));
        double[] w0 = Tensors.values(Tensors.random(DType.F64, units * inputs, 2, null, 1));
        double[] w1 = Tensors.values(Tensors.random(DType.F64, units * inputs, 3, null, 1));
        double[] b0 = Tensors.values(Tensors.random(DType.F64, units, 4, null, 1));
        double[] b1 = Tensors.values(Tensors.random(DType.F64, units, 5, null, 1));
        try (CpuDevice device = CpuDevice.open(1)) {
            ActivationStatistics ends = new ActivationStatistics(device, units, units);
            ends.add(layer(x, w0, b0, rows), layer(x, w1, b1, rows));
            Tensor correlations = ends.similarities(Measure.CORRELATION);
            double[] partners = new double[units];
            for (int i = 0; i < units; i++) {
                partners[i] = Elements.get(correlations, (long) i * units + i);
            }
            Tensor weights = Tensor.allocate(Arena.ofAuto(), DType.F64, units, inputs);
            Tensor biases = Tensor.allocate(Arena.ofAuto(), DType.F64, units);
            for (int i = 0; i < w0.length; i++) {
                Elements.set(weights, i, (1 - t) * w0[i] + t * w1[i]);
            }
            for (int i = 0; i < units; i++) {
                Elements.set(biases, i, (1 - t) * b0[i] + t * b1[i]);
            }
            UnitCorrection correction = UnitCorrection.between(ends.first(), ends.second(), t,
                    UnitCorrection.interpolated(ends.first(), ends.second(), partners, t));
            correction.applyToWeights(weights, 0);
            correction.applyToBiases(biases);
            ActivationStatistics after = new ActivationStatistics(device, units, units);
            Tensor output = layer(x, Tensors.values(weights), Tensors.values(biases), rows);
            after.add(output, output);
            for (int i = 0; i < units; i++) {
                double mean = (1 - t) * ends.first().means()[i] + t * ends.second().means()[i];
                double deviation = (1 - t) * ends.first().deviations()[i] + t * ends.second().deviations()[i];
                // Statistics are of activations in float32, correlations of sums in it.
                assertThat(Math.abs(after.first().means()[i] - mean)).as("seed %d", Tensors.SEED).isLessThan(1e-4);
                assertThat(Math.abs(after.first().deviations()[i] / deviation - 1)).as("seed %d", Tensors.SEED)
                        .isLessThan(1e-3);
            }
        }
    }

    @Test
    void weightsAreScaledAlongAnyAxisAndRoundedOnce() {
        Tensor weights = Tensor.of(Tensors.of(DType.BF16, 1, 3, 5, 7, 9, 11, 13, 15).data(), DType.BF16,
                Shape.of(2, 2, 2));
        new UnitCorrection(new double[]{2, 1.0 / 3}, new double[]{0, 0}).applyToWeights(weights, 1);
        assertThat(Tensors.values(weights)).containsExactly(2, 6, bf16(5 / 3.0), bf16(7 / 3.0), 18, 22,
                bf16(13 / 3.0), 5);
    }

    @Test
    void wrongUnitsAreNamed() {
        UnitStatistics one = new UnitStatistics(new double[1], new double[1]);
        assertThatThrownBy(() -> UnitCorrection.between(FIRST, one, 0.5, FIRST))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("statistics are of the same units, got 2 and 1");
        assertThatThrownBy(() -> new UnitStatistics(new double[1], new double[]{-1}))
                .hasMessage("the deviation of unit 0 is 0 or more, got -1.0");
        assertThatThrownBy(() -> new UnitStatistics(new double[1], new double[2]))
                .hasMessage("statistics are a mean and a deviation for each unit, got 1 and 2");
        UnitCorrection correction = new UnitCorrection(new double[2], new double[2]);
        assertThatThrownBy(() -> correction.applyToWeights(Tensors.zeros(DType.F32, 3), 0))
                .hasMessage("a correction of 2 units does not fit axis 0 of F32 [3]");
        assertThatThrownBy(() -> correction.applyToBiases(Tensors.zeros(DType.F32, 3)))
                .hasMessage("a correction of 2 units takes as many biases, got F32 [3]");
        assertThatThrownBy(() -> new UnitCorrection(new double[2], new double[1]))
                .hasMessage("a correction is a scale and a shift for each unit, got 2 and 1");
    }

    private static double bf16(double value) {
        return Tensors.values(Tensors.of(DType.BF16, value))[0];
    }

    private static Tensor layer(double[] x, double[] weights, double[] biases, int rows) {
        int units = biases.length;
        int inputs = weights.length / units;
        Tensor out = Tensor.allocate(Arena.ofAuto(), DType.F32, rows, units);
        for (int r = 0; r < rows; r++) {
            for (int i = 0; i < units; i++) {
                double sum = biases[i];
                for (int k = 0; k < inputs; k++) {
                    sum += weights[i * inputs + k] * x[r * inputs + k];
                }
                Elements.set(out, (long) r * units + i, sum);
            }
        }
        return out;
    }
}
