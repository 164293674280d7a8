package dev.fusor.tensor;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class TensorTest {
    @Test
    void aScalarHasOneElementAndAnEmptyAxisNone() {
        assertThat(Shape.of().elements()).isEqualTo(1);
        assertThat(Shape.of(3, 0, Long.MAX_VALUE).elements()).isZero();
        assertThat(Shape.of(4, 5)).hasToString("[4, 5]").isEqualTo(Shape.of(4, 5)).isNotEqualTo(Shape.of(5, 4));
    }

    @Test
    void shapesThatCannotBeAreRefused() {
        assertThatThrownBy(() -> Shape.of(2, -1)).hasMessage("an extent of a shape is 0 or more, got [2, -1]");
        assertThatThrownBy(() -> Shape.of(1L << 32, 1L << 31)).hasMessageContaining("more than 2^63 - 1 elements");
        assertThat(Shape.of(1L << 31, 1L << 31).elements()).isEqualTo(1L << 62);
    }

    @ParameterizedTest
    @CsvSource({"F64, 10, 80", "BF16, 3, 6", "BOOL, 7, 7", "F4, 4, 2", "F6_E2M3, 4, 3", "C64, 2, 16", "F32, 0, 0"})
    void elementsTakeTheBytesOfTheirType(DType type, long elements, long bytes) {
        assertThat(type.byteSize(elements)).isEqualTo(bytes);
    }

    @Test
    void sizesThatCannotBeAreRefused() {
        assertThatThrownBy(() -> DType.F4.byteSize(3)).hasMessageContaining("do not fill whole bytes");
        assertThatThrownBy(() -> DType.F64.byteSize(1L << 60)).hasMessageContaining("exceed 2^63 bytes");
        assertThatThrownBy(() -> DType.F64.byteSize(-1)).hasMessageContaining("0 or more, got -1");
    }

    @Test
    void typesAreKnownByTheNamesOfSafetensorsAndOfPyTorch() {
        assertThat(DType.parse("bfloat16")).isEqualTo(DType.BF16);
        assertThat(DType.parse("torch.float16")).isEqualTo(DType.F16);
        assertThat(DType.parse("f8_e4m3")).isEqualTo(DType.F8_E4M3);
        assertThatThrownBy(() -> DType.parse("bf17")).hasMessageStartingWith("unknown dtype 'bf17': wanted one of");
    }

    @Test
    void aTensorTakesExactlyItsBytes() {
        try (Arena arena = Arena.ofConfined()) {
            assertThatThrownBy(() -> Tensor.of(arena.allocate(7), DType.BF16, Shape.of(4)))
                    .hasMessage("a tensor BF16 [4] takes 8 bytes, got a segment of 7");
        }
    }

    @Test
    void aSliceSeesTheSameMemory() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor tensor = Tensor.allocate(arena, DType.F32, 2, 5);
            Elements.set(tensor.slice(3, 4), 1, 7);
            assertThat(Elements.get(tensor, 4)).isEqualTo(7);
            assertThat(tensor.slice(10, 0).elements()).isZero();
            assertThatThrownBy(() -> tensor.slice(8, 3)).isInstanceOf(IndexOutOfBoundsException.class);
            Tensor packed = Tensor.allocate(arena, DType.F4, 8);
            assertThatThrownBy(() -> packed.slice(1, 2)).hasMessageContaining("do not fill whole bytes");
        }
    }

    @Test
    void memoryEndsWithItsArena() {
        Arena arena = Arena.ofConfined();
        Tensor tensor = Tensor.allocate(arena, DType.F32, 2);
        arena.close();
        assertThatThrownBy(() -> Elements.get(tensor, 0)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void indicesBeyondTwoToTheThirtyOneReachTheirElement(@TempDir Path folder) throws IOException {
        long length = (1L << 31) + 10;
        try (RandomAccessFile file = new RandomAccessFile(folder.resolve("sparse").toFile(), "rw");
                Arena arena = Arena.ofConfined()) {
            file.setLength(2 * length);
            Tensor tensor = Tensor.of(file.getChannel().map(MapMode.READ_WRITE, 0, 2 * length, arena), DType.BF16,
                    Shape.of(length));
            Elements.set(tensor, length - 1, 1.5);
            assertThat(Elements.get(tensor.slice(length - 3, 3), 2)).isEqualTo(1.5);
            file.seek(2 * length - 2);
            assertThat(file.readUnsignedShort()).isEqualTo(0xC03F);
        }
    }
}
