package dev.fusor.linalg;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

import static dev.fusor.linalg.UnitSimilarity.CHUNK;

/**
 * Similarities of units on a CUDA device, added up over many tensors. The bits are those that {@link UnitSimilarity} defines for one
 * pair after the other.
 *
 * <p>What is prepared once is run as often as wanted, and adds each time: a run allocates nothing, copies nothing and waits for
 * nothing. Tensors are of {@link CudaFormats#ALL}, pair by pair of any two, and may start at any multiple of their element's size. What is
 * prepared holds up to 256 MiB of the device's memory, more where one chunk of columns takes more; docs/adr/031 says how it sums.
 *
 * <p>It belongs to the thread that prepared it.
 */
public final class UnitSimilarityCuda implements AutoCloseable {
    private static final long WORKSPACE = 1 << 28;

    private static final int THREADS = 256;
    private static final int TILE = 128;
    private static final int PACKED_UNITS = 32;
    private static final long PANEL_BYTES = (long) CHUNK * TILE * Float.BYTES;
    private static final long TILE_BYTES = (long) TILE * TILE * Float.BYTES;

    private final CudaStream stream;
    private final UnitTables tables;
    private final CudaMemory workspace;
    private final CudaLaunch pack;
    private final CudaLaunch multiply;
    private final CudaLaunch add;
    /** Those of the first side times those of the second. */
    private final int tiles;
    /** Chunks of columns that are packed at a time. */
    private final int chunksOfPass;
    /** Whether tiles are too few to fill the device: chunks are then multiplied side by side, and added in order by a launch of its own. */
    private final boolean apart;
    private final long packedOfChunk;
    private final int packBlocks;

    /**
     * Units whose products are added.
     *
     * @param a of one model
     * @param b of the other, of as many columns
     */
    public record Pair(Units a, Units b) {}

    /**
     * Prepares the launches, and enqueues the copy of their tables.
     *
     * @param stream where they will run
     * @param pairs at least one, in device memory, all with as many units on each side
     * @param similarities F32 of shape [units of a, units of b] in device memory; may not overlap the models
     * @return the launches
     * @throws IllegalArgumentException if types or shapes are others, if there are more than 2^22 units on a side, or if memory is not
     * the device's
     */
    public static UnitSimilarityCuda prepare(CudaStream stream, List<Pair> pairs, Tensor similarities) {
        return prepare(stream, pairs, similarities, WORKSPACE,
                kernel(stream, "multiply_units").residentBlocks(THREADS, 0));
    }

    /**
     * The same on a device of another size.
     *
     * @param workspaceBytes memory for packed units and for sums of chunks; too little for one chunk is taken for enough
     * @param blocks how many tiles fill the device
     */
    static UnitSimilarityCuda prepare(CudaStream stream, List<Pair> pairs, Tensor similarities, long workspaceBytes,
            int blocks) {
        if (pairs.isEmpty()) {
            throw new IllegalArgumentException("a launch of similarities takes at least 1 pair of units, got none");
        }
        CudaFormats.requirePlaced(similarities);
        for (Pair pair : pairs) {
            UnitSimilarityCpu.check(pair.a, pair.b, similarities);
            check(pair.a);
            check(pair.b);
        }
        return new UnitSimilarityCuda(stream, pairs, similarities, workspaceBytes, blocks);
    }

    private static void check(Units units) {
        Tensor tensor = units.source().tensor();
        if (!CudaFormats.supports(tensor.dtype())) {
            throw new IllegalArgumentException(
                    "similarities on a device take units of one of %s, got %s".formatted(CudaFormats.ALL, tensor));
        }
        CudaFormats.requirePlaced(tensor);
    }

    private UnitSimilarityCuda(CudaStream stream, List<Pair> pairs, Tensor similarities, long workspaceBytes,
            int blocks) {
        this.stream = stream;
        int countA = (int) similarities.shape().extent(0);
        int countB = (int) similarities.shape().extent(1);
        long tilesA = tiles(countA);
        long tilesB = tiles(countB);
        this.tiles = (int) (tilesA * tilesB);
        this.apart = tiles < blocks;
        this.packedOfChunk = tilesA + tilesB;
        long chunkBytes = packedOfChunk * PANEL_BYTES + (apart ? tiles * TILE_BYTES : 0);
        CudaKernel packing = kernel(stream, "pack_units");
        CudaKernel multiplying = kernel(stream, "multiply_units");
        CudaKernel adding = kernel(stream, "add_chunks");
        this.packBlocks = packing.residentBlocks(THREADS, 0);
        int addBlocks = adding.residentBlocks(THREADS, 0);
        this.tables = new UnitTables(stream, similarities.elements() == 0 ? List.of() : pairs);
        this.chunksOfPass = (int) Math.min(tables.chunks(), Math.max(1, workspaceBytes / Math.max(1, chunkBytes)));
        CudaMemory memory = null;
        try {
            memory = CudaMemory.allocate(stream, chunksOfPass * chunkBytes);
            this.pack = packing.prepare(8, 4, 8, 4, 4, 8, 8);
            this.multiply = multiplying.prepare(8, 4, 8, 8, 4, 4, 8, 8);
            this.add = adding.prepare(8, 4, 4, 4, 8);
        } catch (RuntimeException e) {
            tables.close();
            if (memory != null) {
                memory.close();
            }
            throw e;
        }
        this.workspace = memory;
        long packedA = workspace.segment().address();
        long packedB = packedA + chunksOfPass * tilesA * PANEL_BYTES;
        long partials = packedB + chunksOfPass * tilesB * PANEL_BYTES;
        pack.block(THREADS, 0).set(2, tables.operands()).set(3, countA).set(4, countB).set(5, packedA)
                .set(6, packedB);
        multiply.block(THREADS, 0).set(2, packedA).set(3, packedB).set(4, countA).set(5, countB)
                .set(6, similarities.data()).set(7, apart ? partials : 0);
        long sums = (similarities.elements() + THREADS - 1) / THREADS;
        add.grid((int) Math.min(sums, addBlocks)).block(THREADS, 0).set(0, partials)
                .set(2, countA).set(3, countB).set(4, similarities.data());
    }

    private static CudaKernel kernel(CudaStream stream, String name) {
        return stream.device().kernel("linalg/unit_similarity", name);
    }

    private static long tiles(int units) {
        return (units + TILE - 1L) / TILE;
    }

    /**
     * Enqueues the launches.
     *
     * @throws dev.fusor.device.cuda.CudaException if the driver refuses one
     */
    public void run() {
        for (long first = 0; first < tables.chunks(); first += chunksOfPass) {
            int count = (int) Math.min(chunksOfPass, tables.chunks() - first);
            long chunks = tables.chunk(first);
            long packed = count * packedOfChunk * (TILE / PACKED_UNITS);
            pack.grid((int) Math.min(packed, packBlocks)).set(0, chunks).set(1, count).on(stream);
            multiply.set(0, chunks);
            if (apart) {
                multiply.grid(tiles, count, 1).set(1, 0).on(stream);
                add.set(1, count).on(stream);
            } else {
                multiply.grid(tiles);
                for (int chunk = 0; chunk < count; chunk++) {
                    multiply.set(1, chunk).on(stream);
                }
            }
        }
    }

    /** Frees tables and workspace, in order with what was enqueued. */
    @Override
    public void close() {
        pack.close();
        multiply.close();
        add.close();
        workspace.close();
        tables.close();
    }
}
