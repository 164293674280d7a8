package dev.fusor.method;

import dev.fusor.tensor.DType;
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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;

/** Task vectors trimmed row by row. */
class RowScopeTest {
    private static final double[] WEIGHTS = {0.4, -0.7, 1.1};

    @ParameterizedTest
    @CsvSource({"ties,smallest", "breadcrumbs,smallest", "magnitude_pruning,smallest", "magnitude_pruning,largest"})
    void agreesWithItsDefinitionBitForBit(String name, String prune) {
        MergeMethod method = MergeMethods.named(name).orElseThrow();
        double gamma = name.equals("breadcrumbs") ? 0.1 : 0;
        for (DType type : SparseMerges.TYPES) {
            for (Shape shape : List.of(Shape.of(1, 1), Shape.of(7, 33), Shape.of(33, 7), Shape.of(5, 3, 2, 11),
                    Shape.of(3, 1500), Shape.of(200, 2), Shape.of(501), Shape.of(0, 4), Shape.of(4, 0))) {
                for (double density : new double[]{0, 0.3, 0.75, 1}) {
                    List<Tensor> models = SparseMerges.models(type, shape);
                    int rows = shape.rank() < 2 ? 1 : (int) shape.extent(0);
                    List<float[]> sparse = new ArrayList<>();
                    List<Map<String, Double>> ofModels = new ArrayList<>();
                    for (int m = 0; m < WEIGHTS.length; m++) {
                        sparse.add(trimmed(SparseMerges.taskVector(models.getFirst(), models.get(1 + m)), rows, density,
                                gamma, prune.equals("largest")));
                        ofModels.add(Map.of("weight", WEIGHTS[m], "density", density, "gamma", gamma));
                    }
                    Tensor wanted = SparseMerges.merge(models.getFirst(), sparse, WEIGHTS, name.equals("ties"),
                            name.equals("ties"), 0.9);
                    MergeInputs inputs = SparseMerges.inputs(models, ofModels,
                            Map.of("scope", 1.0, "lambda", 0.9, "prune", prune.equals("largest") ? 1.0 : 0.0));
                    assertThat(Tensors.bytes(SparseMerges.merge(method, inputs, 40)))
                            .as("%s %s %s %s, density %s, seed %d", name, prune, type, shape, density, Tensors.SEED)
                            .isEqualTo(Tensors.bytes(wanted));
                }
            }
        }
    }

    @Test
    void rowsThatAreTooLongAreRefused() {
        MergeMethod ties = new Ties();
        Map<String, Double> rows = Map.of("scope", 1.0);
        assertThat(ties.objection(Shape.of(2, 1 << 22), Map.of(), rows)).isEmpty();
        assertThat(ties.objection(Shape.of(1 << 30), Map.of(), rows)).isEmpty();
        assertThat(ties.objection(Shape.of(2, 3, 1 << 21), Map.of(), rows))
                .hasValue("rows of 4194304 elements are trimmed at most, and its shape is [2, 3, 2097152]; leave it to "
                        + "scope: tensor");
        assertThat(ties.objection(Shape.of(2, 3, 1 << 21), Map.of(), Map.of("scope", 0.0))).isEmpty();
    }

    /** Each row sorted by magnitude, of equals the first first; a slice stays. */
    private static float[] trimmed(float[] delta, int rows, double density, double gamma, boolean smallestStay) {
        float[] left = new float[delta.length];
        int row = rows == 0 ? 0 : delta.length / rows;
        int kept = (int) (density * row);
        int top = Math.min((int) (gamma * row), row - kept);
        for (int start = 0; start < delta.length; start += row) {
            float[] of = Arrays.copyOfRange(delta, start, start + row);
            Comparator<Integer> byMagnitude = Comparator.comparing(i -> Math.abs(of[i]));
            List<Integer> order = IntStream.range(0, row).boxed()
                    .sorted(byMagnitude.reversed().thenComparing(Comparator.naturalOrder())).toList();
            int first = start;
            order.subList(smallestStay ? row - kept : top, smallestStay ? row : top + kept)
                    .forEach(i -> left[first + i] = of[i]);
        }
        return left;
    }
}
