package dev.fusor.checkpoint;

import dev.fusor.checkpoint.ShardPlan.Placed;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * Writes a checkpoint into a folder, all or nothing.
 *
 * <p>Names, types and shapes are given at the start, so every header is written first, and data may then come in any
 * order from any number of threads. It all goes to a hidden folder beside the final one, {@code .<name>.fusor-<random>},
 * which takes the final name in {@link #commit}. Where a process is killed in the middle, that hidden folder stays
 * behind, and may be deleted; no writer touches the one of another. Where it is killed while it replaces a checkpoint,
 * in the moment between two renames, the old one is the hidden folder that ends in {@code .old}.
 *
 * <p>Tensors are put into shards in the order of their names, numbers in names compared as numbers, and inside a shard
 * the widest element type first. So the files depend on the arguments alone.
 */
public final class CheckpointWriter implements StagedWriter {
    private final OutputFolder output;
    private final StagingFolder staging;
    private final List<Path> fileNames = new ArrayList<>();
    private final List<FileChannel> channels = new ArrayList<>();
    private final Map<String, Slot> slots = new LinkedHashMap<>();
    private volatile State state = State.OPEN;

    private enum State {
        OPEN, COMMITTED, CLOSED
    }

    private record Slot(ShardPlan shard, Placed tensor, FileChannel channel, Coverage coverage) {}

    /**
     * A tensor to be written.
     *
     * @param name the name
     * @param dtype the element type
     * @param shape the shape
     */
    public record Spec(String name, DType dtype, Shape shape) {
        /**
         * Checks that the format can hold such a tensor.
         *
         * @throws IllegalArgumentException if it cannot
         */
        public Spec {
            Objects.requireNonNull(name, "name is null");
            SpecCheck.check(name, dtype, shape);
        }

        /** {@return how many bytes the data takes} */
        public long byteSize() {
            return dtype.byteSize(shape.elements());
        }
    }

    private CheckpointWriter(OutputFolder output, StagingFolder staging) {
        this.output = output;
        this.staging = staging;
    }

    /**
     * {@return a writer whose files exist at their full size, with all headers and no data}
     *
     * @param outputFolder the folder to be made; its parent exists
     * @param tensors what will be written
     * @param shardBytes how many bytes of data a file may hold; a larger tensor gets a file of its own
     * @param metadata for the header of each file; {@code format} becomes {@code pt} unless given
     * @param overwrite true to replace the checkpoint in {@code outputFolder}, if there is one, in {@link #commit}
     * @throws CheckpointException if the folder cannot be written, exists and may not be overwritten, or the disk has
     *     too little room
     * @throws IOException if the system reports another failure
     * @throws IllegalArgumentException if the format cannot hold such a checkpoint
     */
    public static CheckpointWriter create(Path outputFolder, List<Spec> tensors, long shardBytes,
            Map<String, String> metadata, boolean overwrite) throws IOException {
        List<ShardPlan> plans = plan(tensors, shardBytes, metadata);
        OutputFolder output = OutputFolder.of(outputFolder, overwrite, OutputFolder.SAFETENSORS);
        output.checkSpace(size(plans));
        CheckpointWriter writer = new CheckpointWriter(output, StagingFolder.create(output));
        try {
            writer.start(plans);
            return writer;
        } catch (IOException | RuntimeException e) {
            try (writer) {
                throw e;
            }
        }
    }

    /**
     * {@return how many bytes of disk a checkpoint takes}
     *
     * @param tensors what would be written
     * @param shardBytes how many bytes of data a file may hold
     * @param metadata for the header of each file
     */
    public static long requiredBytes(List<Spec> tensors, long shardBytes, Map<String, String> metadata) {
        return size(plan(tensors, shardBytes, metadata));
    }

    private static List<ShardPlan> plan(List<Spec> tensors, long shardBytes, Map<String, String> metadata) {
        SpecCheck.check(tensors, shardBytes);
        return ShardPlan.of(tensors, shardBytes, SpecCheck.complete(metadata));
    }

    private static long size(List<ShardPlan> plans) {
        long index = plans.size() == 1 ? 0 : HeaderWriter.index(plans).length;
        return plans.stream().mapToLong(ShardPlan::fileSize).reduce(index, Math::addExact);
    }

    private void start(List<ShardPlan> plans) throws IOException {
        for (ShardPlan plan : plans) {
            Path file = staging.path().resolve(plan.fileName());
            try {
                FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
                channels.add(channel);
                fileNames.add(file.getFileName());
                writeFully(channel, 0, ByteBuffer.wrap(plan.header()));
                if (plan.fileSize() > plan.header().length) {
                    writeFully(channel, plan.fileSize() - 1, ByteBuffer.allocate(1));
                }
                for (Placed tensor : plan.tensors()) {
                    slots.put(tensor.spec().name(),
                            new Slot(plan, tensor, channel, new Coverage(tensor.spec().byteSize())));
                }
            } catch (IOException e) {
                throw WriteFailure.of(file, "the file cannot be made", e);
            }
        }
        if (plans.size() > 1) {
            Path index = staging.path().resolve("model" + ShardIndex.SUFFIX);
            try {
                Files.write(index, HeaderWriter.index(plans));
            } catch (IOException e) {
                throw WriteFailure.of(index, "the index cannot be written", e);
            }
        }
    }

    @Override
    public Path staging() {
        return staging.path();
    }

    /** {@return the folder that the checkpoint will be, absolute and with links followed} */
    public Path output() {
        return output.path();
    }

    /** {@return the safetensors files in name order, where they are now: in the output once committed} */
    public List<Path> files() {
        return fileNames.stream().map(home()::resolve).toList();
    }

    /**
     * {@return where a tensor lies now: in the output once committed}
     *
     * @param name the name of the tensor
     * @throws IllegalArgumentException if there is no such tensor
     */
    public TensorEntry entry(String name) {
        Slot slot = slot(name);
        return slot.shard().entry(slot.tensor(), home());
    }

    private Path home() {
        return state == State.COMMITTED ? output.path() : staging.path();
    }

    private Slot slot(String name) {
        Slot slot = slots.get(name);
        if (slot == null) {
            throw new IllegalArgumentException("no tensor %s is to be written to %s".formatted(Names.quote(name),
                    output.path()));
        }
        return slot;
    }

    /**
     * Writes a part of a tensor. Writing a part again replaces it.
     *
     * @param tensor the name
     * @param fromByte where the part starts, in bytes from the start of the tensor
     * @param source off-heap memory
     * @throws CheckpointException if the disk is full or fails, or if the thread is interrupted, which closes the file
     * @throws IOException if the system reports another failure
     * @throws IndexOutOfBoundsException if the part is not inside the tensor
     * @throws IllegalArgumentException if there is no such tensor, or the memory lies on the heap
     */
    public void write(String tensor, long fromByte, MemorySegment source) throws IOException {
        Slot slot = slot(tensor);
        long byteSize = slot.tensor().spec().byteSize();
        Transfer.check(source, fromByte, byteSize);
        checkOpen();
        long position = slot.shard().header().length + slot.tensor().begin() + fromByte;
        try {
            for (long done = 0; done < source.byteSize();) {
                long length = Math.min(Transfer.MAX_BYTES, source.byteSize() - done);
                writeFully(slot.channel(), position + done, source.asSlice(done, length).asByteBuffer());
                done += length;
            }
        } catch (IOException e) {
            throw WriteFailure.of(staging.path().resolve(slot.shard().fileName()),
                    "tensor " + Names.quote(tensor) + " cannot be written", e);
        }
        slot.coverage().add(fromByte, fromByte + source.byteSize());
    }

    private static void writeFully(FileChannel channel, long position, ByteBuffer bytes) throws IOException {
        long end = position + bytes.remaining();
        while (bytes.hasRemaining()) {
            channel.write(bytes, end - bytes.remaining());
        }
    }

    /**
     * Puts everything on disk and gives the folder its final name. A failure leaves what had that name before.
     *
     * @throws CheckpointException if the system fails, or if something new stands in the way
     * @throws IOException if the system reports another failure
     * @throws IllegalStateException if a byte of a tensor was not written, or if the writer is closed
     */
    @Override
    public synchronized void commit() throws IOException {
        checkOpen();
        slots.forEach((name, slot) -> {
            long missing = slot.coverage().firstMissing();
            if (missing >= 0) {
                throw new IllegalStateException("tensor %s is incomplete: byte %d of its %d was never written"
                        .formatted(Names.quote(name), missing, slot.tensor().spec().byteSize()));
            }
        });
        closeChannels();
        try {
            staging.publish();
        } finally {
            if (Files.notExists(staging.path())) {
                state = State.COMMITTED;
            }
        }
    }

    private void checkOpen() {
        if (state != State.OPEN) {
            throw new IllegalStateException("the writer of " + output.path() + " is "
                    + (state == State.COMMITTED ? "committed" : "closed") + " already");
        }
    }

    private void closeChannels() throws IOException {
        for (FileChannel channel : channels) {
            channel.close();
        }
    }

    /**
     * Deletes everything that was written, unless it was committed; a second call does nothing.
     *
     * @throws UncheckedIOException if it cannot be deleted
     */
    @Override
    public synchronized void close() {
        if (state != State.OPEN) {
            return;
        }
        state = State.CLOSED;
        try {
            closeChannels();
            staging.delete();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
