package dev.fusor.method;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

class BreadcrumbsTest {
    private static final double[] WEIGHTS = {0.4, -0.7, 1.1};

    @Test
    void agreesWithItsDefinitionBitForBit() {
        double[][] pairs = {{0.5, 0.01}, {0.2, 0.3}, {0.9, 0.2}, {0.4, 0}, {1, 0.5}, {0, 0.1}, {0.3, 1}};
        for (DType type : SparseMerges.TYPES) {
            for (int length : new int[]{0, 1, 2, 5, 15, 16, 17, 99, 100, 1023, 1025, 5003}) {
                for (int p = 0; p < pairs.length; p++) {
                    double[][] chosen = {pairs[p], pairs[(p + 1) % pairs.length], pairs[(p + 3) % pairs.length]};
                    check(Breadcrumbs.linear(), type, length, chosen, false);
                    check(Breadcrumbs.ties(), type, length, chosen, true);
                }
            }
        }
    }

    /** The checks published for mergekit, whose ranks count from 1. */
    @Test
    void keepsTheRanksThatMergekitKeeps() {
        assertThat(keptRanks(100, 0.8, 0.05)).containsExactly(IntStream.rangeClosed(16, 95).toArray());
        assertThat(keptRanks(100, 0.98, 0.05)).containsExactly(IntStream.rangeClosed(1, 98).toArray());
    }

    /** mergekit returns the base here. */
    @Test
    void withoutOutliersTheLargestStay() {
        assertThat(keptRanks(100, 0.3, 0)).containsExactly(IntStream.rangeClosed(71, 100).toArray());
        assertThat(keptRanks(50, 0.3, 0.01)).containsExactly(IntStream.rangeClosed(36, 50).toArray());
        assertThat(keptRanks(1, 1, 0.01)).containsExactly(1);
        assertThat(keptRanks(3, 1, 0.5)).containsExactly(1, 2, 3);
    }

    /** The ranks kept of a task vector whose element i has rank i. */
    private static int[] keptRanks(int length, double density, double gamma) {
        Tensor base = Tensors.zeros(DType.F32, length);
        Tensor x = Tensors.zeros(DType.F32, length);
        for (int i = 0; i < length; i++) {
            Elements.set(x, i, i % 2 == 0 ? i + 1 : -i - 1);
        }
        Tensor merged = merge(Breadcrumbs.linear(), List.of(base, x), new double[][]{{density, gamma}},
                new double[]{1}, false);
        return IntStream.range(0, length).filter(i -> Elements.get(merged, i) != 0).map(i -> i + 1).toArray();
    }

    private static void check(Breadcrumbs method, DType type, int length, double[][] pairs, boolean normalize) {
        List<Tensor> models = SparseMerges.models(type, Shape.of(length));
        List<float[]> sparse = new ArrayList<>();
        for (int m = 0; m < 3; m++) {
            sparse.add(trimmed(SparseMerges.taskVector(models.getFirst(), models.get(1 + m)), pairs[m][0],
                    pairs[m][1]));
        }
        Tensor wanted = SparseMerges.merge(models.getFirst(), sparse, WEIGHTS, method.name().equals("breadcrumbs_ties"),
                normalize, 1);
        assertThat(Tensors.bytes(merge(method, models, pairs, WEIGHTS, normalize)))
                .as("%s of %d %s, %s, seed %d", method.name(), length, type, Arrays.deepToString(pairs), Tensors.SEED)
                .isEqualTo(Tensors.bytes(wanted));
    }

    /** Sorted by magnitude, of equals the later first, a slice stays: the formula of mergekit without its mistake. */
    private static float[] trimmed(float[] delta, double density, double gamma) {
        int length = delta.length;
        int kept = (int) (density * length);
        int top = (int) (gamma * length);
        int bottom = length - kept - top;
        if (bottom < 0) {
            top += bottom;
            bottom = 0;
        }
        Comparator<Integer> ascending = Comparator.comparing(i -> Math.abs(delta[i]));
        List<Integer> order = IntStream.range(0, length).boxed()
                .sorted(ascending.thenComparing(Comparator.reverseOrder())).toList();
        float[] left = new float[length];
        order.subList(bottom, length - top).forEach(i -> left[i] = delta[i]);
        return left;
    }

    private static Tensor merge(Breadcrumbs method, List<Tensor> models, double[][] pairs, double[] weights,
            boolean normalize) {
        List<Map<String, Double>> perModel = new ArrayList<>();
        for (int m = 0; m < weights.length; m++) {
            perModel.add(Map.of("weight", weights[m], "density", pairs[m][0], "gamma", pairs[m][1]));
        }
        return SparseMerges.merge(method, SparseMerges.inputs(models, perModel,
                Map.of("rescale", 0.0, "normalize", normalize ? 1.0 : 0.0, "lambda", 1.0)), 1300);
    }
}
