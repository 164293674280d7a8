package dev.fusor.simd;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;

class FloatsTest {
    private static final int[] COUNTS = {0, 1, 15, 16, 17, 31, 32, 33, 64, 1023, 1024};

    @ParameterizedTest
    @EnumSource(names = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
    void whatIsReadHasTheBitsOfPlainLoops(DType type) {
        Tensor source = Tensors.misaligned(type, 1100);
        source.data().copyFrom(Tensors.anyBits(type, 1100, 1).data());
        for (int count : COUNTS) {
            float[] values = new float[Scratch.ELEMENTS];
            float[] wanted = new float[Scratch.ELEMENTS];
            Floats.load(source, 3, values, count);
            Elements.load(source, 3, wanted, count);
            MemorySegment offHeap = Scratch.mine().buffer(1);
            Floats.load(source, 3, offHeap, count);
            for (int i = 0; i < count; i++) {
                assertThat(Float.floatToIntBits(offHeap.getAtIndex(ValueLayout.JAVA_FLOAT, i)))
                        .as("%s element %d of %d off the heap, seed %d", type, i, count, Tensors.SEED)
                        .isEqualTo(Float.floatToIntBits(wanted[i]));
            }
            for (int i = 0; i < values.length; i++) {
                assertThat(Float.floatToIntBits(values[i]))
                        .as("%s element %d of %d, seed %d", type, i, count, Tensors.SEED)
                        .isEqualTo(Float.floatToIntBits(wanted[i]));
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
    void whatIsWrittenHasTheBitsOfPlainLoops(DType type) {
        float[] values = new float[Scratch.ELEMENTS];
        Elements.load(Tensors.anyBits(DType.F32, values.length, 2), 0, values, values.length);
        for (int count : COUNTS) {
            Tensor target = Tensors.misaligned(type, 1100);
            Tensor wanted = Tensors.zeros(type, 1100);
            Floats.store(values, target, 3, count);
            Elements.store(values, wanted, 3, count);
            assertThat(Tensors.bytes(target)).as("%s, %d elements, seed %d", type, count, Tensors.SEED)
                    .isEqualTo(Tensors.bytes(wanted));
        }
    }
}
