package dev.fusor.drop;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

/**
 * The drop of DELLA on a CUDA device: the factors of {@link RankedDrop} by the ranks of {@link dev.fusor.trim.RowRanks}, as
 * float32 with NaN for what is dropped.
 *
 * <p>What is prepared once is run as often as wanted; a run is one launch, which allocates nothing, copies nothing and waits for
 * nothing. A block, or a warp where rows are short, sorts a row in shared memory. Rows that do not fit there (7,000 elements on all
 * devices, 24,000 on an H200) are sorted in a workspace of 12 bytes for each element of as many rows as are sorted at a time, out
 * of the second-level cache at best.
 *
 * <p>It belongs to the thread that prepared it.
 */
public final class RankedDropCuda implements AutoCloseable {
    private static final int MOST_THREADS = 1024;
    private static final int ELEMENTS_OF_THREAD = 16;
    private static final int CHANCE_BYTES = 8;

    /** The counts of a warp, shared out over its threads. */
    private static final int COUNT_BYTES_OF_THREAD = 32;

    /** A key and its place in two orders. */
    private static final int SHARED_BYTES_OF_ELEMENT = 8;
    private static final int BYTES_OF_ELEMENT = 12;

    /** Rows of more are for the workspace, whose numbers have 32 bits. */
    private static final int MOST_IN_SHARED = 1 << 16;

    /** Shared memory that the kernels have beside all that, rounded up. */
    private static final int OWN_SHARED_BYTES = 1 << 10;

    /** What every kernel may have without being allowed more. */
    private static final int PLAIN_SHARED_BYTES = 48 << 10;

    private static final long MOST_WORKSPACE = 1L << 28;

    private final CudaStream stream;
    private final CudaMemory chances;
    private final CudaMemory workspace;
    private final CudaLaunch launch;

    /**
     * Whole rows of a task vector.
     *
     * @param base the base model's rows in device memory, or null to look at {@code x} itself
     * @param x the model's rows in device memory, of the base's type, one of {@link CudaFormats#ALL}
     * @param first the flat index of the first element in the whole tensor
     * @param factors F32 in device memory: receives a factor for each element
     */
    public record Rows(Tensor base, Tensor x, long first, Tensor factors) {}

    /**
     * Prepares a launch, and enqueues the copy of its table.
     *
     * @param stream where it will run
     * @param key the tensor's, from {@link Philox#key}
     * @param model the model's number, from 0
     * @param window what is kept of a rank; of as many ranks as a row has elements
     * @param rows what is looked at, and where the factors go
     * @return the launch
     * @throws IllegalArgumentException if rows are not whole, lengths or types differ, a type is not supported, the first index or
     * the model's number is negative, or memory is not the device's
     */
    public static RankedDropCuda prepare(CudaStream stream, long key, int model, RankedDrop.Window window, Rows rows) {
        return prepare(stream, key, model, window, rows, MOST_IN_SHARED);
    }

    /**
     * For tests, whose rows are short.
     *
     * @param mostInShared elements of a row that is sorted in shared memory, if there is room
     */
    static RankedDropCuda prepare(CudaStream stream, long key, int model, RankedDrop.Window window, Rows rows,
            int mostInShared) {
        Tensor x = rows.x();
        if (x.elements() % window.row() != 0 || rows.first() < 0 || model < 0) {
            throw new IllegalArgumentException(
                    "a drop by ranks in rows of %d takes whole rows, from element 0 or a later one on, of model 0 or a later one; got %s from element %d on of model %d"
                            .formatted(window.row(), x, rows.first(), model));
        }
        CudaFormats.require("a drop by ranks", x, x.dtype(), x.elements());
        if (rows.base() != null) {
            CudaFormats.require("a drop by ranks", rows.base(), x.dtype(), x.elements());
        }
        CudaFormats.require("a drop by ranks", rows.factors(), DType.F32, x.elements());
        return new RankedDropCuda(stream, key, model, window, rows, mostInShared);
    }

    private RankedDropCuda(CudaStream stream, long key, int model, RankedDrop.Window window, Rows rows,
            int mostInShared) {
        this.stream = stream;
        int row = window.row();
        long count = rows.x().elements() / row;
        int threads = Math.clamp(Integer.highestOneBit(row / ELEMENTS_OF_THREAD | 1), 32, MOST_THREADS);
        int counts = threads * COUNT_BYTES_OF_THREAD;
        CudaKernel inShared = kernel(rows.x().dtype(), "drop_by_rank");
        long room = counts + rounded((long) row * SHARED_BYTES_OF_ELEMENT);
        boolean fits = row <= mostInShared && room <= inShared.mostSharedMemory() - OWN_SHARED_BYTES;
        int shared = fits ? (int) room : counts;
        CudaKernel kernel = fits ? inShared : kernel(rows.x().dtype(), "drop_by_rank_long");
        if (shared > PLAIN_SHARED_BYTES - OWN_SHARED_BYTES) {
            kernel.allowSharedMemory(shared);
        }
        long ofBlock = fits ? 0 : rounded((long) row * BYTES_OF_ELEMENT);
        long blocks = Math.min(count, kernel.residentBlocks(threads, shared));
        blocks = fits ? blocks : Math.min(blocks, Math.max(1, MOST_WORKSPACE / ofBlock));
        this.chances = CudaMemory.allocate(stream, (long) row * CHANCE_BYTES);
        try {
            this.workspace = CudaMemory.allocate(stream, blocks * ofBlock);
        } catch (RuntimeException e) {
            chances.close();
            throw e;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment table = arena.allocate(chances.segment().byteSize(), CHANCE_BYTES);
            for (int rank = 0; rank < row; rank++) {
                long threshold = window.threshold(rank);
                // A threshold of 0 lets no word pass, which a largest word cannot say.
                table.set(JAVA_INT, (long) rank * CHANCE_BYTES, (int) (threshold - 1));
                table.set(JAVA_FLOAT, (long) rank * CHANCE_BYTES + 4,
                        threshold == 0 ? DropFactors.DROPPED : window.factor(rank));
            }
            stream.upload(table, chances.segment());
            this.launch = kernel.prepare(8, 8, 8, 4, 8, 8, 4, 8, 8, 8, 8);
        } catch (RuntimeException e) {
            workspace.close();
            chances.close();
            throw e;
        }
        launch.grid((int) blocks).block(threads, shared)
                .set(0, rows.x().data()).set(1, CudaMemory.addressOrZero(rows.base()))
                .set(2, count).set(3, row).set(4, key).set(5, rows.first()).set(6, model).set(7, chances.segment())
                .set(8, rows.factors().data()).set(9, workspace.segment()).set(10, ofBlock / 16);
    }

    private CudaKernel kernel(DType type, String name) {
        return CudaFormats.kernel(stream, "drop", "ranked_drop", type, name);
    }

    /** Up to where int4 may begin. */
    private static long rounded(long bytes) {
        return (bytes + 15) / 16 * 16;
    }

    /**
     * Enqueues the launch.
     *
     * @throws dev.fusor.device.cuda.CudaException if the driver refuses it
     */
    public void run() {
        launch.on(stream);
    }

    /** Frees table and workspace, in order with what was enqueued. */
    @Override
    public void close() {
        launch.close();
        workspace.close();
        chances.close();
    }
}
