package dev.fusor.trim;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.trim.KeyBracket.Look;
import dev.fusor.trim.KeyWatchCuda.Near;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.LongStream;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/** Looks at the keys of tensors in device memory, for several searches in the same pass, and keeps what it found there. */
final class KeyScansCuda implements AutoCloseable {
    /** Elements of a tile. */
    static final int TILE = 1 << 15;

    private static final int THREADS = 256;

    /** Fewer gathered keys would not be worth the bins of a block. */
    private static final long KEYS_OF_THREAD = 16;

    /** So few gathered keys are copied to the host: a launch would take longer. */
    private static final long FEW = 1 << 14;

    /** Where places are listed, a tile is what is left of one without so many bits. */
    private static final int TILE_BITS = Integer.numberOfTrailingZeros(TILE);

    private static final int BINS = 1 << KeyBracket.BIN_BITS;
    private static final int SEARCH_BYTES = 16;
    private static final int ITEM_BYTES = 24;
    private static final int RUN_BYTES = 24;
    private static final int TOTALS_BYTES = 16;

    private final CudaStream stream;
    private final long tiles;
    private final long capacity;
    private final CudaMemory memory;
    private final MemorySegment totals;
    private final MemorySegment bins;
    private final MemorySegment ofTile;
    private final MemorySegment keys;
    /** Of each key the number of its tile, or of its element in a pass that somebody else makes. */
    private final MemorySegment tilesOfKeys;
    private boolean listsPlaces;
    private List<Asked> scanned = List.of();
    private List<Asked> counted = List.of();

    /**
     * What a search asks of a pass.
     *
     * @param model its place among the models of the items
     * @param look at which keys
     */
    record Asked(int model, Look look) {}

    /**
     * A range of a part.
     *
     * @param tile the number of the tile that it begins or is in; it ends with a tile, or is in one
     * @param base the base model's, or null
     * @param models each model's
     */
    record Item(long tile, Tensor base, List<Tensor> models) {
        private long elements() {
            return models.getFirst().elements();
        }

        private long tiles() {
            return (elements() + TILE - 1) / TILE;
        }
    }

    /** Neighbours whose keys are sampled; a base of null is none. */
    record Run(Tensor base, Tensor x) {}

    /**
     * Takes memory.
     *
     * @param searches at most in a pass
     * @param tiles in all
     * @param capacity keys that each search may gather
     */
    KeyScansCuda(CudaStream stream, int searches, long tiles, long capacity) {
        this.stream = stream;
        this.tiles = tiles;
        this.capacity = capacity;
        long[] sizes = {(long) searches * TOTALS_BYTES, (long) searches * BINS * Long.BYTES,
            searches * tiles * Integer.BYTES, searches * capacity * Integer.BYTES,
            searches * capacity * Integer.BYTES};
        this.memory = CudaMemory.allocate(stream, LongStream.of(sizes).sum());
        MemorySegment[] parts = new MemorySegment[sizes.length];
        long at = 0;
        for (int i = 0; i < sizes.length; i++) {
            parts[i] = memory.segment().asSlice(at, sizes[i]);
            at += sizes[i];
        }
        this.totals = parts[0];
        this.bins = parts[1];
        this.ofTile = parts[2];
        this.keys = parts[3];
        this.tilesOfKeys = parts[4];
    }

    /** {@return the keys of some runs, one after the other} */
    static int[] sample(CudaStream stream, List<Run> runs) {
        int count = runs.stream().mapToInt(run -> (int) run.x.elements()).sum();
        try (CudaMemory keys = CudaMemory.allocate(stream, (long) count * Integer.BYTES);
                Arena arena = Arena.ofConfined()) {
            List<DType> types = runs.stream().map(run -> run.x.dtype()).distinct().toList();
            MemorySegment table = arena.allocate((long) RUN_BYTES * runs.size(), Long.BYTES);
            try (CudaMemory there = CudaMemory.allocate(stream, table.byteSize())) {
                long first = 0;
                for (DType type : types) {
                    long row = first;
                    int at = 0;
                    for (Run run : runs) {
                        if (run.x.dtype() == type) {
                            writeRun(table, RUN_BYTES * row++, run, at);
                        }
                        at += (int) run.x.elements();
                    }
                    MemorySegment rows = table.asSlice(RUN_BYTES * first, RUN_BYTES * (row - first));
                    MemorySegment rowsThere = there.segment().asSlice(RUN_BYTES * first, rows.byteSize());
                    stream.upload(rows, rowsThere);
                    try (CudaLaunch launch = kernel(stream, type, "sample_keys").prepare(8, 8)) {
                        launch.grid((int) (row - first)).block(MagnitudeSample.RUN, 0).set(0, rowsThere)
                                .set(1, keys.segment()).on(stream);
                    }
                    first = row;
                }
            }
            return download(stream, keys.segment(), arena).toArray(JAVA_INT);
        }
    }

    private static void writeRun(MemorySegment table, long at, Run run, int place) {
        table.set(JAVA_LONG, at, CudaMemory.address(run.x.data()));
        table.set(JAVA_LONG, at + 8, run.base == null ? 0 : CudaMemory.address(run.base.data()));
        table.set(JAVA_INT, at + 16, (int) run.x.elements());
        table.set(JAVA_INT, at + 20, place);
    }

    /**
     * Begins a pass.
     *
     * @param scans what searches ask that gather; their places come first in what is found
     * @param counts what others ask
     */
    void begin(List<Asked> scans, List<Asked> counts) {
        scanned = scans;
        counted = counts;
        listsPlaces = false;
        stream.fill(totals, (byte) 0);
        stream.fill(bins, (byte) 0);
        stream.fill(ofTile, (byte) 0);
    }

    /**
     * Begins a pass that somebody else makes, over one tensor of fewer than 2^31 elements.
     *
     * @param near for each model what is near its cut; the numbers of searches are their places
     */
    KeyWatchCuda beginWatching(List<Near> near) {
        begin(List.of(), List.of());
        listsPlaces = true;
        return new KeyWatchCuda(near, totals, ofTile, tiles, keys, tilesOfKeys, capacity);
    }

    /** Looks at ranges of one type, of fewer than 2^32 elements. */
    void look(List<Item> items) {
        DType type = items.getFirst().models().getFirst().dtype();
        int models = items.getFirst().models().size();
        long searchesAt = 0;
        long itemsAt = searchesAt + (long) SEARCH_BYTES * (scanned.size() + counted.size());
        long addressesAt = itemsAt + ITEM_BYTES * (items.size() + 1L);
        long bytes = addressesAt + Long.BYTES * (models + 1L) * items.size();
        try (Arena arena = Arena.ofConfined(); CudaMemory there = CudaMemory.allocate(stream, bytes)) {
            MemorySegment table = arena.allocate(bytes, Long.BYTES);
            writeSearches(table);
            long tilesHere = writeItems(table, items, itemsAt, addressesAt);
            stream.upload(table, there.segment());
            MemorySegment tables = there.segment();
            if (!scanned.isEmpty()) {
                CudaKernel kernel = kernel(stream, type, "scan_keys");
                try (CudaLaunch launch = kernel.prepare(8, 8, 8, 8, 4, 4, 8, 8, 8, 8, 8, 8)) {
                    onRanges(launch, kernel, tables, itemsAt, addressesAt, searchesAt, tilesHere, models,
                            scanned.size()).set(6, totals).set(7, ofTile).set(8, tiles).set(9, keys)
                            .set(10, tilesOfKeys).set(11, capacity).on(stream);
                }
            }
            if (!counted.isEmpty()) {
                CudaKernel kernel = kernel(stream, type, "count_keys");
                try (CudaLaunch launch = kernel.prepare(8, 8, 8, 8, 4, 4, 8, 8)) {
                    onRanges(launch, kernel, tables, itemsAt, addressesAt,
                            searchesAt + (long) SEARCH_BYTES * scanned.size(), tilesHere, models, counted.size())
                            .set(6, totals.asSlice((long) TOTALS_BYTES * scanned.size()))
                            .set(7, bins.asSlice((long) BINS * Long.BYTES * scanned.size())).on(stream);
                }
            }
        }
    }

    private static CudaLaunch onRanges(CudaLaunch launch, CudaKernel kernel, MemorySegment tables, long itemsAt,
            long addressesAt, long searchesAt, long tiles, int models, int searches) {
        long blocks = Math.clamp(kernel.residentBlocks(THREADS, 0) / searches, 1, Math.max(1, tiles));
        return launch.grid((int) blocks * searches).block(THREADS, 0).set(0, tables.asSlice(itemsAt))
                .set(1, tables.asSlice(addressesAt)).set(2, tables.asSlice(searchesAt)).set(3, tiles).set(4, models)
                .set(5, searches);
    }

    private void writeSearches(MemorySegment table) {
        long at = 0;
        for (List<Asked> list : List.of(scanned, counted)) {
            for (Asked asked : list) {
                table.set(JAVA_INT, at, asked.model());
                table.set(JAVA_INT, at + 4, asked.look().low());
                table.set(JAVA_INT, at + 8, asked.look().high());
                table.set(JAVA_INT, at + 12, asked.look().shift());
                at += SEARCH_BYTES;
            }
        }
    }

    /** {@return how many tiles there are} */
    private static long writeItems(MemorySegment table, List<Item> items, long itemsAt, long addressesAt) {
        long tile = 0;
        long at = itemsAt;
        long addressAt = addressesAt;
        for (Item item : items) {
            table.set(JAVA_LONG, at, item.elements());
            table.set(JAVA_LONG, at + 8, tile);
            table.set(JAVA_LONG, at + 16, item.tile());
            at += ITEM_BYTES;
            tile += item.tiles();
            table.set(JAVA_LONG, addressAt, item.base() == null ? 0 : CudaMemory.address(item.base().data()));
            for (Tensor model : item.models()) {
                addressAt += Long.BYTES;
                table.set(JAVA_LONG, addressAt, CudaMemory.address(model.data()));
            }
            addressAt += Long.BYTES;
        }
        table.set(JAVA_LONG, at + 8, tile);
        return tile;
    }

    /** {@return of each search how many keys are above those looked at, and how many were gathered} */
    long[] totals() {
        try (Arena arena = Arena.ofConfined()) {
            return download(stream, totals, arena).toArray(JAVA_LONG);
        }
    }

    /** {@return what a search that counts found in each bin} */
    long[] bins(int search) {
        try (Arena arena = Arena.ofConfined()) {
            return download(stream, binsOf(search), arena).toArray(JAVA_LONG);
        }
    }

    /** {@return how many of the keys that a search gathers each tile has} */
    int[] inside(int search) {
        try (Arena arena = Arena.ofConfined()) {
            return download(stream, ofTile(search), arena).toArray(JAVA_INT);
        }
    }

    /**
     * {@return some of the keys that a search gathered, in bins}
     *
     * @param search its place
     * @param count how many it gathered
     * @param look which of them
     */
    long[] gathered(int search, long count, Look look) {
        if (count <= FEW) {
            long[] counts = new long[BINS];
            for (int key : Keys.within(keysHere(keys, search, count), look.low(), look.high())) {
                counts[key - look.low() >>> look.shift()]++;
            }
            return counts;
        }
        MemorySegment found = binsOf(search);
        stream.fill(found, (byte) 0);
        CudaKernel kernel = gathered("gathered_histogram");
        try (CudaLaunch launch = kernel.prepare(8, 8, 4, 4, 4, 8)) {
            launch.grid(blocks(kernel, count)).block(THREADS, 0).set(0, keysOf(keys, search)).set(1, count)
                    .set(2, look.low()).set(3, look.high()).set(4, look.shift()).set(5, found).on(stream);
        }
        return bins(search);
    }

    /**
     * {@return how many of the keys that a search gathered are a certain one in each tile}
     *
     * @param search its place
     * @param count how many it gathered
     * @param key which
     */
    int[] equal(int search, long count, int key) {
        if (count <= FEW) {
            int[] found = keysHere(keys, search, count);
            int[] tilesOfFound = keysHere(tilesOfKeys, search, count);
            int[] ofTile = new int[Math.toIntExact(tiles)];
            for (int i = 0; i < found.length; i++) {
                ofTile[tilesOfFound[i] >> tileShift()] += found[i] == key ? 1 : 0;
            }
            return ofTile;
        }
        stream.fill(ofTile(search), (byte) 0);
        CudaKernel kernel = gathered("gathered_ties");
        try (CudaLaunch launch = kernel.prepare(8, 8, 4, 8, 4, 8)) {
            launch.grid(blocks(kernel, count)).block(THREADS, 0).set(0, keysOf(keys, search))
                    .set(1, keysOf(tilesOfKeys, search)).set(2, tileShift()).set(3, count).set(4, key)
                    .set(5, ofTile(search)).on(stream);
        }
        return inside(search);
    }

    private int tileShift() {
        return listsPlaces ? TILE_BITS : 0;
    }

    private MemorySegment binsOf(int search) {
        return bins.asSlice((long) search * BINS * Long.BYTES, (long) BINS * Long.BYTES);
    }

    private MemorySegment ofTile(int search) {
        return ofTile.asSlice(search * tiles * Integer.BYTES, tiles * Integer.BYTES);
    }

    private MemorySegment keysOf(MemorySegment all, int search) {
        return all.asSlice(search * capacity * Integer.BYTES, capacity * Integer.BYTES);
    }

    private int[] keysHere(MemorySegment all, int search, long count) {
        try (Arena arena = Arena.ofConfined()) {
            return download(stream, keysOf(all, search).asSlice(0, count * Integer.BYTES), arena).toArray(JAVA_INT);
        }
    }

    private CudaKernel gathered(String name) {
        return stream.device().kernel("trim/gathered_keys", name);
    }

    private static CudaKernel kernel(CudaStream stream, DType type, String name) {
        return CudaFormats.kernel(stream, "trim", "key_scan", type, name);
    }

    private static int blocks(CudaKernel kernel, long count) {
        long share = THREADS * KEYS_OF_THREAD;
        return (int) Math.min((count + share - 1) / share, kernel.residentBlocks(THREADS, 0));
    }

    private static MemorySegment download(CudaStream stream, MemorySegment there, Arena arena) {
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
