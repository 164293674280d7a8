package dev.fusor.ensemble;

import dev.fusor.device.cuda.CudaKernel;

/**
 * How many blocks have a row together, and hold it in shared memory until all of it is known (docs/adr/037).
 *
 * @param kernel whose blocks do
 * @param parts as many blocks have a row
 * @param threads of a block
 * @param sharedBytes of a block
 * @param together how many rows are held at the same time, by blocks that are all resident
 */
record HeldRows(CudaKernel kernel, int parts, int threads, int sharedBytes, int together) {
    /** Of a multiprocessor: while one waits for others, the other one works. */
    private static final int FEWEST_BLOCKS = 2;

    /** Of a multiprocessor: fewer keep neither its memory nor its arithmetic busy. */
    private static final int FEWEST_WARPS = 8;

    private static final int MOST_WARPS = 8;
    private static final int WARP = 32;

    /** What a block has in shared memory beside what is held, at most. */
    private static final int SHARED_BYTES_OF_BLOCK = 1024;

    /**
     * At most; for tests, which have few chunks and rows.
     *
     * @param chunks of a row in a block; 0 to hold none
     * @param together rows that are held at the same time
     * @param cachedBytes of rows that are not held, and read again
     */
    record Limits(int chunks, int together, long cachedBytes) {
        static final Limits NONE = new Limits(Integer.MAX_VALUE, Integer.MAX_VALUE, Long.MAX_VALUE);
    }

    /**
     * {@return how, or null if rows are too long for the device}
     *
     * @param kernel that holds them
     * @param multiprocessors of its device
     * @param chunks of a row
     * @param chunkBytes what is held of each
     * @param rowBytes what each block holds of a row beside
     * @param limits at most
     */
    static HeldRows of(CudaKernel kernel, int multiprocessors, int chunks, int chunkBytes, int rowBytes,
            Limits limits) {
        int room = kernel.mostSharedMemory() - SHARED_BYTES_OF_BLOCK;
        kernel.allowSharedMemory(room);
        for (int most = Math.min(Math.min(chunks, limits.chunks), (room - rowBytes) / chunkBytes); most > 0; most--) {
            // Blocks have as many chunks as each other, and so have warps, as far as that goes.
            int parts = (chunks + most - 1) / most;
            int held = (chunks + parts - 1) / parts;
            int rounds = (held + MOST_WARPS - 1) / MOST_WARPS;
            int warps = (held + rounds - 1) / rounds;
            int sharedBytes = held * chunkBytes + rowBytes;
            int blocks = kernel.residentBlocks(warps * WARP, sharedBytes);
            if (blocks >= Math.max(parts, FEWEST_BLOCKS * multiprocessors)
                    && blocks * warps >= FEWEST_WARPS * multiprocessors) {
                return new HeldRows(kernel, parts, warps * WARP, sharedBytes, Math.min(blocks / parts,
                        limits.together));
            }
        }
        return null;
    }
}
