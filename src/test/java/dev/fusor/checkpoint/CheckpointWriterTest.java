package dev.fusor.checkpoint;

import dev.fusor.checkpoint.CheckpointWriter.Spec;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

class CheckpointWriterTest {
    private static final long NO_LIMIT = Long.MAX_VALUE;
    private final Arena arena = Arena.ofAuto();

    @TempDir
    Path folder;

    private Path output() {
        return folder.resolve("out");
    }

    private static Spec spec(String name, DType dtype, long... extents) {
        return new Spec(name, dtype, Shape.of(extents));
    }

    private MemorySegment random(String name, long byteSize) {
        byte[] bytes = new byte[(int) byteSize];
        new Random(name.hashCode()).nextBytes(bytes);
        MemorySegment segment = arena.allocate(byteSize);
        return segment.copyFrom(MemorySegment.ofArray(bytes));
    }

    private void writeAll(List<Spec> specs, long shardBytes) throws IOException {
        try (CheckpointWriter writer = CheckpointWriter.create(output(), specs, shardBytes, Map.of("k", "ü"), false)) {
            for (Spec spec : specs) {
                writer.write(spec.name(), 0, random(spec.name(), spec.byteSize()));
            }
            writer.commit();
        }
    }

    private Checkpoint checked(List<Spec> specs) throws IOException {
        Checkpoint checkpoint = Checkpoint.open(output());
        assertThat(checkpoint.tensors()).hasSize(specs.size());
        for (Spec spec : specs) {
            assertThat(checkpoint.map(spec.name())).hasToString(spec.dtype() + " " + spec.shape());
            assertThat(checkpoint.map(spec.name()).data().mismatch(random(spec.name(), spec.byteSize())))
                    .as(spec.name()).isEqualTo(-1);
            assertThat(checkpoint.tensor(spec.name()).aligned()).as(spec.name()).isTrue();
        }
        return checkpoint;
    }

    private static List<Spec> everyType() {
        List<Spec> specs = new ArrayList<>();
        for (DType dtype : DType.values()) {
            specs.add(spec(dtype + ".matrix", dtype, 4, 3));
            specs.add(spec(dtype + ".empty", dtype, 0, 3));
            if (dtype.bits() >= 8) {
                specs.add(spec(dtype + ".scalar", dtype));
            }
        }
        return specs;
    }

    @Test
    void everyTypeComesBackAsItWasWritten() throws IOException {
        writeAll(everyType(), NO_LIMIT);
        try (Checkpoint checkpoint = checked(everyType())) {
            assertThat(checkpoint.files()).extracting(Path::getFileName).map(Path::toString)
                    .containsExactly("model.safetensors");
            assertThat(checkpoint.metadata()).isEqualTo(Map.of("format", "pt", "k", "ü"));
            assertThat(checkpoint.tensor("C64.matrix").offset() % HeaderWriter.ALIGNMENT).isZero();
        }
        assertThat(folder).isDirectoryContaining(path -> path.equals(output()))
                .isDirectoryNotContaining("glob:**.fusor*");
    }

    @Test
    void shardsComeBackAsTheyWereWritten() throws IOException {
        List<Spec> specs = everyType();
        writeAll(specs, 100);
        try (Checkpoint checkpoint = checked(specs)) {
            long total = specs.stream().mapToLong(Spec::byteSize).sum();
            assertThat(checkpoint.indexedTotalSize()).hasValue(total);
            assertThat(checkpoint.files().size()).isGreaterThan(5);
            for (Path file : checkpoint.files()) {
                assertThat(checkpoint.metadata(file)).containsEntry("format", "pt");
            }
        }
    }

    @Test
    void closesAShardBeforeTheTensorThatWouldPassTheLimit() throws IOException {
        List<Spec> specs = List.of(spec("l.10", DType.U8, 5), spec("l.2", DType.U8, 6), spec("l.1", DType.U8, 4),
                spec("l.3", DType.U8, 99), spec("l.4", DType.U8, 1));
        writeAll(specs, 10);
        try (Checkpoint checkpoint = checked(specs)) {
            assertThat(checkpoint.tensors().values())
                    .extracting(entry -> entry.name() + " " + entry.file().getFileName())
                    .containsExactly("l.1 model-00001-of-00003.safetensors", "l.10 model-00003-of-00003.safetensors",
                            "l.2 model-00001-of-00003.safetensors", "l.3 model-00002-of-00003.safetensors",
                            "l.4 model-00003-of-00003.safetensors");
        }
    }

    @Test
    void writesTheSameBytesWhateverTheOrderOfTheList() throws IOException {
        List<Spec> specs = List.of(spec("b", DType.U8, 2), spec("a", DType.F32, 1), spec("c", DType.F32, 0));
        writeAll(specs, NO_LIMIT);
        byte[] first = Files.readAllBytes(output().resolve("model.safetensors"));
        assertThat(new String(first, 8, 300)).startsWith("{\"__metadata__\":{\"format\":\"pt\",\"k\":");
        Files.move(output(), folder.resolve("first"));
        writeAll(specs.reversed(), NO_LIMIT);
        assertThat(Files.readAllBytes(output().resolve("model.safetensors"))).isEqualTo(first);
        assertThat(CheckpointWriter.requiredBytes(specs, NO_LIMIT, Map.of("k", "ü"))).isEqualTo(first.length);
    }

    @Test
    void namesOutsideAsciiSurvive() throws IOException {
        List<Spec> specs = List.of(spec("\"quoted\\\" 😀.ä", DType.U8, 1), spec("2", DType.U8, 1));
        writeAll(specs, 1);
        checked(specs).close();
    }

    @Test
    void aCheckpointWithoutTensorsIsOne() throws IOException {
        writeAll(List.of(), NO_LIMIT);
        checked(List.of()).close();
    }

    @Test
    void takesPartsInAnyOrderFromManyThreads() throws Exception {
        List<Spec> specs = List.of(spec("a", DType.F32, 50_000), spec("b", DType.U8, 99_999), spec("c", DType.F64, 7));
        try (CheckpointWriter writer = CheckpointWriter.create(output(), specs, 210_000, Map.of(), false);
                ExecutorService threads = Executors.newFixedThreadPool(8)) {
            List<Future<?>> writes = new ArrayList<>();
            for (Spec spec : specs) {
                MemorySegment data = Arena.ofShared().allocate(spec.byteSize())
                        .copyFrom(random(spec.name(), spec.byteSize()));
                for (long from = 0; from < data.byteSize(); from += 777) {
                    long start = from;
                    long length = Math.min(777, data.byteSize() - from);
                    writes.add(threads.submit(() -> {
                        writer.write(spec.name(), start, data.asSlice(start, length));
                        return null;
                    }));
                }
            }
            for (Future<?> write : writes) {
                write.get();
            }
            writer.commit();
        }
        checked(specs).close();
    }

    @Test
    void tellsWhereFilesAndTensorsLieNow() throws IOException {
        try (CheckpointWriter writer = CheckpointWriter.create(output(), List.of(spec("a", DType.U8, 1)), NO_LIMIT,
                Map.of(), false)) {
            assertThat(writer.staging().getFileName().toString()).matches("\\.out\\.fusor-[0-9a-f]{16}");
            assertThat(writer.staging()).hasParent(folder.toRealPath());
            assertThat(writer.files()).containsExactly(writer.staging().resolve("model.safetensors"));
            writer.write("a", 0, random("a", 1));
            Files.writeString(writer.staging().resolve("config.json"), "{}");
            writer.commit();
            assertThat(writer.files()).containsExactly(writer.output().resolve("model.safetensors"));
            TensorEntry entry = writer.entry("a");
            try (Checkpoint checkpoint = Checkpoint.open(writer.output())) {
                assertThat(checkpoint.tensor("a")).isEqualTo(entry);
                assertThat(checkpoint.folder()).contains(writer.output());
            }
            assertThat(writer.output().resolve("config.json")).hasContent("{}");
        }
    }

    @Test
    void doesNotCommitATensorThatIsNotWhole() throws IOException {
        List<Spec> specs = List.of(spec("a", DType.F32, 2));
        try (CheckpointWriter writer = CheckpointWriter.create(output(), specs, NO_LIMIT, Map.of(), false)) {
            writer.write("a", 0, arena.allocate(5));
            writer.write("a", 0, arena.allocate(5));
            assertThatIllegalStateException().isThrownBy(writer::commit)
                    .withMessage("tensor 'a' is incomplete: byte 5 of its 8 was never written");
        }
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void refusesPartsOutsideTheTensor() throws IOException {
        List<Spec> specs = List.of(spec("a", DType.F32, 2));
        try (CheckpointWriter writer = CheckpointWriter.create(output(), specs, NO_LIMIT, Map.of(), false)) {
            assertThat(org.assertj.core.api.Assertions.catchThrowable(() -> writer.write("a", 4, arena.allocate(5))))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            assertThatIllegalArgumentException().isThrownBy(() -> writer.write("b", 0, arena.allocate(1)))
                    .withMessageContaining("no tensor 'b' is to be written");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> writer.write("a", 0, MemorySegment.ofArray(new byte[8])))
                    .withMessageContaining("off-heap");
        }
    }

    @Test
    void aWriterEndsWithCommitOrClose() throws IOException {
        List<Spec> specs = List.of(spec("a", DType.U8, 1));
        CheckpointWriter writer = CheckpointWriter.create(output(), specs, NO_LIMIT, Map.of(), false);
        Path staging = writer.staging();
        Files.createDirectories(staging.resolve("deep/er"));
        Files.writeString(staging.resolve("deep/er/file"), "x");
        writer.close();
        writer.close();
        assertThat(staging).doesNotExist();
        assertThatIllegalStateException().isThrownBy(() -> writer.write("a", 0, arena.allocate(1)))
                .withMessageContaining("is closed already");
        assertThatIllegalStateException().isThrownBy(writer::commit);
    }

    @Test
    void refusesWhatTheFormatCannotHold() {
        assertThatIllegalArgumentException().isThrownBy(() -> spec("__metadata__", DType.U8))
                .withMessageContaining("reserved for the metadata");
        assertThatIllegalArgumentException().isThrownBy(() -> spec("a\n", DType.U8))
                .withMessageContaining("'a\\u000a'");
        assertThatIllegalArgumentException().isThrownBy(() -> spec("a", DType.F4, 3))
                .withMessageContaining("'a' has an impossible size");
        assertThatIllegalArgumentException().isThrownBy(() -> spec("a", DType.U8, new long[65]))
                .withMessageContaining("has 65 axes");
        Spec a = spec("a", DType.U8, 1);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> CheckpointWriter.create(output(), List.of(a, a), 1, Map.of(), false))
                .withMessageContaining("'a' is to be written twice");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> CheckpointWriter.create(output(), List.of(a), 0, Map.of(), false))
                .withMessageContaining("1 byte or more, got 0");
        assertThatIllegalArgumentException().isThrownBy(
                () -> CheckpointWriter.create(output(), List.of(a), 1, Map.of("k", "\ud800"), false))
                .withMessageContaining("metadata of 'k'");
        Spec huge = spec("huge", DType.U8, Long.MAX_VALUE);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> CheckpointWriter.requiredBytes(List.of(a, huge), 1, Map.of()))
                .withMessageContaining("exceed 2^63 bytes");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void writesATensorOfMoreThanTwoGibibytes() throws IOException {
        long length = (1L << 31) + 4096;
        List<Spec> specs = List.of(spec("a", DType.U8, length));
        CheckpointWriter writer = CheckpointWriter.create(output(), specs, 1, Map.of(), false);
        try (writer) {
            writer.write("a", length - 3, arena.allocate(3).fill((byte) 7));
            TensorEntry entry = writer.entry("a");
            assertThat(Files.size(entry.file())).isEqualTo(entry.offset() + length);
            assertThatIllegalStateException().isThrownBy(writer::commit)
                    .withMessageContaining("byte 0 of its 2147487744");
            try (Checkpoint checkpoint = Checkpoint.open(writer.staging())) {
                assertThat(checkpoint.map("a").data().get(JAVA_BYTE, length - 1)).isEqualTo((byte) 7);
            }
        }
    }
}
