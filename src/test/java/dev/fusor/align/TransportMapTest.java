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
    void shuffledNetworksAreAlignedExactly() {
        for (int[] widths : new int[][]{{3, 2}, {4, 1, 2}, {5, 33, 40, 3}}) {
            List<DenseLayer> network = network(widths, true);
            List<DenseLayer> shuffled = duplicated(network, 1);
            List<DenseLayer> aligned = TransportAlignment.align(device, shuffled, network,
                    costs -> TransportMap.exact(device, costs));
            for (int i = 0; i < network.size(); i++) {
                assertThat(Tensors.values(aligned.get(i).weights())).as("layer %d, seed %d", i, SEED)
                        .isEqualTo(Tensors.values(network.get(i).weights()));
                assertThat(Tensors.values(aligned.get(i).biases())).isEqualTo(Tensors.values(network.get(i).biases()));
            }
        }
    }

    /** Every hidden unit twice, in any order, each with half of what it leads to: the same function of another width. */
    @Test
    void networksOfOtherWidthsAreAligned() {
        List<DenseLayer> network = network(new int[]{5, 9, 6, 3}, false);
        List<DenseLayer> wide = duplicated(network, 2);
        List<DenseLayer> widened = TransportAlignment.align(device, network, wide,
                costs -> TransportMap.exact(device, costs));
        List<DenseLayer> narrowed = TransportAlignment.align(device, wide, network,
                costs -> TransportMap.exact(device, costs));
        for (int i = 0; i < network.size(); i++) {
            assertThat(Tensors.values(widened.get(i).weights())).as("layer %d, seed %d", i, SEED)
                    .isEqualTo(Tensors.values(wide.get(i).weights()));
            assertThat(Tensors.values(narrowed.get(i).weights())).as("layer %d, seed %d", i, SEED)
                    .isEqualTo(Tensors.values(network.get(i).weights()));
            assertThat(widened.get(i).biases()).isNull();
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
        List<DenseLayer> chain = network(new int[]{2, 3, 2}, true);
        assertThatThrownBy(() -> align(chain, List.of()))
                .hasMessage("chains have as many layers, 1 or more, got 2 and 0");
        assertThatThrownBy(() -> align(chain, network(new int[]{2, 3, 4}, true)))
                .hasMessage("chains have the same inputs and outputs, got 2 to 2 and 2 to 4");
        assertThatThrownBy(() -> align(chain, network(new int[]{2, 3, 2}, false)))
                .hasMessage("layer 0 has biases in one chain only");
        assertThatThrownBy(() -> align(chain, List.of(chain.get(0), network(new int[]{4, 2}, true).get(0))))
                .hasMessage("layer 1 takes 4 inputs, layer 0 before it has 3 outputs");
        assertThatThrownBy(() -> new DenseLayer(Tensors.zeros(DType.F32, 3), null))
                .hasMessage("the weights of a layer are numbers of shape [outputs, inputs], got F32 [3]");
        assertThatThrownBy(() -> new DenseLayer(chain.get(0).weights(), Tensors.zeros(DType.F32, 2)))
                .hasMessage("a layer of weights F32 [3, 2] has a bias for each output, got F32 [2]");
    }

    private List<DenseLayer> align(List<DenseLayer> first, List<DenseLayer> second) {
        return TransportAlignment.align(device, first, second, costs -> TransportMap.exact(device, costs));
    }

    private static List<DenseLayer> network(int[] widths, boolean biases) {
        List<DenseLayer> layers = new ArrayList<>();
        for (int i = 0; i + 1 < widths.length; i++) {
            layers.add(new DenseLayer(
                    Tensor.of(Tensors.random(DType.F32, (long) widths[i] * widths[i + 1], i, null, 1).data(), DType.F32,
                            Shape.of(widths[i + 1], widths[i])),
                    biases ? Tensors.random(DType.F32, widths[i + 1], 100 + i, null, 1) : null));
        }
        return layers;
    }

    /** Every hidden unit some times, shuffled; the weights that lead out of it divided by that. */
    private static List<DenseLayer> duplicated(List<DenseLayer> network, int times) {
        Random random = new Random(SEED);
        List<DenseLayer> out = new ArrayList<>();
        List<Integer> inputs = units(network.getFirst().inputs(), 1);
        for (int i = 0; i < network.size(); i++) {
            boolean last = i == network.size() - 1;
            List<Integer> outputs = units(network.get(i).outputs(), last ? 1 : times);
            if (!last) {
                Collections.shuffle(outputs, random);
            }
            Tensor weights = Tensor.allocate(Arena.ofAuto(), DType.F32, outputs.size(), inputs.size());
            Tensor biases = Tensors.zeros(DType.F32, outputs.size());
            for (int o = 0; o < outputs.size(); o++) {
                for (int k = 0; k < inputs.size(); k++) {
                    double weight = Elements.get(network.get(i).weights(),
                            outputs.get(o) * network.get(i).inputs() + inputs.get(k));
                    Elements.set(weights, (long) o * inputs.size() + k, i == 0 ? weight : weight / times);
                }
                if (network.get(i).biases() != null) {
                    Elements.set(biases, o, Elements.get(network.get(i).biases(), outputs.get(o)));
                }
            }
            out.add(new DenseLayer(weights, network.get(i).biases() == null ? null : biases));
            inputs = outputs;
        }
        return out;
    }

    private static List<Integer> units(long count, int times) {
        List<Integer> units = new ArrayList<>();
        for (int i = 0; i < count * times; i++) {
            units.add(i / times);
        }
        return units;
    }

    private static int lcm(int a, int b) {
        int multiple = a;
        while (multiple % b != 0) {
            multiple += a;
        }
        return multiple;
    }
}
