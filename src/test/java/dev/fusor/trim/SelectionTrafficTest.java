package dev.fusor.trim;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.testing.Tensors;
import dev.fusor.trim.MagnitudeSelection.Part;
import dev.fusor.trim.MagnitudeSelection.Selected;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;

/** What a selection reads, by its own count, against reading everything once. */
class SelectionTrafficTest {
    private static final CpuDevice DEVICE = CpuDevice.open(2);
    private static final double[] DENSITIES = {0.001, 0.1, 0.2, 0.5, 0.8, 0.99};

    /** More than are gathered, and little more than one tile. */
    private static final int[] LENGTHS = {131_073, 300_007, 1_000_001, 6_000_000};

    @ParameterizedTest
    @ValueSource(strings = {"normal", "Laplace", "Student's t", "uniform"})
    void oneReadAndASampleDoForContinuousData(String kind) {
        SplittableRandom random = new SplittableRandom(Tensors.SEED);
        IntToDoubleFunction value = switch (kind) {
            case "normal" -> i -> 1e-3 * random.nextGaussian();
            case "Laplace" -> i -> Math.log(random.nextDouble()) * (random.nextBoolean() ? 1 : -1);
            case "Student's t" -> i -> random.nextGaussian() / Math.sqrt((Math.pow(random.nextGaussian(), 2)
                    + Math.pow(random.nextGaussian(), 2) + Math.pow(random.nextGaussian(), 2)) / 3);
            default -> i -> random.nextDouble();
        };
        for (int length : LENGTHS) {
            check(kind, filled(length, value), 1.15, 1);
        }
    }

    @Test
    void oneReadAndASampleDoForTaskVectorsOfBf16Models() {
        for (int length : LENGTHS) {
            Tensor base = Tensors.random(DType.BF16, length, 1, null, 0.02);
            List<TensorSource> models = new ArrayList<>();
            for (double deviation : new double[]{2e-5, 2e-4, 2e-3}) {
                models.add(Tensors.random(DType.BF16, length, 2, base, deviation));
            }
            for (double density : DENSITIES) {
                long k = MagnitudeSelection.kept(density, length);
                List<Wanted> wanted = List.of(new Wanted(0, k), new Wanted(1, k), new Wanted(2, k),
                        new Wanted(2, k / 9));
                Selected selected = MagnitudeSelection.on(DEVICE).select(List.of(new Part(base, models)), wanted,
                        Ties.EXACT_K);
                assertThat(selected.bytesRead() / (4.0 * 2 * length))
                        .as("%d elements, density %s, seed %d", length, density, Tensors.SEED).isBetween(1.0, 1.15);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"sorted", "reversed", "constant", "two values", "one outlier", "zeros", "blocks", "tail",
        "three values in blocks"})
    void twoReadsDoForAdversarialData(String kind) {
        for (int length : LENGTHS) {
            check(kind, filled(length, switch (kind) {
                case "sorted" -> i -> i;
                case "reversed" -> i -> length - i;
                case "constant" -> i -> -3;
                case "two values" -> i -> i % 5 == 0 ? 2 : 1;
                case "one outlier" -> i -> i == 77_777 ? 1e30 : 1;
                case "zeros" -> i -> i % 2 == 0 ? 0.0 : -0.0;
                case "blocks" -> i -> i / 700 % 2 == 0 ? i : 1e-6 * i;
                case "tail" -> i -> i < length - 1000 ? 0 : i;
                default -> i -> i / 1000 % 3;
            }), 2.1, 2);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1 << 12, 1 << 16, 48_000})
    void oneReadAndASampleDoForDataThatRepeatsItself(int period) {
        SplittableRandom random = new SplittableRandom(Tensors.SEED);
        double[] values = random.doubles(period).toArray();
        check("period " + period, filled(1 << 22, i -> values[i % period]), 1.15, 1);
    }

    /** Runs of 128 are sampled, 128 of them from four million elements on: there all is 1, elsewhere it is not. */
    @ParameterizedTest
    @ValueSource(strings = {"larger elsewhere", "smaller elsewhere", "few values elsewhere", "much the same elsewhere"})
    void threeReadsDoWhereTheSampleIsWrong(String kind) {
        int length = 1 << 23;
        int stretch = length / 128;
        Tensor x = filled(length, i -> i - MagnitudeSample.start(i / stretch, stretch) >>> 7 == 0 ? 1 : switch (kind) {
            case "larger elsewhere" -> i + 2;
            case "smaller elsewhere" -> i * 0x1p-40;
            case "few values elsewhere" -> 2 + i % 3;
            default -> 2 + (i * 2_654_435_761L >>> 8 & 0x7FFF) * 0x1p-22;
        });
        assertThat(check(kind, x, 3.1, 3)).as("passes").isBetween(2, 3);
    }

    @Test
    void whatNeedsNoLookIsNotRead() {
        Tensor x = Tensors.zeros(DType.F32, 200_000);
        Part part = new Part(x, List.of(x));
        Selected selected = MagnitudeSelection.on(DEVICE).select(List.of(part),
                List.of(new Wanted(0, 0), new Wanted(0, 200_000)), Ties.EXACT_K);
        assertThat(selected.bytesRead()).isZero();
        assertThat(selected.passes()).isZero();
    }

    @Test
    void fewElementsAreReadOnce() {
        Tensor x = Tensors.random(DType.BF16, 131_072, 1, null, 1);
        Selected selected = MagnitudeSelection.on(DEVICE).select(List.of(new Part(x, List.of(x, x))),
                List.of(new Wanted(0, 7), new Wanted(0, 70_000)), Ties.EXACT_K);
        assertThat(selected.bytesRead()).isEqualTo(2 * 2 * 131_072);
        assertThat(selected.passes()).isEqualTo(1);
    }

    private static Tensor filled(int length, IntToDoubleFunction value) {
        Tensor x = Tensors.zeros(DType.F32, length);
        for (int i = 0; i < length; i++) {
            Elements.set(x, i, value.applyAsDouble(i));
        }
        return x;
    }

    /** The most passes that were made. */
    private static int check(String kind, Tensor x, double most, int passes) {
        int made = 0;
        for (double density : DENSITIES) {
            long k = MagnitudeSelection.kept(density, x.elements());
            Selected selected = MagnitudeSelection.on(DEVICE).select(List.of(new Part(null, List.of(x))),
                    List.of(new Wanted(0, k)), Ties.EXACT_K);
            String what = "%s, %d elements, density %s, seed %d".formatted(kind, x.elements(), density, Tensors.SEED);
            assertThat(selected.bytesRead() / (double) x.data().byteSize()).as(what).isBetween(1.0, most);
            assertThat(selected.passes()).as(what).isLessThanOrEqualTo(passes);
            made = Math.max(made, selected.passes());
            MagnitudeCut cut = selected.cuts().getFirst().getFirst();
            long kept = 0;
            for (int i = 0; i < x.elements(); i++) {
                kept += cut.keeps((float) Elements.get(x, i), i) ? 1 : 0;
            }
            assertThat(kept).as(what).isEqualTo(k);
        }
        return made;
    }
}
