package dev.fusor.trim;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.simulator.RequiresCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.CudaTensors;
import dev.fusor.testing.Tensors;
import dev.fusor.trim.MagnitudeSelection.Ties;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/** The kernels against the definition: sort each row by magnitude, equals by index. */
@RequiresCuda
class RowSelectionCudaTest extends CudaTensors {
    private void check(RowSelectionCuda selection, Tensor base, Tensor x, int row, int atLeast, int tooLarge, Ties ties,
            int shift) {
        Tensor bits = there(DType.U8, RowSelectionCuda.maskBytes(x.elements()), 0);
        stream.fill(bits.data(), (byte) 0x5A);
        selection.select(base == null ? null : there(base, shift), there(x, shift), row, atLeast, tooLarge, ties,
                bits.data());
        assertThat(BitSet.valueOf(back(bits).data().asByteBuffer())).as(
                "%s rows of %d, %d but for %d, %s, base %s, shift %d, seed %d", x.dtype(), row, atLeast, tooLarge,
                ties, base, shift, Tensors.SEED)
                .isEqualTo(RowSelectionTest.define(base, x, row, atLeast, tooLarge, ties));
    }

    private static Tensor[] rows(DType type, int row, int count) {
        Tensor base = Tensors.random(type, row * count, 1, null, 0.02);
        Tensor x = Tensors.random(type, row * count, 2, base, 2e-3);
        Elements.set(x, row - 1, Double.NaN);
        return new Tensor[]{base, x};
    }

    /** By a warp, by several, and by blocks that have several rows each. */
    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
    void keepsWhatSortingEachRowKeeps(DType type) {
        for (int row : new int[]{1, 2, 31, 33, 64, 1023, 1025, 3000}) {
            Tensor[] rows = rows(type, row, 5);
            for (Ties ties : Ties.values()) {
                check(RowSelectionCuda.on(stream), rows[0], rows[1], row, row / 3, 0, ties, 0);
                check(RowSelectionCuda.on(stream), null, rows[1], row, (row + 1) / 2, row / 5, ties, 0);
            }
        }
        check(RowSelectionCuda.on(stream), null, Tensors.anyBits(type, 40 * 200, 3), 200, 77, 5, Ties.EXACT_K, 0);
    }

    @Test
    void everyNumberMayStay() {
        Tensor[] rows = rows(DType.BF16, 100, 3);
        for (int atLeast : new int[]{0, 1, 99, 100, 109}) {
            for (int tooLarge : new int[]{0, Math.min(1, atLeast), atLeast}) {
                for (Ties ties : Ties.values()) {
                    check(RowSelectionCuda.on(stream), rows[0], rows[1], 100, atLeast, tooLarge, ties, 0);
                }
            }
        }
        check(RowSelectionCuda.on(stream), null, Tensors.zeros(DType.F32, 0), 7, 3, 0, Ties.EXACT_K, 0);
    }

    @Test
    void equalsAreCountedOverWarps() {
        Tensor x = Tensors.zeros(DType.F32, 2 * 1500);
        for (int i = 0; i < x.elements(); i++) {
            Elements.set(x, i, i % 7 == 0 ? -2 : i % 11 == 0 ? 3 : 1);
        }
        for (int atLeast : new int[]{150, 151, 200, 300, 1000, 1499}) {
            check(RowSelectionCuda.on(stream), null, x, 1500, atLeast, 100, Ties.EXACT_K, 0);
            check(RowSelectionCuda.on(stream), null, x, 1500, atLeast, 100, Ties.ALL_TIES, 0);
        }
    }

    /** Rows may begin anywhere, need not fit into shared memory, and may take more of it than kernels have unasked. */
    @Test
    void rowsMayBeginAtAnyElementAndBeLong() {
        for (DType type : CudaFormats.ALL) {
            Tensor[] rows = rows(type, 700, 3);
            check(RowSelectionCuda.on(stream), rows[0], rows[1], 700, 200, 3, Ties.EXACT_K, 1);
            check(new RowSelectionCuda(stream, 699), rows[0], rows[1], 700, 200, 3, Ties.EXACT_K, 0);
        }
        Tensor[] wide = rows(DType.BF16, 14_336, 2);
        check(RowSelectionCuda.on(stream), wide[0], wide[1], 14_336, 3000, 0, Ties.EXACT_K, 0);
    }

    @Test
    void whatDoesNotFitIsNamed() {
        RowSelectionCuda selection = RowSelectionCuda.on(stream);
        Tensor x = there(Tensors.zeros(DType.F32, 6), 0);
        MemorySegment bits = there(DType.U8, 8, 0).data();
        for (int row : new int[]{0, -1, 4}) {
            assertThatThrownBy(() -> selection.select(null, x, row, 1, 0, Ties.EXACT_K, bits)).hasMessage(
                    "rows of %d, of which 1 stay but for 0, take whole rows, got F32 [6]".formatted(row));
        }
        assertThatThrownBy(() -> selection.select(null, x, 3, -1, 0, Ties.EXACT_K, bits))
                .hasMessageContaining("-1 stay");
        assertThatThrownBy(() -> selection.select(there(Tensors.zeros(DType.BF16, 6), 0), x, 3, 1, 0, Ties.EXACT_K,
                bits)).hasMessageContaining("got BF16 [6] where F32 of 6 elements was wanted");
        assertThatThrownBy(() -> selection.select(null, x, 3, 1, 0, Ties.EXACT_K, there(DType.U8, 7, 0).data()))
                .hasMessageStartingWith("the bits of 6 elements take 8 bytes from a multiple of 8 on, got 7");
        assertThatThrownBy(() -> selection.select(null, x, 3, 1, 0, Ties.EXACT_K, CudaMemory.wrap(4, 8)))
                .hasMessageEndingWith("got 8 at address 0x4");
    }
}
