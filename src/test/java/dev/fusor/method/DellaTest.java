package dev.fusor.method;

import dev.fusor.drop.Philox;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.ScalarPhilox;
import dev.fusor.testing.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

class DellaTest {
    private static final double[] WEIGHTS = {0.4, -0.7, 1.1};
    private static final double[][] PAIRS = {{0.5, 0.15}, {0.3, 0.3}, {0.8, 0.05}};

    @Test
    void agreesWithItsDefinitionBitForBit() {
        List<Shape> shapes = List.of(Shape.of(0), Shape.of(1), Shape.of(2), Shape.of(5), Shape.of(1025), Shape.of(),
                Shape.of(3, 0), Shape.of(1, 1), Shape.of(40, 1), Shape.of(7, 17), Shape.of(5, 1024), Shape.of(4, 1030),
                Shape.of(3, 5, 33), Shape.of(2, 2700));
        for (DType type : SparseMerges.TYPES) {
            for (Shape shape : shapes) {
                for (boolean rescale : new boolean[]{true, false}) {
                    check(Della.ties(), type, shape, rescale, true, PAIRS);
                    check(Della.linear(), type, shape, rescale, false, PAIRS);
                }
            }
        }
        check(Della.ties(), DType.F32, Shape.of(7, 17), true, true, new double[][]{{1, 0.15}, {0, 0.15}, {0.5, 0.5}});
    }

    @Test
    void probabilitiesThatAreNoneAreObjectedTo() {
        assertThat(Della.ties().objection(Shape.of(8, 8), Map.of("density", 0.9, "epsilon", 0.15), Map.of())).hasValue(
                "density +- epsilon are probabilities, got 0.9 +- 0.15; choose a smaller epsilon");
        assertThat(Della.ties().objection(Shape.of(8, 8), Map.of("density", 0.1, "epsilon", 0.15), Map.of()))
                .isPresent();
        assertThat(Della.ties().objection(Shape.of(8, 8), Map.of("density", 0.85, "epsilon", 0.15), Map.of()))
                .isEmpty();
        assertThat(Della.ties().objection(Shape.of(8, 8), Map.of("density", 1.0, "epsilon", 0.15), Map.of())).isEmpty();
        assertThat(Della.ties().objection(Shape.of(8, 8), Map.of("density", 0.0, "epsilon", 0.15), Map.of())).isEmpty();
    }

    @Test
    void rowsTooLongToSortAreObjectedTo() {
        Map<String, Double> values = Map.of("density", 0.5, "epsilon", 0.15);
        assertThat(Della.ties().objection(Shape.of(4_194_305), values, Map.of())).hasValue(
                "rows of 4194304 elements are ranked at most, and its shape is [4194305]; use dare_ties or dare_linear");
        assertThat(Della.ties().objection(Shape.of(4_194_305, 2), values, Map.of())).isEmpty();
    }

    private static void check(Della method, DType type, Shape shape, boolean rescale, boolean normalize,
            double[][] pairs) {
        List<Tensor> models = SparseMerges.models(type, shape);
        List<float[]> sparse = new ArrayList<>();
        int row = shape.rank() == 0 ? 1 : (int) shape.extent(shape.rank() - 1);
        for (int m = 0; m < 3; m++) {
            sparse.add(dropped(SparseMerges.taskVector(models.getFirst(), models.get(1 + m)), row, m, pairs[m],
                    rescale));
        }
        List<Map<String, Double>> perModel = new ArrayList<>();
        for (int m = 0; m < 3; m++) {
            perModel.add(Map.of("weight", WEIGHTS[m], "density", pairs[m][0], "epsilon", pairs[m][1]));
        }
        MergeInputs inputs = SparseMerges.inputs(models, perModel,
                Map.of("rescale", rescale ? 1.0 : 0.0, "rescale_l1", 0.0,
                        "normalize", normalize ? 1.0 : 0.0, "lambda", 0.8));
        Tensor wanted = SparseMerges.merge(models.getFirst(), sparse, WEIGHTS, method.name().equals("della"),
                normalize, 0.8);
        assertThat(Tensors.bytes(SparseMerges.merge(method, inputs, 1300)))
                .as("%s of %s %s, rescale %s, seed %d", method.name(), type, shape, rescale, Tensors.SEED)
                .isEqualTo(Tensors.bytes(wanted));
    }

    /** p = (d - e) + 2 e r / (n - 1) for the rank r in a row of n; kept with that probability and divided by it. */
    private static float[] dropped(float[] delta, int row, int model, double[] pair, boolean rescale) {
        long key = Philox.key(Tensors.SEED, SparseMerges.TENSOR);
        float[] left = new float[delta.length];
        for (int i = 0; i < delta.length; i++) {
            int start = i / row * row;
            int rank = 0;
            for (int j = start; j < start + row; j++) {
                int order = Float.compare(Math.abs(delta[j]), Math.abs(delta[i]));
                rank += order < 0 || order == 0 && j > i ? 1 : 0;
            }
            boolean plain = pair[0] == 0 || pair[0] == 1 || row == 1;
            double probability = plain ? pair[0] : pair[0] - pair[1] + 2 * pair[1] / (row - 1) * rank;
            boolean kept = ScalarPhilox.word(key, model, i) < probability * 0x1p32;
            left[i] = kept ? delta[i] * (rescale ? (float) (1 / probability) : 1) : 0;
        }
        return left;
    }
}
