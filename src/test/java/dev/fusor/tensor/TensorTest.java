package dev.fusor.tensor;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

class TensorTest {
    @Test
    void aTensorTakesExactlyItsBytes() {
        try (Arena arena = Arena.ofConfined()) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> Tensor.of(arena.allocate(7), DType.BF16, Shape.of(4)))
                    .withMessage("a tensor BF16 [4] takes 8 bytes, got a segment of 7");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> Tensor.of(arena.allocate(16), DType.F32, Shape.of()))
                    .withMessage("a tensor F32 [] takes 4 bytes, got a segment of 16");
            assertThatNullPointerException().isThrownBy(() -> Tensor.of(null, DType.F32, Shape.of(1)))
                    .withMessage("data is null");
        }
    }

    @Test
    void aTensorIsAViewOfTheMemoryItWasMadeOf() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(12);
            Tensor tensor = Tensor.of(memory, DType.F16, Shape.of(2, 3));
            assertThat(tensor).hasToString("F16 [2, 3]");
            assertThat(tensor.dtype()).isEqualTo(DType.F16);
            assertThat(tensor.shape()).isEqualTo(Shape.of(2, 3));
            assertThat(tensor.elements()).isEqualTo(6);
            assertThat(tensor.data()).isEqualTo(memory);
        }
    }

    @Test
    void newMemoryHoldsZerosAndIsAligned() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor tensor = Tensor.allocate(arena, DType.BF16, 3, 5);
            assertThat(tensor.data().byteSize()).isEqualTo(30);
            assertThat(tensor.data().address() % 64).isZero();
            assertThat(tensor.data().mismatch(arena.allocate(30))).isEqualTo(-1);
            assertThat(Tensor.allocate(arena, DType.F64, 0, 7).data().byteSize()).isZero();
        }
    }

    @Test
    void aSliceSeesTheSameMemory() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor tensor = Tensor.allocate(arena, DType.F32, 2, 5);
            Tensor slice = tensor.slice(3, 4);
            Elements.set(slice, 1, 7);
            assertThat(Elements.get(tensor, 4)).isEqualTo(7);
            assertThat(slice).hasToString("F32 [4]");
            assertThat(slice.data().address()).isEqualTo(tensor.data().address() + 12);
            assertThat(tensor.slice(10, 0).elements()).isZero();
        }
    }

    @Test
    void aSliceOutsideTheTensorIsRefused() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor tensor = Tensor.allocate(arena, DType.F32, 2, 5);
            long[][] ranges = {{8, 3}, {11, 0}, {-1, 2}, {0, -1}, {1, Long.MAX_VALUE}};
            for (long[] range : ranges) {
                assertThatExceptionOfType(IndexOutOfBoundsException.class)
                        .isThrownBy(() -> tensor.slice(range[0], range[1]));
            }
        }
    }

    @Test
    void aSliceOfAPackedTypeStartsAndEndsAtWholeBytes() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor packed = Tensor.allocate(arena, DType.F4, 8);
            assertThat(packed.slice(2, 4).data().byteSize()).isEqualTo(2);
            assertThatIllegalArgumentException().isThrownBy(() -> packed.slice(1, 2))
                    .withMessage("1 elements of F4 at 4 bits each do not fill whole bytes");
            assertThatIllegalArgumentException().isThrownBy(() -> packed.slice(2, 3))
                    .withMessage("3 elements of F4 at 4 bits each do not fill whole bytes");
        }
    }

    @Test
    void memoryEndsWithItsArena() {
        Arena arena = Arena.ofConfined();
        Tensor tensor = Tensor.allocate(arena, DType.F32, 2);
        arena.close();
        assertThatIllegalStateException().isThrownBy(() -> Elements.get(tensor, 0));
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
            Elements.store(new float[]{-2, 3}, tensor, (1L << 31) - 1, 2);
            assertThat(Elements.get(tensor.slice(length - 3, 3), 2)).isEqualTo(1.5);
            float[] values = new float[3];
            Elements.load(tensor, (1L << 31) - 1, values, 3);
            assertThat(values).containsExactly(-2, 3, 0);
            assertThat(Elements.countNonFinite(tensor, length - 5, 5)).isZero();
            file.seek(2 * length - 2);
            assertThat(file.readUnsignedShort()).isEqualTo(0xC03F);
            file.seek(1L << 32);
            assertThat(file.readUnsignedShort()).isEqualTo(0x4040);
        }
    }
}
