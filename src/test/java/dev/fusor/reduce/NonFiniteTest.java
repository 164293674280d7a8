package dev.fusor.reduce;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;

class NonFiniteTest {
    @ParameterizedTest
    @EnumSource(names = {"BF16", "F32", "F16", "F8_E5M2", "F8_E4M3", "F64"})
    void countsEveryNaNAndEveryInfinityOnce(DType type) {
        for (int length : new int[]{0, 1, 15, 16, 17, 1000, 70_001}) {
            Tensor tensor = Tensors.anyBits(type, length, 3);
            long nan = 0;
            long infinite = 0;
            for (double value : Tensors.values(tensor)) {
                nan += Double.isNaN(value) ? 1 : 0;
                infinite += Double.isInfinite(value) ? 1 : 0;
            }
            assertThat(NonFinite.count(tensor)).as("%s, %d elements, seed %d", type, length, Tensors.SEED)
                    .isEqualTo(new NonFinite(nan, infinite));
        }
    }
}
