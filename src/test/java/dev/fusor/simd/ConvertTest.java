package dev.fusor.simd;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

class ConvertTest {
    private static final List<DType> TYPES = List.of(DType.F32, DType.BF16, DType.F16, DType.F8_E4M3, DType.F8_E5M2);
    private static final double[] EDGES = {0.0, -0.0, 1, -1, 448, 464, 465, 57344, 61440, 65504, 65520, 1e38, 1e-45,
        6e-8, 3e-8, 0x1p-9, 0x1p-10, 0x1p-126, 0x1p-133, 0x1p-134, Float.MAX_VALUE, Double.NaN,
        Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY};

    /** Every code of the narrow types; of F32 a million bit patterns, and what lies around the midpoints of the others. */
    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16", "F16", "F8_E4M3", "F8_E5M2"})
    void vectorsConvertToTheBitsOfPlainLoops(DType from) {
        assumeTrue(Specialised.available() && Lanes.supports(from), "no vectors of " + from + " here");
        Tensor source = from == DType.F32 ? floats() : everyCode(from);
        int count = (int) source.elements();
        float[] values = new float[count];
        Elements.load(source, 0, values, count);
        for (DType to : TYPES) {
            if (!Lanes.supports(to)) {
                continue;
            }
            Tensor target = Tensors.misaligned(to, count);
            Convert.between(from, to).run(source.data(), 0, target.data(), 0, count);
            Tensor wanted = Tensors.zeros(to, count);
            Elements.store(values, wanted, 0, count);
            assertThat(target.data().mismatch(wanted.data()))
                    .as("first byte that differs, %s to %s, seed %d", from, to, Tensors.SEED).isEqualTo(-1);
        }
    }

    private static Tensor everyCode(DType type) {
        Tensor codes = Tensors.misaligned(type, 1 << type.bits());
        for (int code = 0; code < 1 << type.bits(); code++) {
            if (type.bits() == 8) {
                codes.data().set(ValueLayout.JAVA_BYTE, code, (byte) code);
            } else {
                codes.data().set(ValueLayout.JAVA_SHORT_UNALIGNED, 2L * code, (short) code);
            }
        }
        return codes;
    }

    private static Tensor floats() {
        Tensor random = Tensors.anyBits(DType.F32, 1 << 20, 9);
        Tensor floats = Tensors.misaligned(DType.F32, 2 << 20);
        floats.slice(0, 1 << 20).data().copyFrom(random.data());
        int at = 1 << 20;
        for (double edge : EDGES) {
            Elements.set(floats, at++, edge);
        }
        for (DType type : List.of(DType.BF16, DType.F16, DType.F8_E4M3, DType.F8_E5M2)) {
            Tensor codes = everyCode(type);
            for (int code = 0; code + 1 < codes.elements(); code++) {
                float middle = (float) ((Elements.get(codes, code) + Elements.get(codes, code + 1)) / 2);
                Elements.set(floats, at++, middle);
                Elements.set(floats, at++, Math.nextUp(middle));
                Elements.set(floats, at++, Math.nextDown(middle));
            }
        }
        return floats;
    }

    /** Neither before nor behind the range that it was given. */
    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16", "F16", "F8_E4M3", "F8_E5M2"})
    void aRangeIsConvertedAndNoByteBesideIt(DType to) {
        assumeTrue(Specialised.available() && Lanes.supports(to), "no vectors of " + to + " here");
        int count = 3 * Lanes.LENGTH;
        long bytes = to.byteSize(count);
        Tensor source = Tensors.random(DType.F32, count + 5, 1, null, 1);
        for (int start = 0; start < 9; start++) {
            Tensor target = Tensors.zeros(DType.U8, bytes + 16);
            target.data().fill((byte) 0x55);
            Tensor wanted = Tensors.zeros(DType.U8, bytes + 16);
            wanted.data().fill((byte) 0x55);
            Convert.between(DType.F32, to).run(source.data(), 4 * 5, target.data(), start, count);
            float[] values = new float[count];
            Elements.load(source, 5, values, count);
            Elements.store(values, Tensor.of(wanted.data().asSlice(start, bytes), to, Shape.of(count)),
                    0, count);
            assertThat(Tensors.bytes(target)).as("%s at byte %d, seed %d", to, start, Tensors.SEED)
                    .isEqualTo(Tensors.bytes(wanted));
        }
    }
}
