package dev.fusor.trim;

import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.trim.KeyScansCuda.Asked;
import dev.fusor.trim.MagnitudeSelection.Ties;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/**
 * The device memory where a pass leaves what it finds for its searches. What was gathered is narrowed down there to the k-th keys, for all
 * searches together: the host waits once for everything.
 */
final class FoundKeysCuda implements AutoCloseable {
    static final int THREADS = 256;
    static final int TOTALS_BYTES = 16;
    static final int BINS_BYTES = Long.BYTES << KeyBracket.BIN_BITS;

    /** Fewer gathered keys would not be worth the bins of a block. */
    private static final long KEYS_OF_THREAD = 16;

    /** A {@code Bracket} of gathered_keys.cu. */
    private static final int BRACKET_BYTES = 40;

    private final CudaStream stream;
    private final CudaMemory memory;
    private final MemorySegment totals;
    private final MemorySegment brackets;
    private final MemorySegment bins;
    private final MemorySegment ofTile;
    private final long tiles;
    private final MemorySegment keys;
    private final MemorySegment places;
    private final long capacity;

    /**
     * What a pass found for a search.
     *
     * @param above how many keys are above those that it looked at
     * @param inside how many it looked at
     * @param bins of these, if they were counted in bins; else empty
     * @param key the k-th; this and what follows means something if it is inside, and no more keys are than may be gathered
     * @param tile the number of the tile of the last tie that is kept, where that is asked for
     * @param tieOfTile which of the ties of that tile it is, from 1
     */
    record Found(long above, long inside, long[] bins, int key, int tile, long tieOfTile) {}

    /**
     * Takes memory.
     *
     * @param searches at most in a pass
     * @param tiles in all
     * @param capacity keys that each search may gather
     */
    FoundKeysCuda(CudaStream stream, int searches, long tiles, long capacity) {
        this.stream = stream;
        this.tiles = tiles;
        this.capacity = capacity;
        // What comes back comes first, then what begins as zeros as well.
        long[] sizes = {(long) searches * TOTALS_BYTES, (long) searches * BRACKET_BYTES, (long) searches * BINS_BYTES,
            searches * tiles * Integer.BYTES, searches * capacity * Integer.BYTES, searches * capacity * Integer.BYTES};
        this.memory = CudaMemory.allocate(stream, LongStream.of(sizes).sum());
        MemorySegment[] parts = new MemorySegment[sizes.length];
        long at = 0;
        for (int i = 0; i < sizes.length; i++) {
            parts[i] = memory.segment().asSlice(at, sizes[i]);
            at += sizes[i];
        }
        this.totals = parts[0];
        this.brackets = parts[1];
        this.bins = parts[2];
        this.ofTile = parts[3];
        this.keys = parts[4];
        this.places = parts[5];
    }

    /** Of each search two longs: how many keys lie above those that it looks at and, unless bins say it, how many these are. */
    MemorySegment totals() {
        return totals;
    }

    /** Of each search 2048 longs: how many keys a bin has, where they are counted so. */
    MemorySegment bins() {
        return bins;
    }

    /** Of each search and tile an int: how many keys it has, where one key is looked at. */
    MemorySegment ofTile() {
        return ofTile;
    }

    long tiles() {
        return tiles;
    }

    /** Of each search the keys that it gathered. */
    MemorySegment keys() {
        return keys;
    }

    /** Of each key the number of its tile, or of its element in a pass that somebody else makes. */
    MemorySegment places() {
        return places;
    }

    long capacity() {
        return capacity;
    }

    /** Begins with zeros. */
    void clear() {
        stream.fill(memory.segment().asSlice(0, memory.segment().byteSize() - keys.byteSize() - places.byteSize()),
                (byte) 0);
    }

    /**
     * {@return what a pass found for each search} Waits for the stream.
     *
     * @param gathering what searches asked that gathered
     * @param counting what others asked, which come after them
     * @param ties whether to look for the tiles of the last ties of those that gathered
     * @param tileShift the power of 2 by which places are divided to be numbers of tiles
     */
    List<Found> read(List<Asked> gathering, List<Asked> counting, Ties ties, int tileShift) {
        try (Arena arena = Arena.ofConfined()) {
            narrow(gathering, ties, tileShift, arena);
            long bytes = totals.byteSize() + brackets.byteSize() + (counting.isEmpty() ? 0 : bins.byteSize());
            MemorySegment here = arena.allocate(bytes, Long.BYTES);
            stream.download(memory.segment().asSlice(0, bytes), here);
            stream.synchronize();
            return IntStream.range(0, gathering.size() + counting.size())
                    .mapToObj(search -> search < gathering.size() ? gathered(here, search) : counted(here, search))
                    .toList();
        }
    }

    private Found gathered(MemorySegment here, int search) {
        MemorySegment bracket = here.asSlice(totals.byteSize() + (long) search * BRACKET_BYTES, BRACKET_BYTES);
        return new Found(here.getAtIndex(JAVA_LONG, 2L * search), here.getAtIndex(JAVA_LONG, 2L * search + 1),
                new long[0], bracket.get(JAVA_INT, 24), bracket.get(JAVA_INT, 36), bracket.get(JAVA_LONG, 16));
    }

    private Found counted(MemorySegment here, int search) {
        long[] found = here.asSlice(totals.byteSize() + brackets.byteSize() + (long) search * BINS_BYTES, BINS_BYTES)
                .toArray(JAVA_LONG);
        return new Found(here.getAtIndex(JAVA_LONG, 2L * search), Arrays.stream(found).sum(), found, 0, 0, 0);
    }

    /** Enqueues as many steps as the widest bracket needs. */
    private void narrow(List<Asked> searches, Ties ties, int tileShift, Arena arena) {
        MemorySegment table = arena.allocate((long) searches.size() * BRACKET_BYTES, Long.BYTES);
        int bits = 0;
        for (int search = 0; search < searches.size(); search++) {
            Asked asked = searches.get(search);
            int width = asked.look().high() - asked.look().low();
            MemorySegment bracket = table.asSlice((long) search * BRACKET_BYTES, BRACKET_BYTES);
            bracket.set(JAVA_LONG, 0, asked.k());
            bracket.set(JAVA_INT, 24, asked.look().low());
            bracket.set(JAVA_INT, 28, asked.look().high());
            bracket.set(JAVA_INT, 32, width > 0 ? 1 : 0);
            bits = Math.max(bits, Integer.SIZE - Integer.numberOfLeadingZeros(width));
        }
        stream.upload(table, brackets.asSlice(0, table.byteSize()));
        for (int left = bits; left > 0; left -= KeyBracket.BIN_BITS) {
            CudaKernel histogram = kernel("gathered_histogram");
            try (CudaLaunch launch = histogram.prepare(8, 8, 8, 8, 8);
                    CudaLaunch choice = kernel("gathered_choice").prepare(8, 8, 8)) {
                launch.grid(blocks(histogram, searches.size()), searches.size(), 1).block(THREADS, 0).set(0, brackets)
                        .set(1, totals).set(2, keys).set(3, capacity).set(4, bins).on(stream);
                choice.grid(searches.size()).block(THREADS, 0).set(0, brackets).set(1, totals).set(2, bins).on(stream);
            }
        }
        if (ties == Ties.EXACT_K) {
            findTiles(searches.size(), bits > 0, tileShift);
        }
    }

    private void findTiles(int searches, boolean gathered, int tileShift) {
        if (gathered) {
            CudaKernel equals = kernel("gathered_ties");
            try (CudaLaunch launch = equals.prepare(8, 8, 8, 8, 4, 8, 8, 8)) {
                launch.grid(blocks(equals, searches), searches, 1).block(THREADS, 0).set(0, brackets).set(1, totals)
                        .set(2, keys).set(3, places).set(4, tileShift).set(5, capacity).set(6, ofTile).set(7, tiles)
                        .on(stream);
            }
        }
        try (CudaLaunch launch = kernel("last_tiles").prepare(8, 8, 8, 8)) {
            launch.grid(searches).block(THREADS, 0).set(0, brackets).set(1, totals).set(2, ofTile).set(3, tiles)
                    .on(stream);
        }
    }

    private CudaKernel kernel(String name) {
        return stream.device().kernel("trim/gathered_keys", name);
    }

    /** For each search, as if it had gathered all that it may. */
    private int blocks(CudaKernel kernel, int searches) {
        long share = THREADS * KEYS_OF_THREAD;
        return Math.clamp((capacity + share - 1) / share, 1,
                Math.max(1, kernel.residentBlocks(THREADS, 0) / searches));
    }

    @Override
    public void close() {
        memory.close();
    }
}
