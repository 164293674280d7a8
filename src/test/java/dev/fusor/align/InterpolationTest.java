package dev.fusor.align;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class InterpolationTest {
    private static final long SEED = Tensors.SEED;

    @ParameterizedTest
    @CsvSource({"1,1,1", "3,5,2", "33,31,1", "181,182,3", "257,400,2", "300,219,8"})
    void equalsItsDefinitionOnPermutedWeights(int rows, int columns, int threads) {
        PermutationGroup rowGroup = new PermutationGroup("rows", rows);
        PermutationGroup columnGroup = new PermutationGroup("columns", columns);
        PermutationSpec spec = new PermutationSpec(List.of(rowGroup, columnGroup),
                Map.of("w", Shape.of(rows, columns)),
                List.of(new Occurrence("w", 0, 0, rowGroup, 1), new Occurrence("w", 1, 0, columnGroup, 1)));
        Permutations permutations = WeightMatchingTest.shuffled(spec, 1);
        double t = 0.3;
        for (DType type : new DType[]{DType.F32, DType.BF16, DType.F16, DType.F64}) {
            Tensor first = tensor(type, rows, columns, 1);
            Tensor second = tensor(type, rows, columns, 2);
            Tensor permuted = WeightMatchingTest
                    .permuted(spec, new HashMap<>(Map.of("w", second)), permutations).get("w");
            Tensor wanted = Tensor.allocate(Arena.ofAuto(), type, rows, columns);
            for (long i = 0; i < wanted.elements(); i++) {
                double x = Elements.get(first, i);
                double y = Elements.get(permuted, i);
                Elements.set(wanted, i, type == DType.F64
                        ? Math.fma(t, y, (1 - t) * x)
                        : Math.fma((float) t, (float) y, (float) (1 - t) * (float) x));
            }
            Tensor out = Tensor.of(Tensors.misaligned(type, wanted.elements()).data(), type, wanted.shape());
            try (CpuDevice device = CpuDevice.open(threads)) {
                Interpolation.between(device, first, PermutedSource.of(second, spec.in("w"), permutations), t, out);
                Interpolation.between(device, first, PermutedSource.of(second, spec.in("w"), permutations), t, first);
            }
            assertThat(Tensors.bytes(out)).as("%s, seed %d", type, SEED).isEqualTo(Tensors.bytes(wanted));
            assertThat(Tensors.bytes(first)).as("%s in place, seed %d", type, SEED).isEqualTo(Tensors.bytes(wanted));
        }
    }

    @Test
    void noElementsAreLeftAloneAndOtherLengthsRefused() {
        try (CpuDevice device = CpuDevice.open(2)) {
            Tensor none = Tensors.zeros(DType.F32, 0);
            Interpolation.between(device, none, none, 0.5, none);
            Tensor three = Tensors.zeros(DType.F32, 3);
            assertThatThrownBy(() -> Interpolation.between(device, three, Tensors.zeros(DType.F32, 4), 0.5, three))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("tensors are interpolated element by element, got [3], [4] and [3]");
        }
    }

    private static Tensor tensor(DType type, int rows, int columns, long seed) {
        return Tensor.of(Tensors.random(type, (long) rows * columns, seed, null, 1).data(), type,
                Shape.of(rows, columns));
    }
}
