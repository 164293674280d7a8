package dev.fusor.method;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.util.List;
import java.util.Map;
import org.assertj.core.data.Offset;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;

/** mergekit's rule: what is left of a task vector is multiplied so that the sum of its magnitudes is the one before. */
class RescaleTest {
    @ParameterizedTest
    @ValueSource(strings = {"ties", "breadcrumbs", "breadcrumbs_ties", "dare_linear", "dare_ties", "della",
        "della_linear"})
    void whatIsLeftHasTheSumOfTheWhole(String method) {
        Tensor base = Tensors.zeros(DType.F32, 6000);
        Tensor x = Tensors.random(DType.F32, 6000, 1, base, 1e-3);
        for (Shape shape : List.of(Shape.of(6000), Shape.of(20, 300))) {
            List<Tensor> models = List.of(Tensor.of(base.data(), DType.F32, shape),
                    Tensor.of(x.data(), DType.F32, shape));
            double[] plain = merge(method, models, 0);
            double[] rescaled = merge(method, models, 1);
            double ratio = sum(Tensors.values(x)) / sum(plain);
            assertThat(ratio).isGreaterThan(1.05);
            assertThat(sum(rescaled)).isCloseTo(sum(Tensors.values(x)), Offset.offset(1e-6 * sum(rescaled)));
            for (int i = 0; i < plain.length; i++) {
                assertThat(rescaled[i]).as("element %d, seed %d", i, Tensors.SEED)
                        .isEqualTo((float) ratio * (float) plain[i]);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"ties", "dare_linear"})
    void whereThereIsNoRatioNothingIsMultiplied(String method) {
        Tensor base = Tensors.of(DType.F32, 1, 2, 3, 4);
        assertThat(merge(method, List.of(base, base), 1)).containsExactly(1, 2, 3, 4);
        Tensor odd = Tensors.of(DType.F32, 1, Double.NaN, 3, 9);
        assertThat(merge(method, List.of(base, odd), 1)).containsExactly(merge(method, List.of(base, odd), 0));
    }

    /** A density of 0.6 and no other rule. */
    private static double[] merge(String name, List<Tensor> models, double rescale) {
        MergeMethod method = MergeMethods.named(name).orElseThrow();
        Map<String, Double> parameters = Map.of("lambda", 1.0, "normalize", 0.0, "rescale", rescale,
                "rescale_l1", 1.0);
        Map<String, Double> ofModel = Map.of("weight", 1.0, "density", 0.6, "gamma", 0.1, "epsilon", 0.2);
        return Tensors.values(SparseMerges.merge(method, SparseMerges.inputs(models, List.of(ofModel), parameters),
                700));
    }

    private static double sum(double[] values) {
        double sum = 0;
        for (double value : values) {
            sum += Math.abs(value);
        }
        return sum;
    }
}
