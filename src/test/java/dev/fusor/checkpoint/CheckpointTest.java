package dev.fusor.checkpoint;

import dev.fusor.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static dev.fusor.checkpoint.RawFile.entry;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class CheckpointTest {
    @TempDir
    Path folder;

    private Path twoTensors() {
        return RawFile.write(folder.resolve("model.safetensors"),
                "{\"__metadata__\":{\"format\":\"pt\"}," + entry("a", "U8", "[4]", 0, 4) + ","
                        + entry("b", "F16", "[3]", 4, 10) + "}",
                10);
    }

    private static byte[] bytes(MemorySegment segment) {
        return segment.toArray(JAVA_BYTE);
    }

    @Test
    void mapsTensorsReadOnlyWithoutCopying() throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(twoTensors())) {
            Tensor b = checkpoint.map("b");
            assertThat(b).hasToString("F16 [3]");
            assertThat(bytes(b.data())).containsExactly(4, 5, 6, 7, 8, 9);
            assertThat(b.data().isReadOnly()).isTrue();
            assertThat(b.data().isNative()).isTrue();
            MemorySegment a = checkpoint.map("a").data();
            assertThat(b.data().address() - a.address()).as("one mapping per file").isEqualTo(4);
        }
    }

    @Test
    void mappedMemoryEndsWithTheCheckpoint() throws IOException {
        Checkpoint checkpoint = Checkpoint.open(twoTensors());
        MemorySegment data = checkpoint.map("a").data();
        checkpoint.close();
        checkpoint.close();
        assertThatIllegalStateException().isThrownBy(() -> data.get(JAVA_BYTE, 0));
        assertThatIllegalStateException().isThrownBy(() -> checkpoint.map("a")).withMessageContaining("is closed");
        assertThatIllegalStateException()
                .isThrownBy(() -> checkpoint.read(checkpoint.tensor("a"), 0, Arena.ofAuto().allocate(1)))
                .withMessageContaining("is closed");
    }

    @Test
    void readsAnyPartOfATensor() throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(twoTensors()); Arena arena = Arena.ofConfined()) {
            MemorySegment part = arena.allocate(3);
            checkpoint.read(checkpoint.tensor("b"), 2, part);
            assertThat(bytes(part)).containsExactly(6, 7, 8);
            checkpoint.read(checkpoint.tensor("b"), 6, arena.allocate(0));
            assertThatExceptionOfType(IndexOutOfBoundsException.class)
                    .isThrownBy(() -> checkpoint.read(checkpoint.tensor("b"), 4, part));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> checkpoint.read(checkpoint.tensor("b"), 0, MemorySegment.ofArray(new byte[1])))
                    .withMessageContaining("off-heap");
        }
    }

    @Test
    void refusesEntriesAndFilesOfOthers() throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(twoTensors()); Arena arena = Arena.ofConfined()) {
            TensorEntry a = checkpoint.tensor("a");
            TensorEntry moved = new TensorEntry("a", a.dtype(), a.shape(), a.file(), 0, a.byteSize());
            assertThatIllegalArgumentException().isThrownBy(() -> checkpoint.read(moved, 0, arena.allocate(1)))
                    .withMessageContaining("'a'");
            assertThatIllegalArgumentException().isThrownBy(() -> checkpoint.tensor("c"))
                    .withMessageContaining("holds no tensor 'c'");
            assertThatIllegalArgumentException().isThrownBy(() -> checkpoint.fileSize(Path.of("x")));
        }
    }

    @Test
    void saysWhenTheFileGotShorter() throws IOException {
        Path file = twoTensors();
        try (Checkpoint checkpoint = Checkpoint.open(file); Arena arena = Arena.ofConfined()) {
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                channel.truncate(channel.size() - 1);
            }
            assertThatExceptionOfType(CheckpointException.class)
                    .isThrownBy(() -> checkpoint.read(checkpoint.tensor("b"), 0, arena.allocate(6)))
                    .withMessageContaining("got shorter");
            assertThatThrownBy(() -> checkpoint.map("b")).isInstanceOf(UncheckedIOException.class)
                    .hasMessageContaining("got shorter");
        }
    }

    @Test
    void tellsFilesMetadataSizeAndHash() throws Exception {
        Path file = twoTensors();
        byte[] all = Files.readAllBytes(file);
        byte[] header = Arrays.copyOf(all, all.length - 10);
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            assertThat(checkpoint.path()).isEqualTo(file);
            assertThat(checkpoint.files()).containsExactly(file);
            assertThat(checkpoint.fileSize(file)).isEqualTo(all.length);
            assertThat(checkpoint.metadata()).containsOnlyKeys("format").containsEntry("format", "pt");
            assertThat(checkpoint.metadata(file)).isEqualTo(checkpoint.metadata());
            assertThat(checkpoint.headerSha256(file))
                    .isEqualTo(HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(header)));
        }
    }

    @Test
    void aTruncatedDownloadIsRefusedWhenOpened() throws IOException {
        Path file = twoTensors();
        byte[] all = Files.readAllBytes(file);
        for (int length = 0; length < all.length; length++) {
            RawFile.write(file, Arrays.copyOf(all, length));
            assertThatExceptionOfType(CheckpointException.class).isThrownBy(() -> Checkpoint.open(file));
        }
    }

    @Test
    void readsATensorOfMoreThanTwoGibibytes() throws IOException {
        long length = (1L << 31) + 5;
        Path file = folder.resolve("big.safetensors");
        byte[] start = RawFile.bytes(("{" + entry("a", "U8", "[" + length + "]", 0, length) + "}").getBytes(), 0);
        try (FileChannel channel = FileChannel.open(RawFile.write(file, start), StandardOpenOption.WRITE)) {
            channel.write(java.nio.ByteBuffer.wrap(new byte[]{1, 2, 3}), start.length + length - 3);
        }
        try (Checkpoint checkpoint = Checkpoint.open(file); Arena arena = Arena.ofConfined()) {
            MemorySegment end = arena.allocate(4);
            checkpoint.read(checkpoint.tensor("a"), length - 4, end);
            assertThat(bytes(end)).containsExactly(0, 1, 2, 3);
            assertThat(bytes(checkpoint.map("a").data().asSlice(length - 4))).containsExactly(0, 1, 2, 3);
        } finally {
            Files.delete(file);
        }
    }
}
