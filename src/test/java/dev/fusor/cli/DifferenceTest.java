package dev.fusor.cli;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

class DifferenceTest {
    private static Difference between(Tensor a, Tensor b, int threads) {
        try (CpuDevice device = CpuDevice.open(threads)) {
            return Difference.between(a, b, device);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 16383, 16384, 16385, 100_003})
    void theNumberOfThreadsChangesNothing(long length) {
        Tensor a = Tensors.random(DType.BF16, length, 1, null, 0.02);
        Tensor b = Tensors.random(DType.BF16, length, 2, a, 0.002);

        assertThat(between(a, b, 4)).isEqualTo(between(a, b, 1));
    }

    @ParameterizedTest
    @EnumSource(value = DType.class, names = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
    void everyTypeEqualsItsDefinition(DType type) {
        Tensor a = Tensors.anyBits(type, 20_000, 3);
        Tensor b = Tensors.anyBits(type, 20_000, 4);
        double[] left = Tensors.values(a);
        double[] right = Tensors.values(b);
        long finite = 0;
        double greatest = 0;
        for (int i = 0; i < left.length; i++) {
            if (Double.isFinite(left[i] - right[i])) {
                finite++;
                greatest = Math.max(greatest, Math.abs(left[i] - right[i]));
            }
        }
        Difference difference = between(a, b, 2);

        assertThat(difference.finite()).isEqualTo(finite);
        assertThat(difference.maxAbs()).isEqualTo(greatest);
        assertThat(difference.changed()).isBetween(19_000L, 20_000L);
    }

    @ParameterizedTest
    @ValueSource(doubles = {1, -1, 3})
    void multiplesPointTheSameWay(double multiple) {
        Tensor a = Tensors.random(DType.F64, 40_000, 5, null, 1);
        double[] values = Tensors.values(a);
        for (int i = 0; i < values.length; i++) {
            values[i] *= multiple;
        }

        assertThat(between(a, Tensors.of(DType.F64, values), 2).cosine()).isCloseTo(Math.signum(multiple),
                within(1e-12));
    }
}
