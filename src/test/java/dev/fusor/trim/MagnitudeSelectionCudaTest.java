package dev.fusor.trim;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.simulator.RequiresCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.testing.CudaTensors;
import dev.fusor.testing.Tensors;
import dev.fusor.trim.MagnitudeSelection.Part;
import dev.fusor.trim.MagnitudeSelection.Selected;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/** The kernels against the definition: sort by magnitude, equals by index, keep the first k. */
@RequiresCuda
class MagnitudeSelectionCudaTest extends CudaTensors {
    private void check(Tensor base, Tensor x, int shift, double... densities) {
        int length = (int) x.elements();
        int[] keys = new int[length];
        for (int i = 0; i < length; i++) {
            float value = (float) Elements.get(x, i);
            keys[i] = MagnitudeCut.keyOf(base == null ? value : value - (float) Elements.get(base, i));
        }
        int[] sorted = keys.clone();
        Arrays.sort(sorted);
        Tensor baseThere = base == null ? null : there(base, shift);
        Tensor xThere = there(x, shift);
        for (double density : densities) {
            long k = MagnitudeSelection.kept(density, length);
            for (Ties ties : Ties.values()) {
                assertThat(MagnitudeSelectionCuda.on(stream).select(baseThere, xThere, k, ties))
                        .as("%d of %s, base %s, shift %d, %s, seed %d", k, x, base, shift, ties, Tensors.SEED)
                        .isEqualTo(define(keys, sorted, k, ties));
            }
        }
    }

    private static MagnitudeCut define(int[] keys, int[] sorted, long k, Ties ties) {
        if (k == 0) {
            return MagnitudeCut.NONE;
        }
        if (k == keys.length) {
            return MagnitudeCut.ALL;
        }
        int key = sorted[(int) (keys.length - k)];
        if (ties == Ties.ALL_TIES) {
            return new MagnitudeCut(key, Long.MAX_VALUE);
        }
        long left = k - Arrays.stream(keys).filter(other -> other > key).count();
        int i = -1;
        while (left > 0) {
            left -= keys[++i] == key ? 1 : 0;
        }
        return new MagnitudeCut(key, i);
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
    void keepsWhatSortingByMagnitudeAndIndexKeeps(DType type) {
        for (int length : new int[]{0, 1, 2, 15, 16, 17, 33, 1000, 32_768, 65_536, 65_537, 200_003}) {
            Tensor base = Tensors.random(type, length, 1, null, 0.02);
            Tensor x = Tensors.random(type, length, 2, base, 2e-3);
            check(null, x, 0, 0, 0.2, 0.999, 1);
            check(base, x, 0, 0.001, 0.5);
        }
        check(null, Tensors.anyBits(type, 70_001, 3), 0, 0.001, 0.5, 0.99);
    }

    @Test
    void countsWhatIsNotZero() {
        for (int length : new int[]{0, 1, 31, 32_769, 100_003}) {
            Tensor base = Tensors.random(DType.BF16, length, 1, null, 0.02);
            Tensor x = Tensors.random(DType.BF16, length, 2, base, 1e-4);
            long count = IntStream.range(0, length).filter(i -> Elements.get(x, i) != Elements.get(base, i)).count();
            assertThat(MagnitudeSelectionCuda.on(stream).nonZero(there(base, 1), there(x, 0)))
                    .as("%d elements, seed %d", length, Tensors.SEED).isEqualTo(count);
        }
        Tensor few = Tensors.of(DType.F32, 0, -0.0, Float.MIN_VALUE, Double.NaN, Double.NEGATIVE_INFINITY);
        assertThat(MagnitudeSelectionCuda.on(stream).nonZero(null, there(few, 0))).isEqualTo(3);
    }

    @Test
    void tensorsMayStartAtAnyElement() {
        for (DType type : CudaFormats.ALL) {
            Tensor base = Tensors.random(type, 70_000, 1, null, 0.02);
            check(base, Tensors.random(type, 70_000, 2, base, 2e-3), 1, 0.3);
        }
    }

    /** Data that defeats a sampled bracket or overflows what it may gather. */
    @ParameterizedTest
    @ValueSource(strings = {"sorted", "constant", "two values", "one outlier", "zeros", "blocks", "tail",
        "constant where it is sampled", "all distinct in one binade"})
    void staysExactOnAdversarialData(String kind) {
        int length = 300_007;
        IntToDoubleFunction value = switch (kind) {
            case "sorted" -> i -> i;
            case "constant" -> i -> -3;
            case "two values" -> i -> i % 5 == 0 ? 2 : 1;
            case "one outlier" -> i -> i == 77_777 ? 1e30 : 1;
            case "zeros" -> i -> i % 2 == 0 ? 0.0 : -0.0;
            case "blocks" -> i -> i / 700 % 2 == 0 ? i : 1e-6 * i;
            case "tail" -> i -> i < 299_000 ? 0 : i;
            case "constant where it is sampled" -> i -> isSampled(i, length, length) ? 1 : i;
            default -> i -> 1 + i * 0x1p-23;
        };
        Tensor x = Tensors.zeros(DType.F32, length);
        for (int i = 0; i < length; i++) {
            Elements.set(x, i, value.applyAsDouble(i));
        }
        check(null, x, 0, 0.0001, 0.2, 0.5, 0.9999);
    }

    private static boolean isSampled(int i, int length, int capacity) {
        int stretch = length / MagnitudeSample.runs(length, capacity);
        return i - MagnitudeSample.start(i / stretch, stretch) >>> 7 == 0;
    }

    /** One of these periods is the distance of equal stretches, the other that of runs from the first to the last element. */
    @ParameterizedTest
    @ValueSource(ints = {8192, 8255})
    void onePassAndASampleDoForDataThatRepeatsItself(int period) {
        int length = 1 << 20;
        double[] values = new SplittableRandom(Tensors.SEED).doubles(period).toArray();
        Tensor x = Tensors.zeros(DType.F32, length);
        for (int i = 0; i < length; i++) {
            Elements.set(x, i, values[i % period]);
        }
        Part part = new Part(null, List.of(there(x, 0)));
        for (double density : new double[]{0.001, 0.2, 0.5, 0.99}) {
            Selected selected = MagnitudeSelectionCuda.on(stream).select(List.of(part),
                    List.of(new Wanted(0, MagnitudeSelection.kept(density, length))), Ties.EXACT_K);
            assertThat(selected.passes()).as("density %s, period %d, seed %d", density, period, Tensors.SEED)
                    .isEqualTo(1);
            assertThat(selected.bytesRead() / 4.0 / length).isBetween(1.0, 1.1);
        }
    }

    /** Keys of one tile that fill the room in shared memory, and more of them all than may be gathered. */
    @ParameterizedTest
    @CsvSource({"as the sample has it, 2", "unlike the sample, 3"})
    void moreCandidatesThanItGathersAreStillSelectedExactly(String kind, int passes) {
        int length = 400_000;
        Tensor x = Tensors.zeros(DType.F32, length);
        for (int i = 0; i < length; i++) {
            boolean sampled = isSampled(i, length, 1 << 16);
            double single = (i * 2_654_435_761L & 0xFFFFF) * 0x1p-19;
            Elements.set(x, i,
                    passes == 2 ? sampled ? i % 2 == 0 ? 1 : 3 : 1 + single : sampled ? i : 2e5 + 2500 * single);
        }
        Part part = new Part(null, List.of(there(x, 0)));
        int[] keys = IntStream.range(0, length).map(i -> MagnitudeCut.keyOf((float) Elements.get(x, i))).toArray();
        int[] sorted = Arrays.stream(keys).sorted().toArray();
        Selected selected = new MagnitudeSelectionCuda(stream, 0, 1 << 18).select(List.of(part),
                List.of(new Wanted(0, 200_000)), Ties.EXACT_K);
        assertThat(selected.cuts()).as(kind).isEqualTo(List.of(List.of(define(keys, sorted, 200_000, Ties.EXACT_K))));
        assertThat(selected.passes()).as(kind).isEqualTo(passes);
    }

    @Test
    void whatDoesNotFitIsNamed() {
        Tensor three = there(Tensors.zeros(DType.F32, 3), 0);
        MagnitudeSelectionCuda selection = MagnitudeSelectionCuda.on(stream);
        String wanted = "a selection on a device takes models and a base of one type of [F32, F16, BF16, F8_E4M3, F8_E5M2], got %s";
        assertThatIllegalArgumentException()
                .isThrownBy(() -> selection.select(null, there(Tensors.zeros(DType.F64, 3), 0), 1, Ties.EXACT_K))
                .withMessage(wanted.formatted("[F64 [3]]"));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> selection.select(there(Tensors.zeros(DType.BF16, 3), 0), three, 1, Ties.EXACT_K))
                .withMessage(wanted.formatted("[BF16 [3], F32 [3]]"));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> selection.select(there(Tensors.zeros(DType.F32, 4), 0), three, 1, Ties.EXACT_K))
                .withMessage(
                        "a selection takes a model and a base of arithmetic types and equal length, got F32 [3] and F32 [4]");
        assertThatIllegalArgumentException().isThrownBy(() -> selection.select(null, three, -1, Ties.EXACT_K))
                .withMessage("the number of elements to keep is 0 or more, got -1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> selection.select(null, Tensors.zeros(DType.F32, 3), 1, Ties.EXACT_K)).withMessage(
                        "wanted device memory, got host memory of 12 bytes: copy it to the device first, by CudaStream.upload");
        TensorSource computed = new TaskVectorSource(Tensors.zeros(DType.F32, 3), Tensors.zeros(DType.F32, 3));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> selection.select(List.of(new Part(null, List.of(computed))),
                        List.of(new Wanted(0, 1)), Ties.EXACT_K))
                .withMessage(
                        "a selection without a feed takes tensors in device memory, got a source of F32 [3]");
        Tensor odd = Tensor.of(there(Tensors.zeros(DType.F32, 4), 0).data().asSlice(2, 12), DType.F32, Shape.of(3));
        assertThatIllegalArgumentException().isThrownBy(() -> selection.select(null, odd, 1, Ties.EXACT_K))
                .withMessageStartingWith("on a device elements lie at multiples of their size");
    }
}
