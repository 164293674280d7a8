package dev.fusor.checkpoint;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;

/**
 * One array, read from its start to its end, a piece at a time: out of a NumPy file ({@code .npy}), a NumPy archive
 * ({@code .npz}, compressed or not), a safetensors file, or a stream. What a file is, is told by its first bytes.
 *
 * <p>For one thread at a time.
 */
public final class ArrayReader implements AutoCloseable {
    private static final String NPY = ".npy";

    private final String name;
    private final DType dtype;
    private final Shape shape;
    private final ReadableByteChannel data;
    private final Closeable owner;
    /** Whether nothing may follow the array. */
    private final boolean alone;
    private long left;

    private ArrayReader(String name, NpyHeader header, ReadableByteChannel data, Closeable owner, boolean alone) {
        this.name = name;
        this.dtype = header.dtype();
        this.shape = header.shape();
        this.data = data;
        this.owner = owner;
        this.alone = alone;
        this.left = dtype.byteSize(shape.elements());
    }

    /**
     * {@return a reader of an array in a file}
     *
     * @param reference {@code FILE} where it holds one array, {@code FILE:NAME} where it holds several
     * @throws CheckpointException if there is no such array, or the file breaks a rule of its format
     * @throws IOException if the system cannot read it
     */
    public static ArrayReader open(String reference) throws IOException {
        int colon = reference.lastIndexOf(':');
        try {
            boolean named = colon > 0 && Files.notExists(Path.of(reference));
            Path file = Path.of(named ? reference.substring(0, colon) : reference);
            String array = named ? reference.substring(colon + 1) : null;
            if (!Files.isRegularFile(file)) {
                throw CheckpointException.at(file, Files.exists(file)
                        ? "this is no file; name a .npy, .npz or .safetensors file"
                        : "there is no such file; check the path");
            }
            byte[] start = start(file);
            if (Arrays.equals(start, NpyHeader.MAGIC)) {
                return npy(file, array);
            }
            return start.length > 1 && start[0] == 'P' && start[1] == 'K' ? npz(file, array) : safetensors(file, array);
        } catch (InvalidPathException e) {
            throw new CheckpointException(Names.quote(reference) + " is no path; check it", e);
        }
    }

    /**
     * {@return a reader of an array that comes as a {@code .npy} file would}
     *
     * @param name what it is called in messages
     * @param in closed with the reader
     * @throws CheckpointException if it breaks a rule of the format
     * @throws IOException if the system cannot read it
     */
    public static ArrayReader stream(String name, InputStream in) throws IOException {
        return new ArrayReader(name, NpyHeader.read(name, in), Channels.newChannel(in), in, true);
    }

    private static byte[] start(Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            return in.readNBytes(NpyHeader.MAGIC.length);
        }
    }

    private static ArrayReader npy(Path file, String array) throws IOException {
        if (array != null) {
            throw CheckpointException.at(file, "a NumPy array has no name, got %s; name the file alone",
                    Names.quote(array));
        }
        FileChannel channel = ShardFile.openChannel(file);
        try {
            NpyHeader header = NpyHeader.read(file.toString(), Channels.newInputStream(channel));
            long wanted = channel.position() + header.dtype().byteSize(header.shape().elements());
            if (channel.size() != wanted) {
                throw CheckpointException.at(file,
                        "%s %s takes %d bytes with its header, the file has %d; write it again",
                        header.dtype(), header.shape(), wanted, channel.size());
            }
            return new ArrayReader(file.toString(), header, channel, channel, false);
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    private static ArrayReader npz(Path file, String array) throws IOException {
        ZipFile archive;
        try {
            archive = new ZipFile(file.toFile());
        } catch (ZipException e) {
            throw CheckpointException.at(file, e, "the archive is broken (%s); write it again", e.getMessage());
        }
        try {
            List<String> names = archive.stream().map(Object::toString).filter(name -> name.endsWith(NPY))
                    .map(name -> name.substring(0, name.length() - NPY.length())).toList();
            String chosen = choose(file, names, array, "the archive holds no NumPy array; write it with numpy.savez");
            String where = file + ":" + chosen;
            InputStream in = archive.getInputStream(archive.getEntry(chosen + NPY));
            return new ArrayReader(where, NpyHeader.read(where, in), Channels.newChannel(in), archive, true);
        } catch (IOException | RuntimeException e) {
            archive.close();
            throw e;
        }
    }

    private static ArrayReader safetensors(Path file, String array) throws IOException {
        TensorEntry entry;
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            List<String> names = List.copyOf(checkpoint.tensors().sequencedKeySet());
            entry = checkpoint.tensor(choose(file, names, array, "the file holds no tensor"));
        }
        FileChannel channel = ShardFile.openChannel(entry.file());
        channel.position(entry.offset());
        return new ArrayReader(file + ":" + entry.name(), new NpyHeader(entry.dtype(), entry.shape()), channel, channel,
                false);
    }

    private static String choose(Path file, List<String> names, String wanted, String none) throws CheckpointException {
        if (names.isEmpty()) {
            throw CheckpointException.at(file, none);
        }
        if (wanted == null && names.size() > 1) {
            throw CheckpointException.at(file, "there are %d arrays: %s; name one as %s:NAME", names.size(),
                    Names.list(names), file);
        }
        if (wanted != null && !names.contains(wanted)) {
            throw CheckpointException.at(file, "there is no array %s, found %s", Names.quote(wanted),
                    Names.list(names));
        }
        return wanted == null ? names.getFirst() : wanted;
    }

    /** {@return the file, and the name of the array where the file has names} */
    public String name() {
        return name;
    }

    /** {@return the element type} */
    public DType dtype() {
        return dtype;
    }

    /** {@return the shape} */
    public Shape shape() {
        return shape;
    }

    /**
     * Fills memory with the bytes that come next.
     *
     * @param destination off-heap memory
     * @throws CheckpointException if the data ends early, or goes on after the last of it
     * @throws IOException if the system cannot read it
     * @throws IndexOutOfBoundsException if that is more than there is left
     */
    public void read(MemorySegment destination) throws IOException {
        Objects.checkFromIndexSize(0, destination.byteSize(), left);
        try {
            for (long done = 0; done < destination.byteSize();) {
                long length = Math.min(Transfer.MAX_BYTES, destination.byteSize() - done);
                int got = data.read(destination.asSlice(done, length).asByteBuffer());
                if (got < 0) {
                    throw fault("the data of %s %s ends %d bytes early; write it again", dtype, shape, left);
                }
                done += got;
                left -= got;
            }
            if (left == 0 && alone && destination.byteSize() > 0 && data.read(ByteBuffer.allocate(1)) > 0) {
                throw fault("more follows after the data of %s %s; write one array alone", dtype, shape);
            }
        } catch (ZipException e) {
            throw new CheckpointException("%s: the archive is broken (%s); write it again".formatted(name,
                    e.getMessage()), e);
        }
    }

    private CheckpointException fault(String format, Object... arguments) {
        return new CheckpointException(name + ": " + format.formatted(arguments));
    }

    /** Closes the file or the stream. */
    @Override
    public void close() throws IOException {
        owner.close();
    }
}
