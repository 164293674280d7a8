package dev.fusor.trim;

import dev.fusor.device.CpuDevice;
import dev.fusor.simd.Scratch;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A sample brackets the k-th magnitude; one pass over all elements counts what lies above the bracket and gathers what
 * lies inside; the k-th is then selected from the gathered keys. Where the bracket missed or held too much, two passes of
 * histograms find it instead. Either way the result is exact.
 */
final class MagnitudeSelectionCpu implements MagnitudeSelection {
    /** Elements of one task. */
    static final int TILE = 1 << 17;

    /** Below this many elements every key is gathered: a bracket would not pay. */
    private static final long SMALL = 1 << 16;

    private static final int SAMPLE_RUNS = 128;
    private static final int SAMPLE_RUN = 128;

    /**
     * Width of the bracket on either side, in standard deviations of a sample of single elements. Runs of neighbours are
     * alike, so the sample is worth less than its size; a miss costs two more passes, never exactness.
     */
    private static final double DEVIATIONS = 8;

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
        long length = x.elements();
        if (base != null && base.elements() != length || !x.dtype().isArithmetic()
                || base != null && !base.dtype().isArithmetic()) {
            throw new IllegalArgumentException(
                    "a selection takes a model and a base of arithmetic types and equal length, got %s %s and %s"
                            .formatted(x.dtype(), x.shape(),
                                    base == null ? "none" : base.dtype() + " " + base.shape()));
        }
        if (k < 0) {
            throw new IllegalArgumentException("the number of elements to keep is 0 or more, got " + k);
        }
        if (k == 0) {
            return MagnitudeCut.NONE;
        }
        return k >= length ? MagnitudeCut.ALL : new Search(base, x, length, k).run(ties);
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
            int count = 0;
            long stride = (length - SAMPLE_RUN) / (SAMPLE_RUNS - 1);
            int[] run = new int[SAMPLE_RUN + Specialised.MOST_LANES];
            for (int i = 0; i < SAMPLE_RUNS; i++) {
                KeyScan.scan(part(base, i * stride, SAMPLE_RUN), part(x, i * stride, SAMPLE_RUN), 0,
                        Integer.MAX_VALUE - 1, run);
                System.arraycopy(run, 0, sample, count, SAMPLE_RUN);
                count += SAMPLE_RUN;
            }
            double fraction = (double) k / length;
            double margin = DEVIATIONS * Math.sqrt(fraction * (1 - fraction) / count);
            long highRank = (long) Math.floor((fraction - margin) * count);
            long lowRank = (long) Math.ceil((fraction + margin) * count) + 1;
            int high = highRank < 1 ? Integer.MAX_VALUE - 1 : Keys.kthLargest(sample.clone(), count, highRank);
            int low = lowRank > count ? 0 : Keys.kthLargest(sample, count, lowRank);
            return search(low, high);
        }

        /** One pass with a bracket, then two more if it did not serve. */
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
                return searchHistograms();
            }
            return gather ? searchGathered(keys, bins, low, shift, rank) : new Found(low, rank, inside);
        }

        /** The bin that holds the k-th key is known; only its keys are looked at, and few bins hold many. */
        private Found searchGathered(int[][] keys, long[] bins, int low, int shift, long rankInside) {
            long rank = rankInside;
            int bin = bins.length - 1;
            while (rank > bins[bin]) {
                rank -= bins[bin--];
            }
            int least = low + (bin << shift);
            int most = least + (1 << shift) - 1;
            int[][] left = new int[tiles][];
            device.run(tiles, tile -> {
                int t = (int) tile;
                int kept = 0;
                for (int key : keys[t]) {
                    keys[t][kept] = key;
                    kept += key >= least && key <= most ? 1 : 0;
                }
                left[t] = Arrays.copyOf(keys[t], kept);
            });
            int count = Arrays.stream(left).mapToInt(part -> part.length).sum();
            int key = shift == 0 ? least : Keys.kthLargest(joined(left, count), count, rank);
            long greater = 0;
            int[] equal = new int[tiles];
            for (int t = 0; t < tiles; t++) {
                for (int other : left[t]) {
                    greater += other > key ? 1 : 0;
                    equal[t] += other == key ? 1 : 0;
                }
            }
            return new Found(key, rank - greater, equal);
        }

        private static int[] joined(int[][] parts, int total) {
            int[] all = new int[total];
            int at = 0;
            for (int[] part : parts) {
                System.arraycopy(part, 0, all, at, part.length);
                at += part.length;
            }
            return all;
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

        private static void addCounts(int[] keys, int count, int low, int shift, long[] bins) {
            int[] mine = new int[bins.length];
            for (int i = 0; i < count; i++) {
                mine[keys[i] - low >>> shift]++;
            }
            synchronized (bins) {
                for (int i = 0; i < mine.length; i++) {
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
            Tensor b = tileOf(base, t);
            Tensor tile = tileOf(x, t);
            float[] delta = Scratch.mine().floats(0);
            for (int from = 0;; from += Scratch.ELEMENTS) {
                int n = (int) Math.min(Scratch.ELEMENTS, tile.elements() - from);
                TaskVector.load(b, tile, from, delta, n);
                for (int i = 0; i < n; i++) {
                    if (MagnitudeCut.keyOf(delta[i]) == found.key && --wanted == 0) {
                        return (long) t * TILE + from + i;
                    }
                }
            }
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
