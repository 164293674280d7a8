package dev.fusor.trim;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;

/** What a sample says of the k-th key, against the sample sorted. */
class MagnitudeSampleTest {
    /** Elements of all kinds of values that searches meet. */
    static Tensor values(String kind, int length) {
        SplittableRandom random = new SplittableRandom(Tensors.SEED);
        IntToDoubleFunction value = switch (kind) {
            case "continuous" -> i -> 1e-3 * random.nextGaussian();
            case "bits" -> i -> Float.intBitsToFloat(random.nextInt());
            case "with NaN" -> i -> random.nextInt(3) == 0 ? Double.NaN : random.nextGaussian();
            case "constant" -> i -> -3;
            case "zeros" -> i -> i % 2 == 0 ? 0.0 : -0.0;
            case "two values" -> i -> i % 5 == 0 ? 2 : 1;
            case "few values" -> i -> 0x1p-8 * (int) Math.exp(random.nextDouble(4));
            case "sorted" -> i -> i;
            case "blocks" -> i -> random.nextDouble() * (i / 700 % 2 == 0 ? 1 : 1e-3);
            default -> throw new IllegalArgumentException(kind);
        };
        Tensor x = Tensors.zeros(DType.F32, length);
        for (int i = 0; i < length; i++) {
            Elements.set(x, i, value.applyAsDouble(i));
        }
        return x;
    }

    /** From the first to the last that a search may ask for. */
    static long[] ks(long length) {
        return LongStream.of(1, 2, length / 1000, length / 5, length / 2, length - length / 100, length - 1)
                .filter(k -> k > 0 && k < length).distinct().toArray();
    }

    /** The definition: sort the sample, and go so many standard deviations to either side of the k-th key. */
    static KeyEstimate define(int[][] runs, long k, long length) {
        int[] sorted = Arrays.stream(runs).flatMapToInt(Arrays::stream).sorted().toArray();
        double fraction = (double) k / length;
        double place = fraction * sorted.length;
        int bin = at(sorted, Math.ceil(place)) >>> 18;
        double deviation = Math.max(Math.sqrt(fraction * (1 - fraction) * sorted.length),
                Math.max(deviation(runs, bin << 18), deviation(runs, bin + 1 << 18)));
        int most = at(sorted, Math.floor(place - 6 * deviation) - 128);
        int least = at(sorted, Math.ceil(place + 6 * deviation) + 1 + 128);
        int likely = at(sorted, Math.floor(place - 4 * deviation));
        boolean one = likely == at(sorted, Math.ceil(place + 4 * deviation) + 1);
        long larger = Arrays.stream(sorted).filter(key -> key > likely).count();
        long equal = Arrays.stream(sorted).filter(key -> key == likely).count();
        long inside = Arrays.stream(sorted).filter(key -> key >= least && key <= most).count();
        return new KeyEstimate(at(sorted, Math.ceil(place) + 1), one ? likely : -1,
                one ? Math.clamp((place - larger) / equal, 0, 1) : 0, least, most, (double) inside / sorted.length);
    }

    private static int at(int[] sorted, double rank) {
        return rank < 1 ? Keys.LARGEST : rank > sorted.length ? 0 : sorted[sorted.length - (int) rank];
    }

    /** By what whole runs differ in how many keys they have from one on. */
    private static double deviation(int[][] runs, int from) {
        long[] counts = Arrays.stream(runs).filter(run -> run.length == MagnitudeSample.RUN)
                .mapToLong(run -> Arrays.stream(run).filter(key -> key >= from).count()).toArray();
        return Math.sqrt(IntStream.range(1, counts.length)
                .mapToDouble(i -> Math.pow(counts[i] - counts[i - 1], 2) / 2).sum());
    }

    @ParameterizedTest
    @ValueSource(strings = {"continuous", "bits", "with NaN", "constant", "zeros", "two values", "few values",
        "sorted", "blocks"})
    void saysWhatTheSortedSampleSays(String kind) {
        Tensor x = values(kind, 100_003);
        for (int count : new int[]{1, 2, 33, 700}) {
            int[][] runs = new int[count][];
            for (int run = 0; run < count; run++) {
                int from = run * (100_003 / count);
                runs[run] = IntStream.range(from, from + (run % 7 == 3 ? run % 128 : MagnitudeSample.RUN))
                        .map(i -> MagnitudeCut.keyOf((float) Elements.get(x, i))).toArray();
            }
            for (long k : ks(100_003)) {
                assertThat(new MagnitudeSample(runs, k, 100_003).estimate())
                        .as("%s, %d runs, k %d, seed %d", kind, count, k, Tensors.SEED)
                        .isEqualTo(define(runs, k, 100_003));
            }
        }
    }
}
