package dev.fusor.checkpoint;

import com.sun.management.ThreadMXBean;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.function.LongFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/** Headers made to cost time or memory: each ends fast, in one sentence, with little garbage. */
class HostileHeaderTest {
    private static final long MEBIBYTE = 1 << 20;
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    @TempDir
    Path folder;

    private void refused(Path file, long mebibytes, String... fragments) {
        long allocated = THREADS.getCurrentThreadAllocatedBytes();
        long start = THREADS.getCurrentThreadCpuTime();
        assertThatExceptionOfType(CheckpointException.class).isThrownBy(() -> Checkpoint.open(file))
                .satisfies(e -> assertThat(e.getMessage()).contains(fragments).hasSizeLessThan(600));
        assertThat(Duration.ofNanos(THREADS.getCurrentThreadCpuTime() - start)).isLessThan(Duration.ofSeconds(5));
        assertThat(THREADS.getCurrentThreadAllocatedBytes() - allocated).isLessThan(mebibytes * MEBIBYTE);
    }

    /**
     * {@return a file with a header as long as may be, of which the first so many bytes are a start and a part repeated}
     * The rest is a hole in the file, which no reader should come to.
     */
    private Path filled(long bytes, String start, LongFunction<String> part) throws IOException {
        Path file = folder.resolve("hostile.safetensors");
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file), 1 << 16)) {
            out.write(
                    ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(SafetensorsHeader.MAX_BYTES).array());
            out.write(start.getBytes(StandardCharsets.US_ASCII));
            long length = start.length();
            for (long i = 0; length < bytes; i++) {
                byte[] next = part.apply(i).getBytes(StandardCharsets.US_ASCII);
                out.write(next, 0, (int) Math.min(next.length, bytes - length));
                length += next.length;
            }
        }
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.allocate(1), 8 + SafetensorsHeader.MAX_BYTES - 1);
        }
        return file;
    }

    @Test
    void aLengthOfTwoToTheSixtiethAllocatesNothing() {
        byte[] bytes = new byte[100];
        bytes[7] = 0x10;
        bytes[8] = '{';
        refused(RawFile.write(folder.resolve("a.safetensors"), bytes), 1,
                "claims a header of 1152921504606846976 bytes");
    }

    @Test
    void nestedArraysEndAtTheFirst() throws IOException {
        refused(filled(24 * MEBIBYTE, "{\"a\":", i -> "[".repeat(1000)), 1,
                "has an array where the entry of 'a' needs an object");
        refused(filled(24 * MEBIBYTE, "{\"a\":{\"shape\":", i -> "[".repeat(1000)), 1, "has an array where shape");
        refused(filled(24 * MEBIBYTE, "{\"__metadata__\":", i -> "{\"a\":".repeat(1000)), 1,
                "has an object where __metadata__");
    }

    @Test
    void aMillionTensorsEndAtTheLimit() throws IOException {
        Path file = filled(24 * MEBIBYTE, "{",
                i -> "\"t%d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},".formatted(i));
        refused(file, 256, "names more than 262144 tensors");
    }

    @Test
    void aShapeOfMillionsOfAxesIsNotKept() throws IOException {
        refused(filled(24 * MEBIBYTE, "{\"a\":{\"shape\":[1", i -> ",1".repeat(100)), 1,
                "more than 64 numbers in shape");
    }

    @Test
    void stringsAndNumbersWithoutEndAreNotKept() throws IOException {
        LongFunction<String> digits = i -> "1".repeat(1000);
        refused(filled(24 * MEBIBYTE, "{\"", digits), 64, "not valid JSON");
        refused(filled(24 * MEBIBYTE, "{\"a\":{\"dtype\":\"", digits), 64, "not valid JSON");
        refused(filled(24 * MEBIBYTE, "{\"a\":{\"shape\":[", digits), 64, "not valid JSON");
    }

    @Test
    void metadataWithoutEndIsNotKept() throws IOException {
        refused(filled(24 * MEBIBYTE, "{\"__metadata__\":{", i -> "\"%d\":\"\",".formatted(i)), 64,
                "more __metadata__ than 65536");
        String value = "v".repeat(1 << 20);
        refused(filled(24 * MEBIBYTE, "{\"__metadata__\":{", i -> "\"%d\":\"%s\",".formatted(i, value)), 256,
                "more __metadata__ than");
    }

    @Test
    void spacesWithoutEndCostOnlyTheirReading() throws IOException {
        String spaces = " ".repeat(1 << 16);
        refused(filled(SafetensorsHeader.MAX_BYTES, "{}", i -> spaces), 4, "not valid JSON");
    }

    @Test
    void namesThatCollideInAHashTableCostNoMore() throws IOException {
        // "Aa" and "BB" hash alike, so every name of this form does.
        LongFunction<String> name = i -> {
            StringBuilder text = new StringBuilder("\"");
            for (int bit = 0; bit < 17; bit++) {
                text.append((i >> bit & 1) == 0 ? "Aa" : "BB");
            }
            return text.append("\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},").toString();
        };
        refused(filled(24 * MEBIBYTE, "{", name), 256, "Duplicate field");
    }
}
