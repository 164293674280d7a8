package dev.fusor.checkpoint;

import dev.fusor.checkpoint.CheckpointWriter.Spec;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes arrays into one file, all or nothing: a NumPy file ({@code .npy}) of one array, or a safetensors file of any number.
 * Each array is given from its start to its end, a piece at a time; the pieces of several may alternate.
 *
 * <p>A file is written under a hidden name beside its own, {@code .<name>.fusor-<random>}, and gets its name in {@link #commit}; a
 * JVM that is asked to end deletes it first. A stream is written as it comes.
 */
public final class ArrayWriter implements AutoCloseable {
    private static final String NPY = ".npy";
    private static final String SAFETENSORS = ".safetensors";

    private final Map<String, Slot> slots = new LinkedHashMap<>();
    private final Path target;
    private final boolean overwrite;
    private final Path staging;
    private final WritableByteChannel channel;

    /** Where an array goes and how much of it is written. */
    private static final class Slot {
        private final Spec spec;
        private final long begin;
        private long written;

        private Slot(Spec spec, long begin) {
            this.spec = spec;
            this.begin = begin;
        }
    }

    private ArrayWriter(Path target, boolean overwrite, Path staging, WritableByteChannel channel) {
        this.target = target;
        this.overwrite = overwrite;
        this.staging = staging;
        this.channel = channel;
    }

    /**
     * {@return a writer of a file} Its name ends in {@code .npy} or {@code .safetensors}, and says which it is.
     *
     * @param file to be made; its folder exists
     * @param arrays what will be written; one for {@code .npy}
     * @param overwrite true to replace what has that name
     * @throws CheckpointException if the file cannot be written, exists and may not be overwritten, or the disk has too little
     *     room
     * @throws IOException if the system reports another failure
     * @throws IllegalArgumentException if the format cannot hold such arrays
     */
    public static ArrayWriter create(Path file, List<Spec> arrays, boolean overwrite) throws IOException {
        byte[] header;
        Map<Spec, Long> places = new LinkedHashMap<>();
        if (file.toString().endsWith(NPY)) {
            if (arrays.size() != 1) {
                throw CheckpointException.at(file, "a .npy file holds one array, wanted %d; name a .safetensors file",
                        arrays.size());
            }
            header = new NpyHeader(arrays.getFirst().dtype(), arrays.getFirst().shape()).bytes();
            places.put(arrays.getFirst(), 0L);
        } else if (file.toString().endsWith(SAFETENSORS)) {
            SpecCheck.check(arrays, Long.MAX_VALUE);
            ShardPlan plan = ShardPlan.of(arrays, Long.MAX_VALUE, SpecCheck.complete(Map.of())).getFirst();
            header = plan.header();
            plan.tensors().forEach(placed -> places.put(placed.spec(), placed.begin()));
        } else {
            throw CheckpointException.at(file, "the name of an output ends in .npy or .safetensors");
        }
        Path target = Files.exists(file) ? file.toRealPath() : file.toAbsolutePath();
        checkReplaceable(target, overwrite);
        new OutputFolder(target, overwrite, SAFETENSORS)
                .checkSpace(header.length + arrays.stream().mapToLong(Spec::byteSize).reduce(0, Math::addExact));
        Path staging = StagingFolder.hidden(target);
        FileChannel channel;
        try {
            channel = FileChannel.open(staging, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        } catch (IOException e) {
            throw WriteFailure.of(staging, "the file cannot be made", e);
        }
        staging.toFile().deleteOnExit();
        ArrayWriter writer = new ArrayWriter(target, overwrite, staging, channel);
        try {
            places.forEach((spec, begin) -> writer.slots.put(spec.name(), new Slot(spec, header.length + begin)));
            writer.put(ByteBuffer.wrap(header), 0);
            return writer;
        } catch (IOException | RuntimeException e) {
            try (writer) {
                throw e;
            }
        }
    }

    /**
     * {@return a writer of what a {@code .npy} file would hold into a stream}
     *
     * @param out stays open
     * @param array what will be written
     * @throws IOException if the system cannot write it
     */
    public static ArrayWriter stream(OutputStream out, Spec array) throws IOException {
        ArrayWriter writer = new ArrayWriter(null, false, null, Channels.newChannel(out));
        writer.slots.put(array.name(), new Slot(array, 0));
        writer.put(ByteBuffer.wrap(new NpyHeader(array.dtype(), array.shape()).bytes()), 0);
        return writer;
    }

    private static void checkReplaceable(Path target, boolean overwrite) throws CheckpointException {
        if (Files.exists(target) && (!overwrite || !Files.isRegularFile(target))) {
            throw CheckpointException.at(target, Files.isRegularFile(target)
                    ? "the output exists; name another file, or replace it with --overwrite"
                    : "the output is no file; name another one");
        }
        if (!Files.isDirectory(target.getParent())) {
            throw CheckpointException.at(target, "the folder %s does not exist; make it or name another",
                    target.getParent());
        }
    }

    /**
     * Writes the bytes of an array that come next.
     *
     * @param array its name
     * @param next off-heap memory
     * @throws CheckpointException if the disk is full or fails
     * @throws IOException if the system reports another failure
     * @throws IndexOutOfBoundsException if the array has fewer left
     */
    public void write(String array, MemorySegment next) throws IOException {
        Slot slot = slots.get(array);
        Transfer.check(next, slot.written, slot.spec.byteSize());
        for (long done = 0; done < next.byteSize();) {
            long length = Math.min(Transfer.MAX_BYTES, next.byteSize() - done);
            put(next.asSlice(done, length).asByteBuffer(), slot.begin + slot.written);
            done += length;
            slot.written += length;
        }
    }

    private void put(ByteBuffer bytes, long at) throws IOException {
        try {
            if (channel instanceof FileChannel file && staging != null) {
                file.position(at);
            }
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        } catch (IOException e) {
            throw staging == null ? e : WriteFailure.of(staging, "the file cannot be written", e);
        }
    }

    /**
     * Puts everything on disk and gives the file its name. A failure leaves what had that name before.
     *
     * @throws CheckpointException if the system fails, or if something new stands in the way
     * @throws IOException if the system reports another failure
     * @throws IllegalStateException if an array is not complete
     */
    public void commit() throws IOException {
        slots.forEach((name, slot) -> {
            if (slot.written < slot.spec.byteSize()) {
                throw new IllegalStateException("array %s is incomplete: %d of its %d bytes were written".formatted(
                        Names.quote(name), slot.written, slot.spec.byteSize()));
            }
        });
        if (staging == null) {
            return;
        }
        try {
            ((FileChannel) channel).force(true);
            channel.close();
            checkReplaceable(target, overwrite);
            Files.move(staging, target, StandardCopyOption.ATOMIC_MOVE);
            StagingFolder.syncFolder(target.getParent());
        } catch (CheckpointException e) {
            throw e;
        } catch (IOException e) {
            throw WriteFailure.of(target, "the finished file cannot be put in place", e);
        }
    }

    /** Deletes what was written, unless it was committed; a stream stays as it is. */
    @Override
    public void close() throws IOException {
        if (staging != null) {
            channel.close();
            Files.deleteIfExists(staging);
        }
    }
}
