package dev.fusor.reduce;

import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/** The launch that reads tensors: tiles to partial results. */
final class ReductionPass implements AutoCloseable {
    /** What one block reduces at a time: a chunk by 8 threads each. */
    static final int MOST_TILE_ELEMENTS = 32 * Reduction.CHUNK;

    private static final int THREADS = 256;
    private static final int TILE_BYTES = 24;
    private static final int PARAMETERS = 5;

    private final CudaStream stream;
    private final CudaMemory tables;
    private final CudaLaunch launch;

    /**
     * Prepares it.
     *
     * @param kernel of blocks of 256 threads that take tiles in turn
     * @param items the tensors of each item, as many of each, null where one is missing; the first has the length of all
     * @param tileElements a power of two of chunks, {@link #MOST_TILE_ELEMENTS} at most
     * @param firstPartial where the first item's partial results begin; the others' follow
     * @param partials receives them
     * @param numbers what the kernel takes beside tables and places
     */
    ReductionPass(CudaStream stream, CudaKernel kernel, List<List<Tensor>> items, int tileElements, long firstPartial,
            ReductionPartials partials, int... numbers) {
        this.stream = stream;
        long tiles = items.stream().mapToLong(item -> tiles(item.getFirst().elements(), tileElements)).sum();
        long tableBytes = tiles * TILE_BYTES;
        this.tables = CudaMemory.allocate(stream,
                tableBytes + (long) items.size() * items.getFirst().size() * Long.BYTES);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(tables.segment().byteSize(), Long.BYTES);
            MemorySegment addresses = host.asSlice(tableBytes);
            long tile = 0;
            long address = 0;
            for (int i = 0; i < items.size(); i++) {
                for (Tensor tensor : items.get(i)) {
                    addresses.setAtIndex(JAVA_LONG, address++, CudaMemory.addressOrZero(tensor));
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
            int[] parameterBytes = new int[PARAMETERS + numbers.length];
            Arrays.fill(parameterBytes, 0, PARAMETERS, Long.BYTES);
            Arrays.fill(parameterBytes, PARAMETERS, parameterBytes.length, Integer.BYTES);
            this.launch = kernel.prepare(parameterBytes);
        } catch (RuntimeException e) {
            tables.close();
            throw e;
        }
        launch.grid((int) Math.min(tiles, kernel.residentBlocks(THREADS, 0))).block(THREADS, 0)
                .set(0, tables.segment()).set(1, tiles).set(2, tables.segment().asSlice(tableBytes))
                .set(3, partials.segment()).set(4, partials.stride());
        for (int i = 0; i < numbers.length; i++) {
            launch.set(PARAMETERS + i, numbers[i]);
        }
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
