package dev.fusor.trim;

import dev.fusor.trim.KeyEstimate.Ranked;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** A sample of keys, and where it has the k-th of all: a guess that a pass over all of them proves or refutes. */
final class MagnitudeSample {
    /** Neighbours that are taken together. */
    static final int RUN = 128;

    /** Width of a bracket on either side, in standard deviations; a run more is added. A miss costs passes, never exactness. */
    static final double SURE = 6;

    /**
     * Task vectors of BF16 models have few different magnitudes: where the sample has the same key within this width, that
     * key is tried alone. Nothing is gathered then; a miss costs one more pass.
     */
    static final double LIKELY = 4;

    /**
     * A place in the order of a sample.
     *
     * @param deviations how many standard deviations from the k-th towards the larger ones; towards the smaller ones if negative
     * @param more how many keys of the sample further
     */
    record Place(double deviations, int more) {}

    /** What is asked of a sample, from the larger keys to the smaller. */
    static final List<Place> PLACES = List.of(new Place(SURE, RUN), new Place(LIKELY, 0), new Place(0, 0),
            new Place(-LIKELY, 0), new Place(-SURE, RUN));

    /** A key is heavy if one in so many elements of a sample has it. */
    private static final int HEAVY = 256;

    /** A sample takes one element in so many at most, or in so many where that makes few runs. */
    private static final int DENSEST = 256;
    private static final int DENSEST_OF_FEW = 32;

    private static final int FEWEST_RUNS = 128;
    private static final int MOST_RUNS = 1 << 13;

    /** Of 2^64: its multiples, modulo that, are spread evenly. */
    private static final long GOLDEN_RATIO = 0x9E3779B97F4A7C15L;

    /** Keys are sorted in bins by their upper 13 bits, so that only those around the k-th need to be put in order. */
    private static final int BIN_SHIFT = 18;

    private final int size;
    private final double fraction;
    /** Of how many keys of such a sample are among the k largest. */
    private final double deviation;
    /** The keys in the bins from the least to the largest that is asked for, in order. */
    private final int[] around;
    /** How many keys of the sample are larger than these. */
    private final int above;

    /**
     * Takes a sample.
     *
     * @param runs the keys of the sample, at least one, each array a run or several
     * @param k from 1 to the length
     * @param length of how many keys it is one
     */
    MagnitudeSample(int[][] runs, long k, long length) {
        size = Arrays.stream(runs).mapToInt(run -> run.length).sum();
        fraction = (double) k / length;
        int[] bins = new int[(Integer.MAX_VALUE >>> BIN_SHIFT) + 1];
        for (int[] run : runs) {
            for (int key : run) {
                bins[key >>> BIN_SHIFT]++;
            }
        }
        deviation = deviation(runs, bins);
        long largest = Math.clamp(rank(PLACES.getFirst()), 1, size);
        long least = Math.clamp(rank(PLACES.getLast()), 1, size);
        int high = bins.length;
        int seen = 0;
        while (seen < largest) {
            seen += bins[--high];
        }
        above = seen - bins[high];
        int low = high;
        while (seen < least) {
            seen += bins[--low];
        }
        around = new int[seen - above];
        int count = 0;
        for (int[] run : runs) {
            int[] some = Keys.within(run, low << BIN_SHIFT, (high << BIN_SHIFT) + (1 << BIN_SHIFT) - 1);
            System.arraycopy(some, 0, around, count, some.length);
            count += some.length;
        }
        Arrays.sort(around);
    }

    /**
     * Neighbours may be alike, in tensors whose rows or blocks differ, and a run of them is then worth less than its size. So
     * what runs differ by counts, on either side of the bin with the k-th key, if it is more than what single elements would.
     */
    private double deviation(int[][] runs, int[] bins) {
        int bin = bins.length;
        for (int seen = 0; seen < fraction * size;) {
            seen += bins[--bin];
        }
        double alone = Math.sqrt(fraction * (1 - fraction) * size);
        return Math.max(alone, Math.max(deviation(runs, bin << BIN_SHIFT), deviation(runs, bin + 1 << BIN_SHIFT)));
    }

    /**
     * Of the number of keys of the sample from one on, by what each run differs from the one before: one that follows from
     * where it lies, as in sorted tensors, is known and no doubt.
     */
    private static double deviation(int[][] runs, int from) {
        double squares = 0;
        int before = -1;
        for (int[] several : runs) {
            for (int at = 0; at + RUN <= several.length; at += RUN) {
                int count = count(several, at, at + RUN, from);
                squares += before < 0 ? 0 : Math.pow(count - before, 2) / 2;
                before = count;
            }
        }
        return Math.sqrt(squares);
    }

    private static int count(int[] keys, int at, int end, int from) {
        int count = 0;
        for (int i = at; i < end; i++) {
            count += from - 1 - keys[i] >>> 31; // both are 0 or more
        }
        return count;
    }

    /**
     * How many runs a sample is of.
     *
     * @param length of how many keys
     * @param share how many of them may be gathered: those of a bracket fill half of it at most, if runs can do that
     */
    static int runs(long length, long share) {
        double wanted = 4 * SURE * length / share;
        long runs = Math.clamp((long) (wanted * wanted) / RUN, FEWEST_RUNS, MOST_RUNS);
        long few = Math.min(FEWEST_RUNS, length / DENSEST_OF_FEW / RUN);
        return (int) Math.min(runs, Math.max(few, length / DENSEST / RUN));
    }

    /** The first element of a run, which is anywhere in its stretch: so that no period in the elements is sampled at one phase. */
    static long start(long run, long stretch) {
        return run * stretch + Math.unsignedMultiplyHigh(run * GOLDEN_RATIO, stretch - RUN + 1);
    }

    /** How many runs begin before an element, if there is no end of stretches. */
    static long runsBefore(long element, long stretch) {
        long run = element / stretch;
        return run + (start(run, stretch) < element ? 1 : 0);
    }

    /** Where the sample has the k-th key of all. */
    KeyEstimate estimate() {
        return KeyEstimate.of(PLACES.stream().map(this::ranked).toList(), fraction, size);
    }

    private Ranked ranked(Place place) {
        long rank = rank(place);
        if (rank < 1) {
            return new Ranked(Keys.LARGEST, 0, 0);
        }
        if (rank > size) {
            return new Ranked(0, size, 0);
        }
        int key = around[(int) (around.length - (rank - above))];
        int next = firstFrom(key + 1);
        return new Ranked(key, above + around.length - next, next - firstFrom(key));
    }

    private long rank(Place place) {
        double at = fraction * size - place.deviations * deviation;
        return (long) (place.deviations > 0 ? Math.floor(at) - place.more : Math.ceil(at) + 1 + place.more);
    }

    /** The place of the first of {@link #around} that is not below a key. */
    private int firstFrom(int key) {
        int from = 0;
        int to = around.length;
        while (from < to) {
            int middle = (from + to) / 2;
            if (around[middle] < key) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        return from;
    }

    /** The heavy ones among the keys from the least to the largest that is asked for, sorted. */
    int[] heavy() {
        int end = firstFrom(ranked(PLACES.getFirst()).key() + 1);
        int least = Math.max(2, size / HEAVY);
        return IntStream.iterate(firstFrom(ranked(PLACES.getLast()).key()), i -> i < end, i -> firstFrom(around[i] + 1))
                .filter(i -> i + least <= end && around[i + least - 1] == around[i]).map(i -> around[i]).toArray();
    }
}
