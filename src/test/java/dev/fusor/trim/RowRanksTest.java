package dev.fusor.trim;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class RowRanksTest {
    @Test
    void countsTheSmallerOnesOfTheRow() {
        Tensor x = Tensors.of(DType.F32, .1, -.5, .3, .2, -.4, 9, 8, -7, 6, 5);
        assertThat(RowRanks.of(null, x, 5)).containsExactly(0, 4, 2, 1, 3, 4, 3, 2, 1, 0);
    }

    @Test
    void theFirstOfEqualsIsTheLargest() {
        assertThat(RowRanks.of(null, Tensors.of(DType.F32, 0, 2, -2, -0.0, 2), 5)).containsExactly(1, 4, 3, 0, 2);
    }

    @Test
    void nanIsAboveInfinity() {
        Tensor x = Tensors.of(DType.F32, Double.NaN, Double.NEGATIVE_INFINITY, 1, Double.NaN);
        assertThat(RowRanks.of(null, x, 4)).containsExactly(3, 1, 0, 2);
    }

    /** By counting, for every element, those that it is larger than. */
    @ParameterizedTest
    @EnumSource(names = {"BF16", "F32", "F64", "F8_E4M3"})
    void agreesWithItsDefinition(DType type) {
        for (int row : new int[]{1, 2, 17, 511, 512, 1023, 1024, 1025, 2500}) {
            Tensor base = Tensors.random(type, 2L * row, 1, null, 0.5);
            Tensor x = Tensors.anyBits(type, 2L * row, 2);
            int[] ranks = RowRanks.of(base, x, row);
            for (int i = 0; i < 2 * row; i++) {
                int smaller = 0;
                for (int j = i / row * row; j < i / row * row + row; j++) {
                    int order = Float.compare(magnitude(base, x, j), magnitude(base, x, i));
                    smaller += order < 0 || order == 0 && j > i ? 1 : 0;
                }
                assertThat(ranks[i]).as("element %d in rows of %d, %s, seed %d", i, row, type, Tensors.SEED)
                        .isEqualTo(smaller);
            }
        }
    }

    @Test
    void whatIsNoWholeRowIsRefused() {
        Tensor x = Tensors.zeros(DType.F32, 6);
        assertThat(RowRanks.of(null, Tensors.zeros(DType.F32, 0), 4)).isEmpty();
        assertThatThrownBy(() -> RowRanks.of(null, x, 4)).hasMessageContaining("ranks in rows of 4")
                .hasMessageContaining("got F32 [6] and no base");
        assertThatThrownBy(() -> RowRanks.of(Tensors.zeros(DType.F32, 4), x, 2)).hasMessageContaining("F32 [4]");
        assertThatThrownBy(() -> RowRanks.of(null, x, 0)).isInstanceOf(IllegalArgumentException.class);
    }

    private static float magnitude(Tensor base, Tensor x, int i) {
        double value = Elements.get(x, i);
        double b = Elements.get(base, i);
        return Math.abs(x.dtype() == DType.F64 ? (float) (value - b) : (float) value - (float) b);
    }
}
