package dev.fusor.trim;

import dev.fusor.device.CpuDevice;
import dev.fusor.simd.Scratch;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;

/**
 * A sample brackets the k-th magnitude; one pass over all elements counts what lies above the bracket and gathers what
 * lies inside; the k-th is then selected from the gathered keys. Where the bracket missed or held too much, two passes of
 * histograms find it instead. Either way the result is exact.
 */
final class MagnitudeSelectionCpu implements MagnitudeSelection {
    /** Elements of one task. */
    static final int TILE = 1 << 17;

    /** Below this many elements every key is gathered: a bracket would not pay. */
    static final long SMALL = 1 << 16;

    static final int SAMPLE_RUNS = 128;
    static final int SAMPLE_RUN = 128;

    /**
     * Width of the bracket on either side, in standard deviations of a sample of single elements. Runs of neighbours are
     * alike, so the sample is worth less than its size; a miss costs two more passes, never exactness.
     */
    static final double SURE_DEVIATIONS = 8;

    /**
     * Task vectors of BF16 models have few different magnitudes: where the sample has the same key within this width, that
     * key is tried alone. Nothing is gathered then; a miss costs one more pass.
     */
    static final double LIKELY_DEVIATIONS = 3;

    /** Gathered keys are counted in at most two to this many bins. */
    private static final int BIN_BITS = 11;

    /** Keys gathered at most, 16 MiB: beyond it histograms are the better way. */
    private static final int MOST_GATHERED = 1 << 22;

    private final CpuDevice device;

    MagnitudeSelectionCpu(CpuDevice device) {
        this.device = device;
    }

    @Override
    public MagnitudeCut select(TensorSource base, TensorSource x, long k, Ties ties) {
        check(base, x);
        if (k < 0) {
            throw new IllegalArgumentException("the number of elements to keep is 0 or more, got " + k);
        }
        if (k == 0) {
            return MagnitudeCut.NONE;
        }
        return k >= x.elements() ? MagnitudeCut.ALL : new Search(base, x, x.elements(), k).run(ties);
    }

    @Override
    public long nonZero(TensorSource base, TensorSource x) {
        check(base, x);
        LongAdder found = new LongAdder();
        device.run((x.elements() + TILE - 1) / TILE, tile -> {
            long count = Math.min(TILE, x.elements() - tile * TILE);
            Tensor from = base == null ? null : base.slice(tile * TILE, count);
            found.add(KeyScan.inside(KeyScan.scan(from, x.slice(tile * TILE, count), 1, Integer.MAX_VALUE - 1, null)));
        });
        return found.sum();
    }

    private static void check(TensorSource base, TensorSource x) {
        if (base != null && base.elements() != x.elements() || !x.dtype().isArithmetic()
                || base != null && !base.dtype().isArithmetic()) {
            throw new IllegalArgumentException(
                    "a selection takes a model and a base of arithmetic types and equal length, got %s %s and %s"
                            .formatted(x.dtype(), x.shape(),
                                    base == null ? "none" : base.dtype() + " " + base.shape()));
        }
    }

    /** The k-th key of so many as a sample has it, so many standard deviations towards the larger ones. */
    static int sampled(int[] sample, long k, long length, double deviations) {
        double fraction = (double) k / length;
        double place = (fraction - deviations * Math.sqrt(fraction * (1 - fraction) / sample.length)) * sample.length;
        long rank = (long) (deviations > 0 ? Math.floor(place) : Math.ceil(place) + 1);
        if (rank < 1) {
            return Integer.MAX_VALUE - 1;
        }
        return rank > sample.length ? 0 : Keys.kthLargest(sample.clone(), sample.length, rank);
    }

    /** Where the so-manyth element of a key is, which has to be there. */
    static int placeOfTie(Tensor base, Tensor x, int key, long number) {
        long wanted = number;
        float[] delta = Scratch.mine().floats(0);
        for (int from = 0;; from += Scratch.ELEMENTS) {
            int n = (int) Math.min(Scratch.ELEMENTS, x.elements() - from);
            TaskVector.load(base, x, from, delta, n);
            for (int i = 0; i < n; i++) {
                if (MagnitudeCut.keyOf(delta[i]) == key && --wanted == 0) {
                    return from + i;
                }
            }
        }
    }

    private final class Search {
        private final TensorSource base;
        private final TensorSource x;
        private final long length;
        private final long k;
        private final int tiles;

        Search(TensorSource base, TensorSource x, long length, long k) {
            this.base = base;
            this.x = x;
            this.length = length;
            this.k = k;
            this.tiles = Math.toIntExact((length + TILE - 1) / TILE);
        }

        MagnitudeCut run(Ties ties) {
            Found found = length <= SMALL ? search(0, Integer.MAX_VALUE - 1) : searchBracket();
            if (ties == Ties.ALL_TIES) {
                return new MagnitudeCut(found.key, Long.MAX_VALUE);
            }
            return new MagnitudeCut(found.key, lastTie(found));
        }

        private Found searchBracket() {
            int[] sample = new int[SAMPLE_RUNS * SAMPLE_RUN];
            long stride = (length - SAMPLE_RUN) / (SAMPLE_RUNS - 1);
            int[] run = new int[SAMPLE_RUN + Specialised.MOST_LANES];
            for (int i = 0; i < SAMPLE_RUNS; i++) {
                KeyScan.scan(part(base, i * stride, SAMPLE_RUN), part(x, i * stride, SAMPLE_RUN), 0,
                        Integer.MAX_VALUE - 1, run);
                System.arraycopy(run, 0, sample, i * SAMPLE_RUN, SAMPLE_RUN);
            }
            int likely = sampled(sample, k, length, LIKELY_DEVIATIONS);
            if (likely == sampled(sample, k, length, -LIKELY_DEVIATIONS)) {
                Found tied = search(likely, likely);
                if (tied != null) {
                    return tied;
                }
            }
            Found found = search(sampled(sample, k, length, -SURE_DEVIATIONS),
                    sampled(sample, k, length, SURE_DEVIATIONS));
            return found == null ? searchHistograms() : found;
        }

        /** One pass with a bracket; null if it did not hold the k-th key or too many others. */
        private Found search(int low, int high) {
            boolean gather = low != high;
            int shift = Math.max(0, 32 - Integer.numberOfLeadingZeros(high - low) - BIN_BITS);
            long[] above = new long[tiles];
            int[] inside = new int[tiles];
            int[][] keys = new int[tiles][];
            long[] bins = new long[(high - low >>> shift) + 1];
            AtomicInteger gathered = new AtomicInteger();
            device.run(tiles, tile -> {
                int t = (int) tile;
                int[] room = gather ? ROOM.get() : null;
                long counts = KeyScan.scan(tileOf(base, t), tileOf(x, t), low, high, room);
                above[t] = KeyScan.above(counts);
                inside[t] = KeyScan.inside(counts);
                if (gather && gathered.addAndGet(inside[t]) <= MOST_GATHERED) {
                    keys[t] = Arrays.copyOf(room, inside[t]);
                    addCounts(room, inside[t], low, shift, bins);
                }
            });
            long rank = k - Arrays.stream(above).sum();
            long total = Arrays.stream(inside).asLongStream().sum();
            if (rank < 1 || rank > total || gather && total > MOST_GATHERED) {
                return null;
            }
            return gather ? searchGathered(keys, bins, low, shift, rank) : new Found(low, rank, inside);
        }

        /** Narrows the bin that holds the k-th key until it is one key. */
        private Found searchGathered(int[][] keys, long[] firstBins, int low, int firstShift, long rankInside) {
            long[] bins = firstBins;
            int shift = firstShift;
            int least = low;
            long rank = rankInside;
            while (true) {
                int bin = bins.length - 1;
                while (rank > bins[bin]) {
                    rank -= bins[bin--];
                }
                least += bin << shift;
                if (shift == 0) {
                    break;
                }
                int finer = Math.max(0, shift - BIN_BITS);
                long[] finerBins = new long[1 << shift - finer];
                int start = least;
                device.run(tiles,
                        tile -> addCounts(keys[(int) tile], keys[(int) tile].length, start, finer, finerBins));
                bins = finerBins;
                shift = finer;
            }
            int key = least;
            int[] equal = new int[tiles];
            device.run(tiles, tile -> equal[(int) tile] = count(key, keys[(int) tile]));
            return new Found(key, rank, equal);
        }

        private static int count(int wanted, int[] keys) {
            int equal = 0;
            for (int key : keys) {
                equal += key == wanted ? 1 : 0;
            }
            return equal;
        }

        /** The upper 16 bits of the key by one histogram, the lower 15 by another, the ties by a third pass. */
        private Found searchHistograms() {
            long[] upper = histogram(0, Integer.MAX_VALUE - 1, 15);
            long rank = k;
            int bin = upper.length - 1;
            while (rank > upper[bin]) {
                rank -= upper[bin--];
            }
            long[] lower = histogram(bin << 15, (bin << 15) + 0x7FFF, 0);
            int rest = lower.length - 1;
            while (rank > lower[rest]) {
                rank -= lower[rest--];
            }
            int key = (bin << 15) + rest;
            int[] equal = new int[tiles];
            device.run(tiles, tile -> equal[(int) tile] = KeyScan
                    .inside(KeyScan.scan(tileOf(base, (int) tile), tileOf(x, (int) tile), key, key, null)));
            return new Found(key, rank, equal);
        }

        private long[] histogram(int low, int high, int shift) {
            long[] sum = new long[(high - low >>> shift) + 1];
            device.run(tiles, tile -> {
                int[] room = ROOM.get();
                int count = KeyScan
                        .inside(KeyScan.scan(tileOf(base, (int) tile), tileOf(x, (int) tile), low, high, room));
                addCounts(room, count, low, shift, sum);
            });
            return sum;
        }

        /** Adds to each bin how many of the keys are in it; keys outside them all are left out. */
        private static void addCounts(int[] keys, int count, int low, int shift, long[] bins) {
            int[] mine = new int[bins.length + 1];
            for (int i = 0; i < count; i++) {
                // Without a branch: a key below the first bin is a very large number here, and goes where those above go.
                mine[Math.min((keys[i] - low & Integer.MAX_VALUE) >>> shift, bins.length)]++;
            }
            synchronized (bins) {
                for (int i = 0; i < bins.length; i++) {
                    bins[i] += mine[i];
                }
            }
        }

        private long lastTie(Found found) {
            long wanted = found.ties;
            int t = 0;
            while (wanted > found.equal[t]) {
                wanted -= found.equal[t++];
            }
            return (long) t * TILE + placeOfTie(tileOf(base, t), tileOf(x, t), found.key, wanted);
        }

        private Tensor tileOf(TensorSource source, int tile) {
            long from = (long) tile * TILE;
            return part(source, from, Math.min(TILE, length - from));
        }

        private Tensor part(TensorSource source, long from, long count) {
            return source == null ? null : source.slice(from, count);
        }
    }

    /** The k-th key, how many of its equals are kept, and how many each tile has. */
    private record Found(int key, long ties, int[] equal) {}

    private static final ThreadLocal<int[]> ROOM = ThreadLocal
            .withInitial(() -> new int[TILE + Specialised.MOST_LANES]);
}
