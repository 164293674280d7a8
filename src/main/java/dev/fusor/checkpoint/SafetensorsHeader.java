package dev.fusor.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/**
 * The validated header of one safetensors file: eight bytes of length, that many bytes of JSON, then the data.
 *
 * @param tensors in the order of their data
 * @param sha256 of all bytes before the data, in lower-case hexadecimal
 */
record SafetensorsHeader(List<TensorEntry> tensors, Map<String, String> metadata, String sha256) {
    /** The limit of the reference implementation. */
    static final int MAX_BYTES = 100_000_000;
    /** A bound on what an untrusted header may cost; the largest public models have some 100,000 in all shards. */
    static final int MAX_TENSORS = 262_144;

    /** Reads and checks the header; nothing is allocated in proportion to a number that the file merely claims. */
    static SafetensorsHeader read(Path file, FileChannel channel) throws IOException {
        long size = channel.size();
        byte[] prefix = prefix(channel);
        int length = checkedLength(file, size, prefix);
        long dataStart = Long.BYTES + length;
        HeaderParser parsed;
        BoundedChannel bytes = new BoundedChannel(file, channel, Long.BYTES, length);
        bytes.digest().update(prefix, 0, Long.BYTES);
        try (StrictJson json = new StrictJson(file, "the header", bytes)) {
            parsed = new HeaderParser(file, json, dataStart, size - dataStart);
            parsed.parse();
        }
        List<TensorEntry> tensors = DataLayout.check(file, parsed.tensors(), dataStart, size);
        return new SafetensorsHeader(tensors, parsed.metadata(), HexFormat.of().formatHex(bytes.digest().digest()));
    }

    private static byte[] prefix(FileChannel channel) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(FileKind.PREFIX);
        while (buffer.hasRemaining() && channel.read(buffer, buffer.position()) >= 0) {
            continue;
        }
        return Arrays.copyOf(buffer.array(), buffer.position());
    }

    private static int checkedLength(Path file, long size, byte[] prefix) throws CheckpointException {
        if (size == 0) {
            throw CheckpointException.at(file, "the file is empty; download it again");
        }
        if (prefix.length < Long.BYTES) {
            throw foreign(file, prefix, "has only " + size + " bytes, fewer than the length of a header takes");
        }
        long length = ByteBuffer.wrap(prefix).order(ByteOrder.LITTLE_ENDIAN).getLong();
        if (length < 0 || length > MAX_BYTES) {
            throw foreign(file, prefix, "claims a header of %s bytes, above the limit of %d"
                    .formatted(Long.toUnsignedString(length), MAX_BYTES));
        }
        if (length > size - Long.BYTES) {
            throw foreign(file, prefix,
                    "claims a header of %d bytes, but only %d follow".formatted(length, size - Long.BYTES));
        }
        if (length == 0 || prefix[Long.BYTES] != '{') {
            throw foreign(file, prefix, "has no '{' where its header should start");
        }
        return (int) length;
    }

    private static CheckpointException foreign(Path file, byte[] prefix, String otherwise) {
        FileKind kind = FileKind.of(prefix);
        if (kind == FileKind.UNKNOWN) {
            return CheckpointException.at(file,
                    "the file %s, so it is not safetensors or is damaged; download it again", otherwise);
        }
        return CheckpointException.at(file, "wanted safetensors, but this is %s; %s", kind.description(),
                kind.remedy());
    }
}
