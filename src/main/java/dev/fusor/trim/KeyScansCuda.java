package dev.fusor.trim;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.trim.FoundKeysCuda.Found;
import dev.fusor.trim.KeyBracket.Look;
import dev.fusor.trim.KeyWatchCuda.Near;
import dev.fusor.trim.MagnitudeSelection.Ties;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/** Looks at the keys of tensors in device memory, for several searches in the same pass, and keeps what it found there. */
final class KeyScansCuda implements AutoCloseable {
    /** Elements of a tile. */
    static final int TILE = 1 << 15;

    /** Where places are listed, a tile is what is left of one without so many bits. */
    private static final int TILE_BITS = Integer.numberOfTrailingZeros(TILE);

    private static final int SEARCH_BYTES = 16;
    private static final int ITEM_BYTES = 24;

    private final CudaStream stream;
    private final FoundKeysCuda found;
    private boolean listsPlaces;
    private List<Asked> scanned = List.of();
    private List<Asked> counted = List.of();

    /**
     * What a search asks of a pass.
     *
     * @param model its place among the models of the items
     * @param k which of all keys it is for, from the top
     * @param look at which keys
     */
    record Asked(int model, long k, Look look) {}

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

    /**
     * An element that is looked for.
     *
     * @param base the base model's range, or null
     * @param x the model's range that it is in
     * @param key of the element
     * @param number which of those of this key in the range, from 1
     */
    record Tie(Tensor base, Tensor x, int key, long number) {}

    /**
     * Takes memory.
     *
     * @param searches at most in a pass
     * @param tiles in all
     * @param capacity keys that each search may gather
     */
    KeyScansCuda(CudaStream stream, int searches, long tiles, long capacity) {
        this.stream = stream;
        this.found = new FoundKeysCuda(stream, searches, tiles, capacity);
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
        found.clear();
    }

    /**
     * Lets somebody else make the pass that has begun, over one tensor of fewer than 2^31 elements.
     *
     * @param near for each model what is near its cut; the numbers of searches are their places
     */
    KeyWatchCuda watch(List<Near> near) {
        listsPlaces = true;
        return new KeyWatchCuda(near, found.totals(), found.ofTile(), found.tiles(), found.keys(), found.places(),
                found.capacity());
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
                            scanned.size()).set(6, found.totals()).set(7, found.ofTile()).set(8, found.tiles())
                            .set(9, found.keys()).set(10, found.places()).set(11, found.capacity()).on(stream);
                }
            }
            if (!counted.isEmpty()) {
                CudaKernel kernel = kernel(stream, type, "count_keys");
                try (CudaLaunch launch = kernel.prepare(8, 8, 8, 8, 4, 4, 8, 8)) {
                    onRanges(launch, kernel, tables, itemsAt, addressesAt,
                            searchesAt + (long) SEARCH_BYTES * scanned.size(), tilesHere, models, counted.size())
                            .set(6, found.totals().asSlice((long) FoundKeysCuda.TOTALS_BYTES * scanned.size()))
                            .set(7, found.bins().asSlice((long) FoundKeysCuda.BINS_BYTES * scanned.size()))
                            .on(stream);
                }
            }
        }
    }

    private static CudaLaunch onRanges(CudaLaunch launch, CudaKernel kernel, MemorySegment tables, long itemsAt,
            long addressesAt, long searchesAt, long tiles, int models, int searches) {
        long blocks = Math.clamp(kernel.residentBlocks(FoundKeysCuda.THREADS, 0) / searches, 1, Math.max(1, tiles));
        return launch.grid((int) blocks * searches).block(FoundKeysCuda.THREADS, 0).set(0, tables.asSlice(itemsAt))
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
            table.set(JAVA_LONG, addressAt, CudaMemory.addressOrZero(item.base()));
            for (Tensor model : item.models()) {
                addressAt += Long.BYTES;
                table.set(JAVA_LONG, addressAt, CudaMemory.address(model.data()));
            }
            addressAt += Long.BYTES;
        }
        table.set(JAVA_LONG, at + 8, tile);
        return tile;
    }

    /**
     * {@return what the pass found for each search, those that gather first} Waits for the stream.
     *
     * @param ties whether the tiles of the last ties are wanted
     */
    List<Found> found(Ties ties) {
        return found.read(scanned, counted, ties, listsPlaces ? TILE_BITS : 0);
    }

    /** {@return where each element is in its range} Waits for the stream. */
    static long[] places(CudaStream stream, List<Tie> ties) {
        try (CudaMemory places = CudaMemory.allocate(stream, (long) Long.BYTES * ties.size());
                Arena arena = Arena.ofConfined()) {
            for (int i = 0; i < ties.size(); i++) {
                Tie tie = ties.get(i);
                try (CudaLaunch launch = kernel(stream, tie.x.dtype(), "place_tie").prepare(8, 8, 4, 4, 8, 8)) {
                    launch.grid(1).block(FoundKeysCuda.THREADS, 0).set(0, tie.x.data())
                            .set(1, CudaMemory.addressOrZero(tie.base))
                            .set(2, (int) tie.x.elements()).set(3, tie.key).set(4, tie.number)
                            .set(5, places.segment().asSlice((long) Long.BYTES * i, Long.BYTES)).on(stream);
                }
            }
            MemorySegment here = arena.allocate(places.segment().byteSize(), Long.BYTES);
            stream.download(places.segment(), here);
            stream.synchronize();
            return here.toArray(JAVA_LONG);
        }
    }

    private static CudaKernel kernel(CudaStream stream, DType type, String name) {
        return CudaFormats.kernel(stream, "trim", "key_scan", type, name);
    }

    @Override
    public void close() {
        found.close();
    }
}
