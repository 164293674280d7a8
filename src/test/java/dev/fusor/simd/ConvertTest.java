package dev.fusor.simd;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
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
        6e-8, 3e-8, 0x1p-9, 0x1p-10, 0x1p-126, 0x1p-133, 0x1p-134, Double.NaN, Double.POSITIVE_INFINITY,
        Double.NEGATIVE_INFINITY};

    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16", "F16", "F8_E4M3", "F8_E5M2"})
    void vectorsConvertToTheBitsOfPlainLoops(DType from) {
        assumeTrue(Specialised.available() && Lanes.supports(from), "no vectors of " + from + " here");
        Tensor source = Tensors.anyBits(from, 1 << 17, 9);
        if (from.bits() <= 16) {
            for (int i = 0; i < 1 << from.bits(); i++) { // every code there is
                source.data().set(ValueLayout.JAVA_BYTE, (long) i * from.bits() / 8, (byte) i);
                if (from.bits() == 16) {
                    source.data().set(ValueLayout.JAVA_BYTE, 2L * i + 1, (byte) (i >> 8));
                }
            }
        } else {
            for (int i = 0; i < EDGES.length; i++) {
                Elements.set(source, i, EDGES[i]);
            }
        }
        int count = (int) source.elements();
        float[] values = new float[count];
        Elements.load(source, 0, values, count);
        for (DType to : TYPES) {
            Tensor target = Tensors.misaligned(to, count);
            Convert.between(from, to).run(source.data(), 0, target.data(), 0, count);
            Tensor wanted = Tensors.zeros(to, count);
            Elements.store(values, wanted, 0, count);
            assertThat(target.data().mismatch(wanted.data()))
                    .as("first byte that differs, %s to %s, seed %d", from, to, Tensors.SEED).isEqualTo(-1);
        }
    }
}
