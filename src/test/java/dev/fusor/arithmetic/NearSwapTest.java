package dev.fusor.arithmetic;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class NearSwapTest {
    private static final CpuDevice DEVICE = CpuDevice.open(2);

    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16", "F16", "F8_E4M3", "F8_E5M2", "F64"})
    void agreesWithItsDefinition(DType type) {
        for (int length : new int[]{0, 1, 15, 16, 17, 1023, 1024, 1025, 65_537}) {
            for (double t : new double[]{-1, 0, 1e-7, 0.01, 5}) {
                Tensor base = Tensors.anyBits(type, length, 1);
                Tensor x = Tensors.anyBits(type, length, 2);
                Tensor out = Tensors.misaligned(type, length);
                NearSwap.on(DEVICE).swap(base, x, t, out);
                Tensor wanted = Tensors.zeros(type, length);
                for (int i = 0; i < length; i++) {
                    float b = (float) Elements.get(base, i);
                    float d = (float) Elements.get(x, i) - b;
                    float w = Math.min(Math.max((float) t / Math.max(Math.abs(d), 1e-6f), 0f), 1f);
                    Elements.set(wanted, i, Math.fma(w, d, b));
                }
                assertThat(Tensors.bytes(out)).as("%s, %d elements, t %s, seed %d", type, length, t, Tensors.SEED)
                        .isEqualTo(Tensors.bytes(wanted));
            }
        }
    }

    @Test
    void whatDoesNotFitIsNamed() {
        Tensor three = Tensors.zeros(DType.F32, 3);
        assertThatThrownBy(() -> NearSwap.on(DEVICE).swap(three, Tensors.zeros(DType.F32, 4), 1, three))
                .hasMessageContaining("got F32 [4] for an output F32 [3]");
    }
}
