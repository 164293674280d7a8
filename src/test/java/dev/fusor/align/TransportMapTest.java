package dev.fusor.align;

import dev.fusor.assign.Sinkhorn;
import dev.fusor.device.CpuDevice;
import dev.fusor.linalg.Units;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class TransportMapTest {
    private static final long SEED = Tensors.SEED;

    private final CpuDevice device = CpuDevice.open(2);

    @AfterEach
    void close() {
        device.close();
    }

    /** Integer costs, so that costs of plans are exact; the least over all plans of parts is found by trying every plan. */
    @ParameterizedTest
    @CsvSource({"1,1", "1,4", "4,1", "2,3", "3,2", "2,4", "4,4"})
    void anExactMapCostsTheLeast(int from, int to) {
        SplittableRandom random = new SplittableRandom(SEED);
        for (int round = 0; round < 20; round++) {
            Tensor costs = Tensor.allocate(Arena.ofAuto(), DType.F32, from, to);
            for (long i = 0; i < costs.elements(); i++) {
                Elements.set(costs, i, random.nextInt(20));
            }
            double[] map = Tensors.values(TransportMap.exact(device, costs).weights());
            int parts = lcm(from, to);
            double[] rows = new double[from];
            double cost = 0;
            for (int i = 0; i < from; i++) {
                for (int j = 0; j < to; j++) {
                    double units = map[i * to + j] * (parts / to);
                    assertThat(Math.abs(units - Math.rint(units))).isLessThan(1e-6);
                    rows[i] += Math.rint(units);
                    cost += Math.rint(units) * Elements.get(costs, (long) i * to + j);
                }
            }
            assertThat(rows).containsOnly(parts / from);
            int[] left = new int[to];
            Arrays.fill(left, parts / to);
            assertThat(cost).as("%d to %d, round %d, seed %d", from, to, round, SEED)
                    .isEqualTo(least(costs, from, to, 0, parts / from, 0, left));
        }
    }

    /** The least cost of sending what is left of a row, and all rows after it, to columns from one on. */
    private static double least(Tensor costs, int from, int to, int row, int supply, int column, int[] left) {
        if (row == from) {
            return 0;
        }
        if (supply == 0) {
            return least(costs, from, to, row + 1, lcm(from, to) / from, 0, left);
        }
        double best = Double.POSITIVE_INFINITY;
        for (int j = column; j < to; j++) {
            if (left[j] > 0) {
                left[j]--;
                best = Math.min(best, Elements.get(costs, (long) row * to + j)
                        + least(costs, from, to, row, supply - 1, j, left));
                left[j]++;
            }
        }
        return best;
    }

    @Test
    void distancesAreThoseOfTheDefinition() {
        SplittableRandom random = new SplittableRandom(SEED);
        Tensor a = Tensor.allocate(Arena.ofAuto(), DType.BF16, 5, 300);
        Tensor b = Tensor.allocate(Arena.ofAuto(), DType.F32, 300, 7);
        for (Tensor tensor : List.of(a, b)) {
            for (long i = 0; i < tensor.elements(); i++) {
                Elements.set(tensor, i, random.nextInt(-9, 10));
            }
        }
        Tensor distances = TransportMap.squaredDistances(device, Units.along(a, 0), Units.along(b, 1));
        for (int i = 0; i < 5; i++) {
            for (int j = 0; j < 7; j++) {
                double sum = 0;
                for (int k = 0; k < 300; k++) {
                    double difference = Elements.get(a, i * 300L + k) - Elements.get(b, k * 7L + j);
                    sum += difference * difference;
                }
                assertThat(Elements.get(distances, i * 7L + j)).as("seed %d", SEED).isEqualTo(sum);
            }
        }
    }

    @Test
    void entropicMapsTakeMeans() {
        Tensor costs = Tensor.allocate(Arena.ofAuto(), DType.F32, 3, 4);
        TransportMap map = TransportMap.entropic(device, costs, new Sinkhorn.Settings(1, 10, 1e-3));
        double[] weights = Tensors.values(map.weights());
        for (double weight : weights) {
            assertThat(Math.abs(weight - 1.0 / 3)).isLessThan(1e-6);
        }
        Tensor matrix = Tensor.of(Tensors.of(DType.F32, 3, 6, 12).data(), DType.F32, Shape.of(3, 1));
        for (double mean : Tensors.values(map.rows(matrix))) {
            assertThat(Math.abs(mean - 7)).isLessThan(1e-5);
        }
    }

    @Test
    void wrongInputIsNamed() {
        assertThatThrownBy(() -> TransportMap.exact(device, Tensors.zeros(DType.F32, 3)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("costs are F32 of shape [units, units of the other], 1 or more each, got F32 [3]");
        assertThatThrownBy(() -> TransportMap.exact(device, Tensor.allocate(Arena.ofAuto(), DType.F32, 127, 131)))
                .hasMessage(
                        "an exact plan from 127 to 131 units has 16637 parts, more than 16384: take an entropic one");
    }

    private static int lcm(int a, int b) {
        int multiple = a;
        while (multiple % b != 0) {
            multiple += a;
        }
        return multiple;
    }
}
