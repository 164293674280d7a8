package dev.fusor.trim;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import dev.fusor.trim.MagnitudeSelection.Ties;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class RowSelectionTest {
    @ParameterizedTest
    @EnumSource(names = {"BF16", "F32", "F64"})
    void keepsWhatSortingEachRowKeeps(DType type) {
        for (int row : new int[]{1, 2, 31, 33, 1023, 1024, 1025, 3000}) {
            int length = row * 5;
            Tensor base = Tensors.random(type, length, 1, null, 0.02);
            Tensor x = Tensors.random(type, length, 2, base, 2e-3);
            Elements.set(x, row - 1, Double.NaN);
            for (int atLeast : new int[]{0, 1, row / 3, row - 1, row, row + 9}) {
                for (int tooLarge : new int[]{0, Math.min(1, atLeast), atLeast / 2, atLeast}) {
                    for (Ties ties : Ties.values()) {
                        check(base, x, row, atLeast, tooLarge, ties);
                        check(null, x, row, atLeast, tooLarge, ties);
                    }
                }
            }
        }
    }

    @Test
    void ofEqualsTheFirstStay() {
        Tensor x = Tensors.of(DType.F32, 2, -2, 2, 1, 1, 1, -1, 3);
        assertThat(RowSelection.kept(null, x, 4, 2, 0, Ties.EXACT_K)).hasToString("{0, 1, 4, 7}");
        assertThat(RowSelection.kept(null, x, 4, 2, 0, Ties.ALL_TIES)).hasToString("{0, 1, 2, 4, 5, 6, 7}");
        assertThat(RowSelection.kept(null, x, 4, 3, 1, Ties.EXACT_K)).hasToString("{1, 2, 4, 5}");
    }

    @Test
    void noRowsKeepNothing() {
        assertThat(RowSelection.kept(null, Tensors.zeros(DType.F32, 0), 7, 3, 0, Ties.EXACT_K).isEmpty()).isTrue();
    }

    @Test
    void whatDoesNotFitIsNamed() {
        Tensor x = Tensors.zeros(DType.F32, 6);
        for (int row : new int[]{0, -1, 4}) {
            assertThatThrownBy(() -> RowSelection.kept(null, x, row, 1, 0, Ties.EXACT_K))
                    .hasMessageStartingWith("rows of " + row + ", of which 1 stay but for 0, take whole rows");
        }
        assertThatThrownBy(() -> RowSelection.kept(Tensors.zeros(DType.F32, 3), x, 3, 1, 0, Ties.EXACT_K))
                .hasMessageEndingWith("got F32 [6] and F32 [3]");
        assertThatThrownBy(() -> RowSelection.kept(null, x, 3, -1, 0, Ties.EXACT_K)).hasMessageContaining("-1 stay");
    }

    private static void check(Tensor base, Tensor x, int row, int atLeast, int tooLarge, Ties ties) {
        assertThat(RowSelection.kept(base, x, row, atLeast, tooLarge, ties))
                .as("%s rows of %d, %d but for %d, %s, seed %d", x.dtype(), row, atLeast, tooLarge, ties, Tensors.SEED)
                .isEqualTo(define(base, x, row, atLeast, tooLarge, ties));
    }

    /** The definition: sort a row by magnitude, equals by index; a slice stays, which with all ties ends where ties do. */
    static BitSet define(Tensor base, Tensor x, int row, int atLeast, int tooLarge, Ties ties) {
        BitSet wanted = new BitSet();
        for (int start = 0; start < x.elements(); start += row) {
            int first = start;
            Comparator<Integer> byMagnitude = Comparator.comparing(i -> magnitude(base, x, first + i));
            List<Integer> order = IntStream.range(0, row).boxed()
                    .sorted(byMagnitude.reversed().thenComparing(Comparator.naturalOrder())).toList();
            int from = Math.min(tooLarge, row);
            int to = Math.min(atLeast, row);
            while (ties == Ties.ALL_TIES && from > 0 && from < row
                    && magnitude(base, x, first + order.get(from)) == magnitude(
                            base, x, first + order.get(from - 1))) {
                from++;
            }
            while (ties == Ties.ALL_TIES && to > 0 && to < row
                    && magnitude(base, x, first + order.get(to)) == magnitude(base,
                            x, first + order.get(to - 1))) {
                to++;
            }
            order.subList(from, to).forEach(i -> wanted.set(first + i));
        }
        return wanted;
    }

    private static float magnitude(Tensor base, Tensor x, int i) {
        double value = Elements.get(x, i);
        if (base == null) {
            return Math.abs((float) value);
        }
        return Math.abs(x.dtype() == DType.F64
                ? (float) (value - Elements.get(base, i))
                : (float) value - (float) Elements.get(base, i));
    }
}
