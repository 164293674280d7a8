package dev.fusor.trim;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class TaskVectorSourceTest {
    @Test
    void isTheDifferenceInFloat32() {
        Tensor base = Tensors.of(DType.BF16, 1, 1, 1, 1);
        Tensor x = Tensors.of(DType.F64, 2, 3, 4, 1 + 0x1p-40);
        TaskVectorSource source = new TaskVectorSource(base, x);
        assertThat(source.dtype()).isEqualTo(DType.F32);
        assertThat(source.shape()).isEqualTo(base.shape());
        assertThat(Tensors.values(source.slice(0, 4))).containsExactly(1, 2, 3, 0x1p-40);
        assertThat(Tensors.values(source.slice(1, 2))).containsExactly(2, 3);
    }

    @Test
    void whatIsLeftIsAskedForByRangeAndAppliedByIndex() {
        int length = 5000;
        Tensor base = Tensors.zeros(DType.F32, length);
        Tensor x = Tensors.random(DType.F32, length, 1, base, 1);
        TaskVectorSource source = new TaskVectorSource(base, x, (from, count) -> (index, delta, n) -> {
            assertThat(index).isGreaterThanOrEqualTo(from);
            assertThat(index + n).isLessThanOrEqualTo(from + count);
            for (int i = 0; i < n; i++) {
                delta[i] = (index + i) % 3 == 0 ? 2 * delta[i] : 0;
            }
        });
        for (int[] range : new int[][]{{0, length}, {0, 0}, {1, 1}, {77, 1024}, {1023, 2500}, {4999, 1}}) {
            Tensor slice = source.slice(range[0], range[1]);
            for (int i = 0; i < range[1]; i++) {
                int at = range[0] + i;
                assertThat(Elements.get(slice, i)).as("element %d, seed %d", at, Tensors.SEED)
                        .isEqualTo(at % 3 == 0 ? 2 * Elements.get(x, at) : 0);
            }
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        Tensor three = Tensors.zeros(DType.F32, 3);
        assertThatThrownBy(() -> new TaskVectorSource(three, Tensors.zeros(DType.I32, 3)))
                .hasMessage("task vectors take arithmetic types and equal length, got F32 [3] and I32 [3]");
    }
}
