package dev.fusor.trim;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.tensor.Tensor;
import dev.fusor.trim.MagnitudeSelection.Ties;
import java.lang.foreign.MemorySegment;

/**
 * What trimming keeps of a task vector row by row, on a CUDA device: the elements that {@link RowSelection} keeps.
 *
 * <p>A selection is one launch, in which a block, or a warp where rows are short, has a row and its keys in shared memory; it waits for
 * nothing. Keys of rows that do not fit there (16,000 elements on all devices, 57,000 on an H200) are made again for each of
 * their 31 bits, out of the second-level cache at best. It belongs to the thread that opened the stream.
 */
public final class RowSelectionCuda {
    private static final int MOST_THREADS = 1024;
    private static final int KEYS_OF_THREAD = 16;

    /** Shared memory that the kernels have beside the keys, rounded up. */
    private static final int OWN_SHARED_BYTES = 1 << 10;

    /** What every kernel may have without being allowed more. */
    private static final int PLAIN_SHARED_BYTES = 48 << 10;

    private final CudaStream stream;
    private final int mostKeys;

    /**
     * For tests, whose rows are short.
     *
     * @param mostKeys that are put into shared memory, if there is room
     */
    RowSelectionCuda(CudaStream stream, int mostKeys) {
        this.stream = stream;
        this.mostKeys = mostKeys;
    }

    /**
     * {@return the primitive on a device}
     *
     * @param stream runs it
     */
    public static RowSelectionCuda on(CudaStream stream) {
        return new RowSelectionCuda(stream, Integer.MAX_VALUE);
    }

    /**
     * {@return bytes of the bits of so many elements}
     *
     * @param elements how many
     */
    public static long maskBytes(long elements) {
        return (elements + Long.SIZE - 1) / Long.SIZE * Long.BYTES;
    }

    /**
     * Enqueues a selection: of each row so many of the largest magnitudes stay, but not so many of the very largest.
     *
     * @param base the base model's rows in device memory, or null to look at {@code x} itself
     * @param x the model's rows in device memory, of the base's type, one of {@link CudaFormats#ALL}, and as many elements
     * @param row elements of a row; the number of elements is a multiple of it
     * @param atLeast how many of the largest; the length of a row or more for all
     * @param tooLarge how many of those go
     * @param ties what becomes of equals at either cut
     * @param kept device memory of {@link #maskBytes} bytes from a multiple of 8 on: receives a bit for each element, the first as the
     * lowest of the first byte, as {@link java.util.BitSet#valueOf(byte[])} takes them
     * @throws IllegalArgumentException if rows are not whole, lengths or types differ, a type is not supported, a count is negative,
     * or memory is not the device's or too little
     */
    public void select(Tensor base, Tensor x, int row, long atLeast, long tooLarge, Ties ties, MemorySegment kept) {
        if (row < 1 || x.elements() % row != 0 || atLeast < 0 || tooLarge < 0) {
            throw new IllegalArgumentException("rows of %d, of which %d stay but for %d, take whole rows, got %s"
                    .formatted(row, atLeast, tooLarge, x));
        }
        CudaFormats.require("a selection of rows", x, x.dtype(), x.elements());
        if (base != null) {
            CudaFormats.require("a selection of rows", base, x.dtype(), x.elements());
        }
        if (CudaMemory.address(kept) % Long.BYTES != 0 || kept.byteSize() != maskBytes(x.elements())) {
            throw new IllegalArgumentException(
                    "the bits of %d elements take %d bytes from a multiple of 8 on, got %d at address 0x%x".formatted(
                            x.elements(), maskBytes(x.elements()), kept.byteSize(), kept.address()));
        }
        stream.fill(kept, (byte) 0);
        CudaKernel kernel = CudaFormats.kernel(stream, "trim", "row_selection", x.dtype(), "select_rows");
        long keyBytes = (row * (long) Integer.BYTES + 15) / 16 * 16;
        boolean inShared = row <= mostKeys && keyBytes <= kernel.mostSharedMemory() - OWN_SHARED_BYTES;
        int shared = inShared ? (int) keyBytes : 0;
        if (shared > PLAIN_SHARED_BYTES - OWN_SHARED_BYTES) {
            kernel.allowSharedMemory(shared);
        }
        int threads = Math.clamp(Integer.highestOneBit(row / KEYS_OF_THREAD | 1), 32, MOST_THREADS);
        long rows = x.elements() / row;
        try (CudaLaunch launch = kernel.prepare(8, 8, 8, 4, 4, 8, 8, 4, 8)) {
            launch.grid((int) Math.min(rows, kernel.residentBlocks(threads, shared))).block(threads, shared)
                    .set(0, x.data()).set(1, CudaMemory.addressOrZero(base)).set(2, rows)
                    .set(3, row).set(4, inShared ? 1 : 0).set(5, atLeast).set(6, tooLarge)
                    .set(7, ties == Ties.ALL_TIES ? 1 : 0).set(8, kept).on(stream);
        }
    }
}
