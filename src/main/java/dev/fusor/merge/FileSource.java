package dev.fusor.merge;

import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.checkpoint.TensorEntry;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A tensor that is read from its file range by range, into one buffer for each thread and place among the inputs. */
final class FileSource implements TensorSource {
    private final Checkpoint checkpoint;
    private final TensorEntry entry;
    private final Shape shape;
    private final Buffers buffers;
    private final int place;

    FileSource(Checkpoint checkpoint, TensorEntry entry, Shape shape, Buffers buffers, int place) {
        this.checkpoint = checkpoint;
        this.entry = entry;
        this.shape = shape;
        this.buffers = buffers;
        this.place = place;
    }

    @Override
    public DType dtype() {
        return entry.dtype();
    }

    @Override
    public Shape shape() {
        return shape;
    }

    @Override
    public Tensor slice(long from, long count) {
        Range range = buffers.mine(place);
        if (range.source != this || range.from != from || range.count != count) {
            MemorySegment room = range.room(entry.dtype().byteSize(count));
            range.source = null;
            read(from, room);
            range.source = this;
            range.from = from;
            range.count = count;
        }
        return Tensor.of(range.room(entry.dtype().byteSize(count)), entry.dtype(), Shape.of(count));
    }

    /** Reads elements from one on, as many as there is room for. */
    void read(long from, MemorySegment room) {
        try {
            checkpoint.read(entry, entry.dtype().byteSize(from), room);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The buffers of all threads; they grow to the largest range and live until they are closed. */
    static final class Buffers implements AutoCloseable {
        private final Arena arena = Arena.ofShared();
        private final ThreadLocal<Range[]> mine;

        Buffers(int places) {
            this.mine = ThreadLocal.withInitial(() -> {
                Range[] ranges = new Range[places];
                for (int i = 0; i < places; i++) {
                    ranges[i] = new Range(arena);
                }
                return ranges;
            });
        }

        Range mine(int place) {
            return mine.get()[place];
        }

        /** Memory for what does not come from a file as it is. */
        MemorySegment room(int place, long bytes) {
            Range range = mine(place);
            range.source = null;
            return range.room(bytes);
        }

        @Override
        public void close() {
            arena.close();
        }
    }

    /** One buffer, and which range of which source it holds. */
    private static final class Range {
        private final Arena arena;
        private MemorySegment buffer = MemorySegment.NULL;
        private FileSource source;
        private long from;
        private long count;

        Range(Arena arena) {
            this.arena = arena;
        }

        MemorySegment room(long bytes) {
            if (buffer.byteSize() < bytes) {
                buffer = arena.allocate(bytes, 64);
            }
            return buffer.asSlice(0, bytes);
        }
    }
}
