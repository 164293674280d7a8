package dev.fusor.checkpoint;

import dev.fusor.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SequencedMap;
import java.util.TreeMap;

/**
 * A checkpoint opened for reading: one safetensors file, or shards with an index.
 *
 * <p>Opening reads and checks every header and no data. The data is read piece by piece with {@link #read}, or seen as
 * memory with {@link #map}. All methods may be used by any number of threads; but a thread that is interrupted inside
 * {@link #read} closes the file for all of them, as Java's file channels do.
 *
 * <p>Reading is stricter than the reference implementation: no name twice, no unknown field, no white space before the
 * header, at most 262,144 tensors per file. Links are followed, so the snapshots of a download cache work.
 */
public final class Checkpoint implements AutoCloseable {
    private final Path path;
    private final CheckpointLocation location;
    private final OptionalLong indexedSize;
    private final SequencedMap<Path, ShardFile> shards;
    private final SequencedMap<String, TensorEntry> tensors;
    private final Map<String, String> metadata;
    private final Arena arena = Arena.ofShared();
    private volatile boolean closed;

    private Checkpoint(Path path, CheckpointLocation location, OptionalLong indexedSize, List<ShardFile> files) {
        this.path = path;
        this.location = location;
        this.indexedSize = indexedSize;
        this.shards = new LinkedHashMap<>();
        TreeMap<String, TensorEntry> byName = new TreeMap<>();
        Map<String, String> merged = new LinkedHashMap<>();
        for (ShardFile file : files) {
            shards.put(file.path(), file);
            file.header().tensors().forEach(tensor -> byName.put(tensor.name(), tensor));
            file.header().metadata().forEach(merged::putIfAbsent);
        }
        this.tensors = Collections.unmodifiableSequencedMap(byName);
        this.metadata = Collections.unmodifiableMap(merged);
    }

    /**
     * {@return the checkpoint at a path}
     *
     * <p>A folder stands for its {@code model.safetensors.index.json}, its {@code model.safetensors}, or else its only
     * index or its only {@code .safetensors} file. Where it holds both a {@code model.safetensors} and an index that
     * does not name it, the two may differ, and the caller has to name one.
     *
     * @param fileOrFolder a {@code .safetensors} file, a {@code .safetensors.index.json}, or a folder
     * @throws CheckpointException if there is no such checkpoint or it breaks a rule of the format
     * @throws IOException if the system cannot read it
     */
    public static Checkpoint open(Path fileOrFolder) throws IOException {
        CheckpointLocation location = CheckpointLocation.find(fileOrFolder);
        List<ShardFile> opened = new ArrayList<>();
        try {
            if (!location.isIndex()) {
                opened.add(ShardFile.open(location.main()));
                return new Checkpoint(fileOrFolder, location, OptionalLong.empty(), opened);
            }
            ShardIndex index = ShardIndex.read(location.main());
            for (Path file : index.files()) {
                opened.add(ShardFile.open(file));
            }
            index.check(opened);
            return new Checkpoint(fileOrFolder, location, index.totalSize(), opened);
        } catch (IOException | RuntimeException e) {
            closeAll(opened, e);
            throw e;
        }
    }

    /** {@return the path that was opened} */
    public Path path() {
        return path;
    }

    /** {@return the safetensors files, in the order of their names} */
    public List<Path> files() {
        return List.copyOf(shards.sequencedKeySet());
    }

    /**
     * {@return the folder that also holds the configuration and the tokenizer} The folder that was opened; for a file,
     * the folder it lies in if that holds a {@code config.json}.
     */
    public Optional<Path> folder() {
        return location.folder();
    }

    /** {@return the index, if the checkpoint has one} */
    public Optional<Path> index() {
        return location.isIndex() ? Optional.of(location.main()) : Optional.empty();
    }

    /** {@return the total size in bytes that the index claims} It is for information: some writers get it wrong. */
    public OptionalLong indexedTotalSize() {
        return indexedSize;
    }

    /** {@return all tensors, in the order of their names as {@link String#compareTo} has it} */
    public SequencedMap<String, TensorEntry> tensors() {
        return tensors;
    }

    /**
     * {@return where a tensor lies}
     *
     * @param name the name of the tensor
     * @throws IllegalArgumentException if there is no such tensor
     */
    public TensorEntry tensor(String name) {
        TensorEntry entry = tensors.get(name);
        if (entry == null) {
            throw new IllegalArgumentException(path + " holds no tensor " + Names.quote(name));
        }
        return entry;
    }

    /**
     * {@return the metadata of all files} Where shards disagree on a key, the first in name order counts here;
     * {@link #metadata(Path)} has what each says.
     */
    public Map<String, String> metadata() {
        return metadata;
    }

    /**
     * {@return the metadata of one file}
     *
     * @param file one of {@link #files}
     */
    public Map<String, String> metadata(Path file) {
        return Collections.unmodifiableMap(shard(file).header().metadata());
    }

    /**
     * {@return the SHA-256 of all bytes of a file that precede its data, in lower-case hexadecimal}
     *
     * @param file one of {@link #files}
     */
    public String headerSha256(Path file) {
        return shard(file).header().sha256();
    }

    /**
     * {@return the size of a file in bytes, as it was opened}
     *
     * @param file one of {@link #files}
     */
    public long fileSize(Path file) {
        return shard(file).size();
    }

    /**
     * {@return a tensor as read-only memory, mapped and never copied to the heap} It lives until {@link #close}. The
     * file must not get shorter meanwhile: touching a page that is gone fails with an {@link InternalError}.
     *
     * @param name the name of the tensor
     * @throws IllegalArgumentException if there is no such tensor
     * @throws UncheckedIOException if the file cannot be mapped
     */
    public Tensor map(String name) {
        TensorEntry entry = tensor(name);
        checkOpen();
        try {
            MemorySegment file = shard(entry.file()).map(arena);
            return Tensor.of(file.asSlice(entry.offset(), entry.byteSize()), entry.dtype(), entry.shape());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Fills off-heap memory with a part of a tensor.
     *
     * @param entry one of {@link #tensors}
     * @param fromByte the first byte, counted from the start of the tensor
     * @param destination is filled from its start to its end
     * @throws CheckpointException if the file got shorter since it was opened
     * @throws IOException if the system cannot read it
     * @throws IndexOutOfBoundsException if the part is not inside the tensor
     * @throws IllegalArgumentException if the entry is of another checkpoint, or the memory lies on the heap
     */
    public void read(TensorEntry entry, long fromByte, MemorySegment destination) throws IOException {
        if (!entry.equals(tensors.get(entry.name()))) {
            throw new IllegalArgumentException(
                    "the tensor %s in %s is not one of %s".formatted(Names.quote(entry.name()), entry.file(), path));
        }
        Transfer.check(destination, fromByte, entry.byteSize());
        checkOpen();
        shard(entry.file()).read(entry.offset() + fromByte, destination);
    }

    private ShardFile shard(Path file) {
        ShardFile shard = shards.get(file);
        if (shard == null) {
            throw new IllegalArgumentException(file + " is not a file of the checkpoint " + path);
        }
        return shard;
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("the checkpoint " + path + " is closed");
        }
    }

    /**
     * Closes the files and unmaps the memory; a second call does nothing.
     *
     * @throws IllegalStateException if a thread is using mapped memory in a system call at this moment
     */
    @Override
    public synchronized void close() {
        if (!closed) {
            arena.close();
            closed = true;
            closeAll(shards.sequencedValues(), null);
        }
    }

    private static void closeAll(Iterable<ShardFile> files, Exception failure) {
        for (ShardFile file : files) {
            try {
                file.close();
            } catch (IOException e) {
                // Nothing was written, so nothing can be lost; an opening that failed has more to say.
                if (failure != null) {
                    failure.addSuppressed(e);
                }
            }
        }
    }
}
