package dev.fusor.trim;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class TaskVectorVarianceTest {
    @Test
    void isThePopulationVariance() {
        Tensor base = Tensors.of(DType.F32, 1, 1, 0);
        TaskVectorVariance variance = new TaskVectorVariance(base,
                List.of(Tensors.of(DType.F32, 2, 3, 1), Tensors.of(DType.F32, 4, 3, Double.POSITIVE_INFINITY)));
        assertThat(Tensors.values(variance.slice(0, 3))).containsExactly(1, 0, Double.NaN);
        assertThat(Tensors.values(variance.slice(1, 1))).containsExactly(0);
        assertThat(variance.dtype()).isEqualTo(DType.F32);
        assertThat(variance.shape()).isEqualTo(base.shape());
    }

    @ParameterizedTest
    @EnumSource(names = {"BF16", "F32", "F64", "F8_E5M2"})
    void agreesWithItsDefinitionInAnyRange(DType type) {
        int length = 5003;
        Tensor base = Tensors.random(type, length, 1, null, 0.5);
        List<Tensor> models = new ArrayList<>();
        for (int m = 0; m < 5; m++) {
            models.add(Tensors.random(type, length, 2 + m, base, 0.1));
            TaskVectorVariance variance = new TaskVectorVariance(base, models);
            for (int[] range : new int[][]{{0, length}, {0, 0}, {1, 1}, {77, 1024}, {1023, 2500}, {5002, 1}}) {
                Tensor slice = variance.slice(range[0], range[1]);
                for (int i = 0; i < range[1]; i++) {
                    assertThat(Elements.get(slice, i)).as("element %d of %d models, %s, seed %d", range[0] + i, 1 + m,
                            type, Tensors.SEED).isEqualTo(define(base, models, range[0] + i));
                }
            }
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        Tensor three = Tensors.zeros(DType.F32, 3);
        assertThatThrownBy(() -> new TaskVectorVariance(three, List.of(three, Tensors.zeros(DType.BF16, 4))))
                .hasMessage("task vectors take arithmetic types and equal length, got F32 [3] and BF16 [4]");
    }

    static double define(Tensor base, List<Tensor> models, int i) {
        double mean = 0;
        for (Tensor model : models) {
            mean += delta(base, model, i);
        }
        mean /= models.size();
        double squares = 0;
        for (Tensor model : models) {
            squares += (delta(base, model, i) - mean) * (delta(base, model, i) - mean);
        }
        return (float) (squares / models.size());
    }

    private static float delta(Tensor base, Tensor x, int i) {
        double value = Elements.get(x, i);
        double b = Elements.get(base, i);
        return x.dtype() == DType.F64 ? (float) (value - b) : (float) value - (float) b;
    }
}
