package dev.fusor.reduce;

import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

/** Partial results on the device, and the launch that folds them to one for each item. */
final class ReductionPartials implements AutoCloseable {
    private static final int THREADS = 256;
    private static final int WARP = 32;

    private final CudaStream stream;
    private final CudaMemory memory;
    private final CudaLaunch launch;
    private final long stride;
    private final MemorySegment results;

    /**
     * Allocates it.
     *
     * @param fold the kernel that folds them
     * @param resultCount of each item
     * @param tiles of each item
     */
    ReductionPartials(CudaStream stream, String fold, int resultCount, long[] tiles) {
        this.stream = stream;
        int items = tiles.length;
        long[] starts = new long[items + 1];
        for (int i = 0; i < items; i++) {
            starts[i + 1] = starts[i] + tiles[i];
        }
        this.stride = starts[items];
        long scratchStride = stride / WARP + items;
        long scratchAt = resultCount * stride * Long.BYTES;
        long resultsAt = scratchAt + resultCount * scratchStride * Long.BYTES;
        long startsAt = resultsAt + (long) items * resultCount * Long.BYTES;
        CudaKernel kernel = stream.device().kernel("reduce/fold", fold);
        this.memory = CudaMemory.allocate(stream, startsAt + (items + 1L) * Long.BYTES);
        try (Arena arena = Arena.ofConfined()) {
            stream.upload(arena.allocateFrom(JAVA_LONG, starts), memory.segment().asSlice(startsAt));
            this.launch = kernel.prepare(8, 8, 4, 8, 8, 8, 8, 8);
        } catch (RuntimeException e) {
            memory.close();
            throw e;
        }
        this.results = memory.segment().asSlice(resultsAt, (long) items * resultCount * Long.BYTES);
        launch.grid((int) Math.min((long) items * resultCount, kernel.residentBlocks(THREADS, 0))).block(THREADS, 0)
                .set(0, memory.segment().asSlice(startsAt)).set(1, (long) items).set(2, resultCount)
                .set(3, memory.segment()).set(4, stride).set(5, memory.segment().asSlice(scratchAt))
                .set(6, scratchStride).set(7, results);
    }

    /** {@return where partial results begin: for each result a row of one for each tile} */
    MemorySegment segment() {
        return memory.segment();
    }

    long stride() {
        return stride;
    }

    MemorySegment results() {
        return results;
    }

    void fold() {
        launch.on(stream);
    }

    @Override
    public void close() {
        launch.close();
        memory.close();
    }
}
