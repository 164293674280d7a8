package dev.fusor.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** A range of a file as a stream with the SHA-256 of what was read. Closing it leaves the file open. */
final class BoundedChannel implements ReadableByteChannel {
    private final Path file;
    private final FileChannel channel;
    private final MessageDigest digest = sha256();
    private final long end;
    private long position;

    BoundedChannel(Path file, FileChannel channel, long from, long byteSize) {
        this.file = file;
        this.channel = channel;
        this.position = from;
        this.end = from + byteSize;
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    MessageDigest digest() {
        return digest;
    }

    @Override
    public int read(ByteBuffer destination) throws IOException {
        if (position == end) {
            return -1;
        }
        int start = destination.position();
        int wanted = (int) Math.min(destination.remaining(), end - position);
        int got = channel.read(destination.slice(start, wanted), position);
        if (got < 0) {
            throw CheckpointException.at(file, "the file got shorter than %d bytes while it was read; "
                    + "let whatever writes it finish first", end);
        }
        digest.update(destination.slice(start, got));
        destination.position(start + got);
        position += got;
        return got;
    }

    @Override
    public boolean isOpen() {
        return channel.isOpen();
    }

    @Override
    public void close() {}
}
