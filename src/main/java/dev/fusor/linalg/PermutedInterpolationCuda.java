package dev.fusor.linalg;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.device.cuda.CudaTiles;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Locale;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/**
 * Tensors with their axes in other orders on a CUDA device, many in one launch: moved bit by bit, or interpolated with another
 * tensor in the same read, with the bits of {@link dev.fusor.arithmetic.WeightedSum}.
 *
 * <p>What is prepared once is run as often as wanted; a run is one launch, which allocates nothing, copies nothing and waits for
 * nothing. All tensors of a launch are of one type, and may start at any multiple of their element's size. Memory is read
 * and written in whole sectors whatever the order, but for an innermost axis of single entries that move over more than 60 KiB
 * (30 KiB to be interpolated): these are gathered one by one.
 *
 * <p>It belongs to the thread that prepared it.
 */
public final class PermutedInterpolationCuda implements AutoCloseable {
    private static final int THREADS = 256;
    private static final int ITEM_BYTES = 72;

    /** Shared memory that a block may have on every architecture, less its static part. */
    private static final int MOST_SHARED = 60 << 10;
    /** What it may have without asking, less its static part. */
    private static final int SHARED = 46 << 10;
    /** Of lines that are staged together. */
    private static final int TILE_BYTES = 16 << 10;
    private static final int MOST_LINES = 256;

    private final CudaStream stream;
    private final CudaMemory tables;
    private final CudaLaunch launch;

    /**
     * A tensor to be moved.
     *
     * @param first what it is interpolated with, of its element count; null to move it as it is
     * @param second the tensor in its new order
     * @param t the weight of the second; the first has 1 - t
     * @param out receives the result, of its element count; may be the first, but not overlap one otherwise
     */
    public record Item(Tensor first, PermutedView second, double t, Tensor out) {
        /**
         * {@return a tensor moved as it is}
         *
         * @param from the tensor in its new order
         * @param out receives it
         */
        public static Item move(PermutedView from, Tensor out) {
            return new Item(null, from, 1, out);
        }

        private long longest() {
            return MOST_SHARED / (first == null ? 1 : 2) / out.dtype().byteSize(1);
        }

        private PermutedLines lines() {
            return new PermutedLines(second, longest());
        }
    }

    /**
     * Prepares a launch, and enqueues the copy of its tables.
     *
     * @param stream where it will run
     * @param items at least one, all to be interpolated or none, of one type: one of {@link CudaFormats#ALL} to be interpolated, any with whole
     * bytes for an element to be moved
     * @return the launch
     * @throws IllegalArgumentException if types or lengths differ, a type is not supported, or memory is not the device's
     */
    public static PermutedInterpolationCuda prepare(CudaStream stream, List<Item> items) {
        if (items.isEmpty()) {
            throw new IllegalArgumentException("a launch of moves takes at least 1 item, got none");
        }
        items.forEach(item -> check(items.getFirst(), item));
        DType type = items.getFirst().out().dtype();
        String kernel = items.getFirst().first() == null
                ? "move_" + type.bits()
                : "interpolate_" + type.name().toLowerCase(Locale.ROOT);
        return new PermutedInterpolationCuda(stream,
                stream.device().kernel("linalg/permuted_interpolation", kernel), items);
    }

    private static void check(Item wanted, Item item) {
        DType type = wanted.out().dtype();
        Tensor second = item.second().tensor();
        boolean joins = item.first() != null;
        if (joins != (wanted.first() != null) || second.dtype() != type || item.out().dtype() != type
                || second.elements() != item.out().elements()
                || joins && (item.first().dtype() != type || item.first().elements() != second.elements())) {
            throw new IllegalArgumentException(
                    "a launch of moves takes tensors of one type, and of equal length in each item, all interpolated or none; got %s, %s and %s where %s was wanted"
                            .formatted(item.first(), second, item.out(), type));
        }
        if (joins ? !CudaFormats.supports(type) : type.bits() % 8 != 0) {
            throw new IllegalArgumentException(
                    "on a device elements of one of %s are interpolated, and elements of whole bytes moved, got %s"
                            .formatted(CudaFormats.ALL, item.out()));
        }
        CudaFormats.requirePlaced(second);
        CudaFormats.requirePlaced(item.out());
        if (joins) {
            CudaFormats.requirePlaced(item.first());
        }
    }

    private PermutedInterpolationCuda(CudaStream stream, CudaKernel kernel, List<Item> items) {
        this.stream = stream;
        List<PermutedLines> lines = items.stream().map(Item::lines).toList();
        long elementBytes = items.getFirst().out().dtype().byteSize(1);
        long tileCount = lines.stream().mapToLong(each -> tiles(each, elementBytes)).sum();
        long itemsAt = tileCount * CudaTiles.BYTES;
        long axesAt = itemsAt + (long) items.size() * ITEM_BYTES;
        long ordersAt = axesAt + lines.stream().mapToLong(PermutedLines::axes).sum() * AxisTable.BYTES;
        int shared = 0;
        this.tables = CudaMemory.allocate(stream,
                ordersAt + lines.stream().mapToLong(PermutedLines::orderBytes).sum());
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(tables.segment().byteSize(), Long.BYTES);
            AxisTable axes = new AxisTable(host, tables.segment().address(), axesAt, ordersAt);
            long tile = 0;
            for (int i = 0; i < items.size(); i++) {
                tile = writeTiles(lines.get(i), elementBytes, host, tile, i);
                shared = Math.max(shared, writeItem(items.get(i), lines.get(i), host.asSlice(itemsAt
                        + (long) i * ITEM_BYTES, ITEM_BYTES), axes));
            }
            stream.upload(host, tables.segment());
            if (shared > SHARED) {
                kernel.allowSharedMemory(shared);
            }
            this.launch = kernel.prepare(8, 8, 8);
        } catch (RuntimeException e) {
            tables.close();
            throw e;
        }
        launch.grid((int) Math.min(tileCount, kernel.residentBlocks(THREADS, shared))).block(THREADS, shared)
                .set(0, tables.segment()).set(1, tileCount).set(2, tables.segment().asSlice(itemsAt));
    }

    /** How many lines have a tile. */
    private static int linesOfTile(PermutedLines lines, long elementBytes) {
        return Math.clamp(TILE_BYTES / Math.max(1, lines.length() * elementBytes), 1, MOST_LINES);
    }

    private static long tiles(PermutedLines lines, long elementBytes) {
        int each = linesOfTile(lines, elementBytes);
        return (lines.count() + each - 1) / each;
    }

    private static long writeTiles(PermutedLines lines, long elementBytes, MemorySegment table, long tile, int item) {
        int each = linesOfTile(lines, elementBytes);
        long next = tile;
        for (long from = 0; from < lines.count(); from += each, next++) {
            long at = next * CudaTiles.BYTES;
            table.set(JAVA_LONG, at, from);
            table.set(JAVA_INT, at + 8, (int) Math.min(each, lines.count() - from));
            table.set(JAVA_INT, at + 12, item);
        }
        return next;
    }

    /** Returns the bytes of shared memory that it takes. */
    private static int writeItem(Item item, PermutedLines lines, MemorySegment row, AxisTable axes) {
        long elementBytes = item.out().dtype().byteSize(1);
        int together = linesOfTile(lines, elementBytes);
        boolean staged = lines.length() <= item.longest();
        row.set(JAVA_LONG, 0, item.first() == null ? 0 : item.first().data().address());
        row.set(JAVA_LONG, 8, item.second().tensor().data().address());
        row.set(JAVA_LONG, 16, item.out().data().address());
        row.set(JAVA_LONG, 24, axes.addOrder(lines.sources()));
        row.set(JAVA_LONG, 32, axes.next());
        lines.addAxes(axes);
        row.set(JAVA_INT, 40, lines.axes());
        row.set(JAVA_INT, 44, staged ? 1 : 0);
        row.set(JAVA_LONG, 48, lines.length());
        row.set(JAVA_LONG, 56, together == 1 ? 0 : ((1L << 32) + lines.length() - 1) / lines.length());
        row.set(JAVA_FLOAT, 64, (float) (1 - item.t()));
        row.set(JAVA_FLOAT, 68, (float) item.t());
        long bytes = (together * lines.length() * elementBytes + 15) / 16 * 16;
        return staged ? (int) (item.first() == null ? bytes : 2 * bytes) : 0;
    }

    /**
     * Enqueues the launch.
     *
     * @throws dev.fusor.device.cuda.CudaException if the driver refuses it
     */
    public void run() {
        launch.on(stream);
    }

    /** Frees the tables, in order with what was enqueued. */
    @Override
    public void close() {
        launch.close();
        tables.close();
    }
}
