package dev.fusor.checkpoint;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static dev.fusor.checkpoint.RawFile.entry;
import static org.assertj.core.api.Assertions.assertThat;

/**
 * Opens damaged files for {@code -Dfusor.fuzz.seconds} (3) from {@code -Dfusor.fuzz.seed}: each is read or refused in a
 * sentence, fast, with little garbage.
 */
class ReaderFuzzTest {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final long MAX_NANOS = Duration.ofSeconds(2).toNanos();
    private static final long MAX_ALLOCATED = 8 << 20;
    private static final List<byte[]> SEEDS = List.of(
            file("{" + entry("model.layers.0.w", "F32", "[2,3]", 0, 24) + "," + entry("b", "BF16", "[]", 24, 26) + "}",
                    26),
            file("{\"__metadata__\":{\"format\":\"pt\",\"ü\":\"\\u00e9\\n\"}," + entry("a", "F4", "[2,2]", 0, 2) + ","
                    + entry("e", "F8_E4M3", "[0,9]", 2, 2) + "," + entry("c", "I64", "[1]", 2, 10) + "}     ", 10),
            file("{}", 0), file("{" + entry("😀", "U8", "[1,1,1,1]", 0, 1) + "}", 1),
            "{\"metadata\":{\"total_size\":1},\"weight_map\":{\"a\":\"s.safetensors\"}}"
                    .getBytes(StandardCharsets.UTF_8));

    @TempDir
    Path folder;

    private static byte[] file(String header, int dataBytes) {
        return RawFile.bytes(header.getBytes(StandardCharsets.UTF_8), dataBytes);
    }

    @Test
    void everyDamagedFileIsReadOrRefusedInASentence() throws IOException {
        long seed = Long.getLong("fusor.fuzz.seed", System.nanoTime());
        long end = System.nanoTime() + Duration.ofSeconds(Long.getLong("fusor.fuzz.seconds", 3)).toNanos();
        RawFile.write(folder.resolve("s.safetensors"), "{" + entry("a", "U8", "[1]", 0, 1) + "}", 1);
        for (int which = 0; which < SEEDS.size(); which++) {
            assertThat(open(RawFile.write(file(which), SEEDS.get(which)))).as("undamaged file %d", which).isNull();
        }
        assertThat(open(RawFile.write(folder.resolve("x.safetensors"), new byte[1]))).as("classes loaded").isNotEmpty();
        long[] counts = new long[2];
        long slowest = 0;
        for (long round = 0; System.nanoTime() < end; round++) {
            Mutator mutator = new Mutator(new Random(seed + round));
            int which = (int) (round % SEEDS.size());
            byte[] bytes = mutator.mutate(SEEDS.get(which), SEEDS);
            Path file = RawFile.write(file(which), bytes);
            long allocated = THREADS.getCurrentThreadAllocatedBytes();
            long start = THREADS.getCurrentThreadCpuTime();
            String fault = open(file);
            long nanos = THREADS.getCurrentThreadCpuTime() - start;
            slowest = Math.max(slowest, nanos);
            String how = "seed %d round %d file %s".formatted(seed, round, HexFormat.of().formatHex(bytes));
            assertThat(fault).as(how).isNotEqualTo("");
            assertThat(nanos).as(how).isLessThan(MAX_NANOS);
            assertThat(THREADS.getCurrentThreadAllocatedBytes() - allocated).as(how).isLessThan(MAX_ALLOCATED);
            counts[fault == null ? 0 : 1]++;
        }
        System.out.printf("reader fuzz: seed %d, %d files read, %d refused, slowest %.1f ms%n", seed, counts[0],
                counts[1],
                slowest / 1e6);
        assertThat(counts[0]).as("read").isPositive();
        assertThat(counts[1]).as("refused").isPositive();
    }

    private Path file(int which) {
        return folder.resolve(which == SEEDS.size() - 1 ? "x.safetensors.index.json" : "x.safetensors");
    }

    /** {@return null if the file was read, else why it was refused: never an empty sentence} */
    private static String open(Path file) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(file); Arena arena = Arena.ofConfined()) {
            for (TensorEntry tensor : checkpoint.tensors().values()) {
                MemorySegment copy = arena.allocate(tensor.byteSize());
                checkpoint.read(tensor, 0, copy);
                assertThat(copy.mismatch(checkpoint.map(tensor.name()).data())).isEqualTo(-1);
            }
            return null;
        } catch (CheckpointException e) {
            return e.getMessage().chars().anyMatch(Character::isISOControl) ? "" : e.getMessage();
        }
    }
}
