package dev.fusor.checkpoint;

import java.io.Closeable;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** One open safetensors file whose header has been checked. */
final class ShardFile implements Closeable {
    private final Path path;
    private final FileChannel channel;
    private final long size;
    private final SafetensorsHeader header;
    private MemorySegment mapped;

    private ShardFile(Path path, FileChannel channel) throws IOException {
        this.path = path;
        this.channel = channel;
        this.size = channel.size();
        this.header = SafetensorsHeader.read(path, channel);
    }

    static ShardFile open(Path path) throws IOException {
        if (!Files.isRegularFile(path)) {
            throw CheckpointException.at(path, Files.exists(path)
                    ? "this is not a regular file; name a .safetensors file or the folder of one"
                    : "there is no such file; check the path");
        }
        FileChannel channel = openChannel(path);
        try {
            return new ShardFile(path, channel);
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    static FileChannel openChannel(Path path) throws CheckpointException {
        try {
            return FileChannel.open(path, StandardOpenOption.READ);
        } catch (IOException e) {
            throw CheckpointException.at(path, e, "the file cannot be opened (%s); check its permissions", e);
        }
    }

    Path path() {
        return path;
    }

    long size() {
        return size;
    }

    SafetensorsHeader header() {
        return header;
    }

    /**
     * {@return the whole file as memory, mapped by the first call}
     *
     * <p>The mapping is handed out as a plain native segment of the same arena. A second class of segments in one process
     * makes every access of the Vector API a virtual call, and its vectors objects: merging was four times slower.
     */
    @SuppressWarnings("restricted")
    synchronized MemorySegment map(Arena arena) throws IOException {
        if (mapped == null) {
            if (channel.size() < size) {
                throw shrunk();
            }
            MemorySegment mapping = channel.map(MapMode.READ_ONLY, 0, size, arena);
            mapped = MemorySegment.ofAddress(mapping.address()).reinterpret(size, arena, null).asReadOnly();
        }
        return mapped;
    }

    void read(long position, MemorySegment destination) throws IOException {
        for (long done = 0; done < destination.byteSize();) {
            long length = Math.min(Transfer.MAX_BYTES, destination.byteSize() - done);
            ByteBuffer buffer = destination.asSlice(done, length).asByteBuffer();
            int got = channel.read(buffer, position + done);
            if (got < 0) {
                throw shrunk();
            }
            done += got;
        }
    }

    private CheckpointException shrunk() throws IOException {
        return CheckpointException.at(path,
                "the file got shorter while in use: %d bytes when opened, %d now; let whatever writes it finish first",
                size, channel.size());
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
