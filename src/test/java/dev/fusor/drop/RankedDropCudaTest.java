package dev.fusor.drop;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.simulator.RequiresCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.CudaTensors;
import dev.fusor.testing.ScalarPhilox;
import dev.fusor.testing.Tensors;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/** The kernels against the definition: sort each row by magnitude, and hold each word against the probability of a rank. */
@RequiresCuda
class RankedDropCudaTest extends CudaTensors {
    private static final int ANY = 1 << 16;
    private static final int MODEL = 3;

    private static double magnitude(Tensor base, Tensor x, int i) {
        float value = (float) Elements.get(x, i);
        return Math.abs(base == null ? value : value - (float) Elements.get(base, i));
    }

    /** Ranks go from the smallest magnitude to the largest, NaN, and of equals from the last to the first. */
    private static Tensor define(Tensor base, Tensor x, long first, int row, double density, double epsilon,
            boolean rescale) {
        Tensor factors = Tensors.zeros(DType.F32, x.elements());
        for (int start = 0; start < x.elements(); start += row) {
            Comparator<Integer> byMagnitude = Comparator.comparingDouble(i -> magnitude(base, x, i));
            List<Integer> order = IntStream.range(start, start + row).boxed()
                    .sorted(byMagnitude.thenComparing(Comparator.reverseOrder())).toList();
            for (int rank = 0; rank < row; rank++) {
                int i = order.get(rank);
                double p = row == 1 ? density : Math.min(1, density - epsilon + 2 * epsilon / (row - 1) * rank);
                boolean kept = ScalarPhilox.word(Tensors.SEED, MODEL, first + i) < Math.rint(p * 0x1p32);
                Elements.set(factors, i, !kept ? Double.NaN : rescale ? (float) (1 / p) : 1);
            }
        }
        return factors;
    }

    private void check(Tensor base, Tensor x, long first, int row, double density, double epsilon, boolean rescale,
            int mostInShared, int shift) {
        Tensor factors = there(DType.F32, x.elements(), shift);
        stream.fill(factors.data(), (byte) 0x5A);
        RankedDrop.Window window = new RankedDrop.Window(density, epsilon, row, rescale);
        RankedDropCuda.Rows rows = new RankedDropCuda.Rows(base == null ? null : there(base, shift), there(x, shift),
                first, factors);
        try (RankedDropCuda drop = RankedDropCuda.prepare(stream, Tensors.SEED, MODEL, window, rows, mostInShared)) {
            drop.run();
        }
        assertThat(Tensors.bytes(back(factors)))
                .as("%s in rows of %d from %d, base %s, %s +- %s, rescale %s, up to %d in shared memory, shift %d, seed %d",
                        x, row, first, base, density, epsilon, rescale, mostInShared, shift, Tensors.SEED)
                .isEqualTo(Tensors.bytes(define(base, x, first, row, density, epsilon, rescale)));
    }

    /** By a warp, by several, in shared memory and in the workspace. */
    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
    void dropsByTheRanksThatSortingEachRowGives(DType type) {
        for (int row : new int[]{1, 2, 31, 33, 300, 1025}) {
            Tensor base = Tensors.random(type, 3L * row, 1, null, 0.02);
            Tensor x = Tensors.random(type, 3L * row, 2, base, 2e-3);
            Elements.set(x, row - 1, Double.NaN);
            check(base, x, 0, row, 0.5, 0.2, true, ANY, 0);
            check(base, x, 0, row, 0.5, 0.2, true, 0, 0);
        }
        check(null, Tensors.anyBits(type, 40 * 200, 3), 0, 200, 0.6, 0.4, false, ANY, 1);
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, (1L << 32) - 50, (1L << 34) + 6})
    void rowsMayBeginAtAnyElement(long first) {
        Tensor x = Tensors.random(DType.BF16, 5 * 103, 4, null, 1);
        check(null, x, first, 103, 0.5, 0.3, true, ANY, 1);
    }

    /** All digits alike, or spread over warps; blocks have several rows each, in either room. */
    @Test
    void equalsAreRankedFromTheLastToTheFirst() {
        int row = 600;
        int rows = 5;
        Tensor x = Tensors.zeros(DType.F32, rows * row);
        for (int i = 0; i < x.elements(); i++) {
            Elements.set(x, i, i < row ? 0 : i % 7 == 0 ? -2 : i % 11 == 0 ? 3 : -0.0);
        }
        for (int mostInShared : new int[]{ANY, 0}) {
            check(null, x, 0, row, 0.5, 0.5, true, mostInShared, 0);
        }
        Tensor many = Tensors.random(DType.F8_E5M2, 3000 * 2, 5, null, 1);
        check(null, many, 0, 2, 0.5, 0.1, true, ANY, 0);
        check(null, many, 0, 2, 0.5, 0.1, true, 0, 0);
    }

    @Test
    void probabilitiesMayReachTheirEnds() {
        Tensor x = Tensors.random(DType.F32, 4 * 50, 6, null, 1);
        for (double[] window : new double[][]{{0, 0}, {1, 0}, {0.5, 0.5}, {0.25, 0.25}, {0.75, 0.25}}) {
            check(null, x, 0, 50, window[0], window[1], true, ANY, 0);
        }
        check(null, Tensors.zeros(DType.F32, 0), 0, 7, 0.5, 0.1, true, ANY, 0);
        check(null, Tensors.zeros(DType.F32, 0), 0, 7, 0.5, 0.1, true, 0, 0);
    }

    /** More shared memory than kernels have unasked. */
    @Test
    void rowsMayBeLong() {
        Tensor x = Tensors.random(DType.BF16, 2 * 7001, 7, null, 1);
        check(null, x, 0, 7001, 0.5, 0.2, true, ANY, 0);
    }

    @Test
    void whatDoesNotFitIsNamed() {
        Tensor six = there(DType.F32, 6, 0);
        for (Tensor wrong : List.of(there(DType.F32, 5, 0), there(DType.BF16, 6, 0))) {
            assertThatIllegalArgumentException().isThrownBy(() -> prepare(six, six, 0, wrong)).withMessage(
                    "a drop by ranks on a device takes inputs of one type and outputs of one, each one of %s, and of equal length; got %s where F32 of 6 elements was wanted",
                    CudaFormats.ALL, wrong);
            assertThatIllegalArgumentException().isThrownBy(() -> prepare(wrong, six, 0, six))
                    .withMessageContaining("got " + wrong);
        }
        assertThatIllegalArgumentException().isThrownBy(() -> prepare(six, six, 0, Tensors.zeros(DType.F32, 6)))
                .withMessageStartingWith("wanted device memory, got host memory");
        assertThatIllegalArgumentException().isThrownBy(() -> prepare(null, there(DType.F32, 5, 0), 0, six))
                .withMessage(
                        "a drop by ranks in rows of 3 takes whole rows, from element 0 or a later one on, of model 0 or a later one; got F32 [5] from element 0 on of model 0");
        assertThatIllegalArgumentException().isThrownBy(() -> prepare(null, six, -1, six))
                .withMessageContaining("got F32 [6] from element -1 on");
    }

    private void prepare(Tensor base, Tensor x, long first, Tensor factors) {
        RankedDropCuda.prepare(stream, 1, 0, new RankedDrop.Window(0.5, 0.1, 3, true),
                new RankedDropCuda.Rows(base, x, first, factors)).close();
    }
}
