package dev.fusor.reduce;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.reduce.ReductionCuda.Kind;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/** The launch that reads tensors: tiles to partial results. */
final class ReductionPass implements AutoCloseable {
    /** What one block reduces at a time: a chunk by 8 threads each. */
    static final int MOST_TILE_ELEMENTS = 32 * Reduction.CHUNK;

    private static final int THREADS = 256;
    private static final int TILE_BYTES = 24;

    private final CudaStream stream;
    private final CudaMemory tables;
    private final CudaLaunch launch;

    /**
     * Prepares it.
     *
     * @param items the tensors of each item, as the kind takes them
     * @param tileElements a power of two of chunks, {@link #MOST_TILE_ELEMENTS} at most
     * @param firstPartial where the first item's partial results begin; the others' follow
     * @param partials receives them
     */
    ReductionPass(CudaStream stream, Kind kind, DType type, List<List<Tensor>> items, int tileElements,
            long firstPartial, ReductionPartials partials) {
        this.stream = stream;
        CudaKernel kernel = CudaFormats.kernel(stream, "reduce", "reduction", type, kind.kernel());
        long tiles = items.stream().mapToLong(item -> tiles(item.getFirst().elements(), tileElements)).sum();
        long tableBytes = tiles * TILE_BYTES;
        this.tables = CudaMemory.allocate(stream, tableBytes + (long) items.size() * kind.tensors() * Long.BYTES);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(tables.segment().byteSize(), Long.BYTES);
            MemorySegment addresses = host.asSlice(tableBytes);
            long tile = 0;
            long address = 0;
            for (int i = 0; i < items.size(); i++) {
                for (Tensor tensor : items.get(i)) {
                    addresses.setAtIndex(JAVA_LONG, address++, CudaMemory.address(tensor.data()));
                }
                long length = items.get(i).getFirst().elements();
                for (long from = 0; from < length; from += tileElements, tile++) {
                    MemorySegment row = host.asSlice(tile * TILE_BYTES, TILE_BYTES);
                    row.set(JAVA_LONG, 0, from);
                    row.set(JAVA_LONG, 8, firstPartial + tile);
                    row.set(JAVA_INT, 16, (int) Math.min(tileElements, length - from));
                    row.set(JAVA_INT, 20, i);
                }
            }
            stream.upload(host, tables.segment());
            this.launch = kernel.prepare(8, 8, 8, 8, 8);
        } catch (RuntimeException e) {
            tables.close();
            throw e;
        }
        launch.grid((int) Math.min(tiles, kernel.residentBlocks(THREADS, 0))).block(THREADS, 0)
                .set(0, tables.segment()).set(1, tiles).set(2, tables.segment().asSlice(tableBytes))
                .set(3, partials.segment()).set(4, partials.stride());
    }

    static long tiles(long elements, int tileElements) {
        return (elements + tileElements - 1) / tileElements;
    }

    void run() {
        launch.on(stream);
    }

    @Override
    public void close() {
        launch.close();
        tables.close();
    }
}
