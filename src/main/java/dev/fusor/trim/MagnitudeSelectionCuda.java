package dev.fusor.trim;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.trim.MagnitudeSelection.Ties;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/**
 * Selection of the k-th magnitude of tensors in device memory. The cut is the one that {@link MagnitudeSelection} defines.
 *
 * <p>A sample brackets the k-th magnitude; one pass over the tensors counts what lies above the bracket and gathers what lies
 * inside. Where the bracket missed or held more than an eighth of the elements, three passes of histograms find the key
 * instead, and one its ties. Gathered keys take a byte of device memory for each element, while it runs. It waits for the
 * stream; it belongs to the thread that opened the stream.
 */
public final class MagnitudeSelectionCuda {
    private static final int TILE = 1 << 15;
    private static final int THREADS = 256;
    private static final int MOST_BINS_BITS = 11;
    private static final int SAMPLE_RUNS = 128;

    /** Up to this many elements every key is gathered. */
    private static final long SMALL = 1 << 16;

    private final CudaStream stream;

    private MagnitudeSelectionCuda(CudaStream stream) {
        this.stream = stream;
    }

    /**
     * {@return the primitive on a device}
     *
     * @param stream runs it
     */
    public static MagnitudeSelectionCuda on(CudaStream stream) {
        return new MagnitudeSelectionCuda(stream);
    }

    /**
     * {@return the cut that keeps the k largest magnitudes}
     *
     * @param base the base model, or null to look at {@code x} itself
     * @param x the model, of the base's type, one of {@link CudaFormats#ALL}, and as many elements
     * @param k how many to keep; 0 keeps none, the number of elements or more keeps all
     * @param ties what becomes of equals
     * @throws IllegalArgumentException if lengths or types differ, a type is not supported, memory is not the device's or k is
     * negative
     * @throws dev.fusor.device.cuda.CudaException if the driver fails, for want of memory among others
     */
    public MagnitudeCut select(Tensor base, Tensor x, long k, Ties ties) {
        if (!CudaFormats.supports(x.dtype())
                || base != null && (base.dtype() != x.dtype() || base.elements() != x.elements())) {
            throw new IllegalArgumentException(
                    "a selection on a device takes a model and a base of one type of %s and equal length, got %s and %s"
                            .formatted(CudaFormats.ALL, x, base == null ? "none" : base));
        }
        if (k < 0) {
            throw new IllegalArgumentException("the number of elements to keep is 0 or more, got " + k);
        }
        CudaFormats.requirePlaced(x);
        if (base != null) {
            CudaFormats.requirePlaced(base);
        }
        if (k == 0) {
            return MagnitudeCut.NONE;
        }
        if (k >= x.elements()) {
            return MagnitudeCut.ALL;
        }
        try (Search search = new Search(base, x, k)) {
            return search.run(ties);
        }
    }

    /** The k-th key, and how many of its equals are kept. */
    private record Found(int key, long ties) {}

    private final class Search implements AutoCloseable {
        private final Tensor base;
        private final Tensor x;
        private final long k;
        private final long length;
        private final int tiles;
        private final long capacity;
        private final CudaMemory memory;
        private final MemorySegment totals;
        private final MemorySegment bins;
        private final MemorySegment ofTile;
        private final MemorySegment keys;
        private final MemorySegment tilesOfKeys;

        Search(Tensor base, Tensor x, long k) {
            this.base = base;
            this.x = x;
            this.k = k;
            this.length = x.elements();
            this.tiles = Math.toIntExact((length + TILE - 1) / TILE);
            this.capacity = length / 8 + SMALL;
            long binBytes = (1L << MOST_BINS_BITS) * Long.BYTES;
            long tileBytes = tiles * (long) Integer.BYTES;
            long keyBytes = capacity * Integer.BYTES;
            this.memory = CudaMemory.allocate(stream, 16 + binBytes + tileBytes + 2 * keyBytes);
            this.totals = memory.segment().asSlice(0, 16);
            this.bins = memory.segment().asSlice(16, binBytes);
            this.ofTile = memory.segment().asSlice(16 + binBytes, tileBytes);
            this.keys = memory.segment().asSlice(16 + binBytes + tileBytes, keyBytes);
            this.tilesOfKeys = memory.segment().asSlice(16 + binBytes + tileBytes + keyBytes, keyBytes);
        }

        MagnitudeCut run(Ties ties) {
            Found found = length <= SMALL ? search(0, Keys.LARGEST) : searchBracket();
            return new MagnitudeCut(found.key, ties == Ties.ALL_TIES ? Long.MAX_VALUE : lastTie(found));
        }

        private Found searchBracket() {
            MagnitudeSample sample = new MagnitudeSample(sample(), k, length);
            int likely = sample.key(MagnitudeSample.LIKELY, 0);
            if (likely == sample.key(-MagnitudeSample.LIKELY, 0)) {
                Found tied = search(likely, likely);
                if (tied != null) {
                    return tied;
                }
            }
            Found found = search(sample.key(-MagnitudeSample.SURE, 0), sample.key(MagnitudeSample.SURE, 0));
            return found == null ? searchHistograms() : found;
        }

        private int[] sample() {
            int runs = SAMPLE_RUNS;
            int run = MagnitudeSample.RUN;
            try (CudaLaunch launch = kernel("sample_keys").prepare(8, 8, 8, 4, 4, 8)) {
                onTensors(launch).grid(runs * run / THREADS).set(2, (length - run) / (runs - 1)).set(3, run)
                        .set(4, runs * run).set(5, keys).on(stream);
            }
            return ints(keys.asSlice(0, (long) runs * run * Integer.BYTES));
        }

        /** One pass with a bracket; null if it did not hold the k-th key or too many others. Leaves the ties of each tile. */
        private Found search(int low, int high) {
            boolean gathers = low != high;
            stream.fill(totals, (byte) 0);
            CudaKernel kernel = kernel("scan_keys");
            try (CudaLaunch launch = kernel.prepare(8, 8, 8, 4, 4, 4, 8, 8, 8, 8, 8)) {
                onTensors(launch).grid(Math.min(tiles, kernel.residentBlocks(THREADS, 0))).set(2, length).set(3, low)
                        .set(4, high).set(5, gathers ? 1 : 0).set(6, ofTile).set(7, totals).set(8, keys)
                        .set(9, tilesOfKeys).set(10, capacity).on(stream);
            }
            long[] found = longs(totals);
            long rank = k - found[0];
            long inside = gathers ? found[1] : Arrays.stream(ints(ofTile)).asLongStream().sum();
            if (rank < 1 || rank > inside || gathers && inside > capacity) {
                return null;
            }
            return gathers ? searchGathered(inside, low, high, rank) : new Found(low, rank);
        }

        /** Narrows the bin that holds the k-th key until it is one key. */
        private Found searchGathered(long count, int low, int high, long rankInside) {
            CudaKernel kernel = gathered("gathered_histogram");
            Bin bin = new Bin(low, Math.max(0, 32 - Integer.numberOfLeadingZeros(high - low) - MOST_BINS_BITS),
                    rankInside);
            try (CudaLaunch launch = kernel.prepare(8, 8, 4, 4, 4, 8)) {
                launch.grid(blocks(kernel, count)).block(THREADS, 0).set(0, keys).set(1, count).set(5, bins);
                bin = bin.of(histogram(launch, 2, bin.least, bin.shift, (high - low >>> bin.shift) + 1));
                while (bin.shift >= 0) {
                    bin = bin.of(histogram(launch, 2, bin.least, bin.shift, bin.count));
                }
            }
            stream.fill(ofTile, (byte) 0);
            CudaKernel tiesKernel = gathered("gathered_ties");
            try (CudaLaunch launch = tiesKernel.prepare(8, 8, 8, 4, 8)) {
                launch.grid(blocks(tiesKernel, count)).block(THREADS, 0).set(0, keys).set(1, tilesOfKeys).set(2, count)
                        .set(3, bin.least).set(4, ofTile).on(stream);
            }
            return new Found(bin.least, bin.rank);
        }

        /** All keys by three histograms of ever finer bins; the ties by a pass of their own. */
        private Found searchHistograms() {
            CudaKernel kernel = kernel("count_keys");
            Bin bin = new Bin(0, 31 - MOST_BINS_BITS, k);
            try (CudaLaunch launch = kernel.prepare(8, 8, 8, 4, 4, 4, 8)) {
                onTensors(launch).grid(Math.min(tiles, kernel.residentBlocks(THREADS, 0))).set(2, length).set(6, bins);
                bin = bin.of(histogram(launch, 3, bin.least, bin.shift, 1 << MOST_BINS_BITS));
                while (bin.shift >= 0) {
                    bin = bin.of(histogram(launch, 3, bin.least, bin.shift, bin.count));
                }
            }
            search(bin.least, bin.least);
            return new Found(bin.least, bin.rank);
        }

        /** Counts keys from {@code least} on in bins of 2^shift. */
        private long[] histogram(CudaLaunch launch, int parameter, int least, int shift, int count) {
            stream.fill(bins, (byte) 0);
            launch.set(parameter, least).set(parameter + 1, shift).set(parameter + 2, count).on(stream);
            return Arrays.copyOf(longs(bins), count);
        }

        private long lastTie(Found found) {
            int[] equal = ints(ofTile);
            long wanted = found.ties;
            int tile = 0;
            while (wanted > equal[tile]) {
                wanted -= equal[tile++];
            }
            try (Arena arena = Arena.ofConfined()) {
                long from = (long) tile * TILE;
                long count = Math.min(TILE, length - from);
                Tensor b = base == null ? null : here(base.slice(from, count), arena);
                Tensor tileOfX = here(x.slice(from, count), arena);
                stream.synchronize();
                return from + MagnitudeSelectionCpu.placeOfTie(b, tileOfX, found.key, wanted);
            }
        }

        private Tensor here(Tensor there, Arena arena) {
            Tensor host = Tensor.allocate(arena, there.dtype(), there.elements());
            stream.download(there.data(), host.data());
            return host;
        }

        private CudaKernel kernel(String name) {
            DType type = x.dtype();
            return CudaFormats.kernel(stream, "trim", "key_scan", type, name);
        }

        private CudaKernel gathered(String name) {
            return stream.device().kernel("trim/gathered_keys", name);
        }

        private CudaLaunch onTensors(CudaLaunch launch) {
            launch.block(THREADS, 0).set(0, x.data());
            return base == null ? launch.set(1, 0L) : launch.set(1, base.data());
        }

        private static int blocks(CudaKernel kernel, long count) {
            return (int) Math.min((count + THREADS - 1) / THREADS, kernel.residentBlocks(THREADS, 0));
        }

        private int[] ints(MemorySegment there) {
            try (Arena arena = Arena.ofConfined()) {
                return copy(there, arena).toArray(JAVA_INT);
            }
        }

        private long[] longs(MemorySegment there) {
            try (Arena arena = Arena.ofConfined()) {
                return copy(there, arena).toArray(JAVA_LONG);
            }
        }

        private MemorySegment copy(MemorySegment there, Arena arena) {
            MemorySegment host = arena.allocate(there.byteSize(), Long.BYTES);
            stream.download(there, host);
            stream.synchronize();
            return host;
        }

        @Override
        public void close() {
            memory.close();
        }
    }

    /**
     * Keys among which the k-th is, and its rank among them.
     *
     * @param least the least of them
     * @param shift of the bins they are to be counted in; negative when it is one key
     * @param rank from 1 for the largest
     * @param count of bins
     */
    private record Bin(int least, int shift, long rank, int count) {
        Bin(int least, int shift, long rank) {
            this(least, shift, rank, 0);
        }

        /** {@return the bin that holds the key} */
        Bin of(long[] counts) {
            int bin = counts.length - 1;
            long left = rank;
            while (left > counts[bin]) {
                left -= counts[bin--];
            }
            int finer = shift == 0 ? -1 : Math.max(0, shift - MOST_BINS_BITS);
            return new Bin(least + (bin << shift), finer, left, finer < 0 ? 0 : 1 << shift - finer);
        }
    }
}
