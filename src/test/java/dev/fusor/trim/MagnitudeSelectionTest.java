package dev.fusor.trim;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import dev.fusor.trim.MagnitudeSelection.Ties;
import java.util.Arrays;
import java.util.Comparator;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class MagnitudeSelectionTest {
    private static final CpuDevice DEVICE = CpuDevice.open(2);

    @ParameterizedTest
    @EnumSource(names = {"BF16", "F32", "F16", "F64", "F8_E4M3"})
    void keepsWhatSortingByMagnitudeAndIndexKeeps(DType type) {
        for (int length : new int[]{1, 2, 15, 16, 17, 33, 1000, 65_536, 65_537, 131_072, 200_003}) {
            Tensor base = Tensors.random(type, length, 1, null, 0.02);
            Tensor x = Tensors.random(type, length, 2, base, 2e-3);
            for (double density : new double[]{0, 0.001, 0.2, 0.5, 0.999, 1}) {
                check(null, x, density);
                check(base, x, density);
            }
        }
    }

    /** Data that defeats a sampled bracket or overflows what it may gather. */
    @ParameterizedTest
    @ValueSource(strings = {"sorted", "reversed", "constant", "two values", "one outlier", "zeros", "blocks", "tail",
        "constant where it is sampled", "all distinct in one binade"})
    void staysExactOnAdversarialData(String kind) {
        int length = 300_007;
        IntToDoubleFunction value = switch (kind) {
            case "sorted" -> i -> i;
            case "reversed" -> i -> length - i;
            case "constant" -> i -> -3;
            case "two values" -> i -> i % 5 == 0 ? 2 : 1;
            case "one outlier" -> i -> i == 77_777 ? 1e30 : 1;
            case "zeros" -> i -> i % 2 == 0 ? 0.0 : -0.0;
            case "blocks" -> i -> i / 700 % 2 == 0 ? i : 1e-6 * i;
            case "tail" -> i -> i < 299_000 ? 0 : i;
            case "constant where it is sampled" -> i -> i % (length / 73) < 128 ? 1 : i;
            default -> i -> 1 + i * 0x1p-23;
        };
        Tensor x = Tensors.zeros(DType.F32, length);
        for (int i = 0; i < length; i++) {
            Elements.set(x, i, value.applyAsDouble(i));
        }
        for (double density : new double[]{0.0001, 0.01, 0.2, 0.5, 0.8, 0.9999}) {
            check(null, x, density);
        }
    }

    @Test
    void moreCandidatesThanItGathersAreStillSelectedExactly() {
        // Two far apart clusters of distinct values in stretches the sample cannot tell: the bracket holds millions.
        int length = 9_000_000;
        Tensor x = Tensors.zeros(DType.F32, length);
        for (int i = 0; i < length; i++) {
            Elements.set(x, i, 1 + (i * 2_654_435_761L >>> 8 & 0xFF) * 0x1p-8);
        }
        long k = length / 2;
        MagnitudeCut cut = MagnitudeSelection.on(DEVICE).select(null, x, k, Ties.EXACT_K);
        long kept = 0;
        for (int i = 0; i < length; i++) {
            kept += cut.keeps((float) Elements.get(x, i), i) ? 1 : 0;
        }
        assertThat(kept).isEqualTo(k);
    }

    @Test
    void amongEqualMagnitudesTheLowestIndicesAreKept() {
        Tensor x = Tensors.of(DType.F32, 1, -2, 2, 3, -2, 2, 1);
        MagnitudeCut cut = MagnitudeSelection.on(DEVICE).select(null, x, 3, Ties.EXACT_K);
        assertThat(cut).isEqualTo(new MagnitudeCut(Float.floatToIntBits(2), 2));
    }

    @Test
    void allTiesKeepsEveryEqualAsTheAuthorsOfTiesDo() {
        Tensor x = Tensors.of(DType.F32, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3);
        MagnitudeCut cut = MagnitudeSelection.on(DEVICE).select(null, x, 3, Ties.ALL_TIES);
        int kept = 0;
        for (int i = 0; i < 10; i++) {
            kept += cut.keeps((float) Elements.get(x, i), i) ? 1 : 0;
        }
        assertThat(kept).isEqualTo(6);
    }

    @Test
    void nanRanksAboveInfinityAndTiesWithOtherNaN() {
        Tensor x = Tensors.of(DType.F32, 1, Double.POSITIVE_INFINITY, Double.NaN, 5);
        assertThat(MagnitudeSelection.on(DEVICE).select(null, x, 1, Ties.EXACT_K))
                .isEqualTo(new MagnitudeCut(MagnitudeCut.NAN_KEY, 2));
        assertThat(MagnitudeSelection.on(DEVICE).select(null, x, 2, Ties.EXACT_K))
                .isEqualTo(new MagnitudeCut(0x7F800000, 1));
    }

    @Test
    void keepingNothingAndKeepingEverythingNeedNoData() {
        Tensor x = Tensors.of(DType.F32, 1, 2);
        assertThat(MagnitudeSelection.on(DEVICE).select(null, x, 0, Ties.EXACT_K)).isEqualTo(MagnitudeCut.NONE);
        assertThat(MagnitudeSelection.on(DEVICE).select(null, x, 2, Ties.EXACT_K)).isEqualTo(MagnitudeCut.ALL);
        assertThat(MagnitudeSelection.on(DEVICE).select(null, Tensors.zeros(DType.F32, 0), 0, Ties.EXACT_K))
                .isEqualTo(MagnitudeCut.NONE);
    }

    @Test
    void countsWhatIsNotZero() {
        int length = 300_007;
        Tensor base = Tensors.random(DType.BF16, length, 1, null, 1);
        Tensor x = Tensors.of(DType.BF16, Tensors.values(base));
        for (int i = 0; i < length; i += 7) {
            Elements.set(x, i, i % 14 == 0 ? Double.NaN : 100);
        }
        assertThat(MagnitudeSelection.on(DEVICE).nonZero(base, x)).isEqualTo((length + 6) / 7);
        assertThat(MagnitudeSelection.on(DEVICE).nonZero(null, Tensors.of(DType.F32, 0, -0.0, Float.MIN_VALUE)))
                .isEqualTo(1);
        assertThat(MagnitudeSelection.on(DEVICE).nonZero(null, Tensors.zeros(DType.F32, 0))).isZero();
    }

    @Test
    void theKeptCountIsTheProductRoundedDown() {
        assertThat(MagnitudeSelection.kept(0.29, 100)).isEqualTo(28); // 0.29 * 100 is 28.999999999999996
        assertThat(MagnitudeSelection.kept(0.57, 100)).isEqualTo(56);
        assertThat(MagnitudeSelection.kept(0.2, 10)).isEqualTo(2);
        assertThat(MagnitudeSelection.kept(1, Long.MAX_VALUE)).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void aDensityOutsideItsRangeIsRefused() {
        for (double density : new double[]{-0.1, 1.0001, Double.NaN, 20}) {
            assertThatThrownBy(() -> MagnitudeSelection.kept(density, 10))
                    .hasMessage("density is a fraction from 0 to 1, got " + density);
        }
    }

    @Test
    void doesNotDependOnTheNumberOfThreads() {
        Tensor base = Tensors.random(DType.BF16, 700_001, 5, null, 0.02);
        Tensor x = Tensors.random(DType.BF16, 700_001, 6, base, 2e-4);
        MagnitudeCut one = MagnitudeSelection.on(CpuDevice.open(1)).select(base, x, 140_000, Ties.EXACT_K);
        for (int threads = 2; threads <= 8; threads++) {
            try (CpuDevice device = CpuDevice.open(threads)) {
                assertThat(MagnitudeSelection.on(device).select(base, x, 140_000, Ties.EXACT_K)).isEqualTo(one);
            }
        }
    }

    @Test
    void wrongShapesAndTypesAreNamed() {
        Tensor x = Tensors.zeros(DType.F32, 3);
        assertThatThrownBy(
                () -> MagnitudeSelection.on(DEVICE).select(Tensors.zeros(DType.F32, 4), x, 1, Ties.EXACT_K))
                .hasMessageContaining("F32 [3] and F32 [4]");
        assertThatThrownBy(
                () -> MagnitudeSelection.on(DEVICE).select(null, Tensors.zeros(DType.I32, 3), 1, Ties.EXACT_K))
                .hasMessageContaining("arithmetic types");
        assertThatThrownBy(() -> MagnitudeSelection.on(DEVICE).select(null, x, -1, Ties.EXACT_K))
                .hasMessage("the number of elements to keep is 0 or more, got -1");
    }

    /** The definition: sort by magnitude, equals by index, keep the first k. */
    private static void check(Tensor base, Tensor x, double density) {
        int length = (int) x.elements();
        int k = (int) MagnitudeSelection.kept(density, length);
        float[] delta = new float[length];
        for (int i = 0; i < length; i++) {
            double value = Elements.get(x, i);
            delta[i] = base == null
                    ? (float) value
                    : x.dtype() == DType.F64
                            ? (float) (value - Elements.get(base, i))
                            : (float) value - (float) Elements.get(base, i);
        }
        Integer[] order = new Integer[length];
        Arrays.setAll(order, i -> i);
        Comparator<Integer> byMagnitude = Comparator.comparing(i -> Math.abs(delta[i]));
        Arrays.sort(order, byMagnitude.reversed().thenComparing(i -> i));
        boolean[] wanted = new boolean[length];
        for (int i = 0; i < k; i++) {
            wanted[order[i]] = true;
        }
        MagnitudeCut cut = MagnitudeSelection.on(DEVICE).select(base, x, k, Ties.EXACT_K);
        for (int i = 0; i < length; i++) {
            assertThat(cut.keeps(delta[i], i))
                    .as("element %d of %d, density %s, %s, seed %d", i, length, density, x.dtype(), Tensors.SEED)
                    .isEqualTo(wanted[i]);
        }
    }
}
