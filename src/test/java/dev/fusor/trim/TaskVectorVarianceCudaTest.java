package dev.fusor.trim;

import dev.fusor.simulator.RequiresCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.CudaTensors;
import dev.fusor.testing.Tensors;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/** The kernels against the definition of the variance, bit for bit. */
@RequiresCuda
class TaskVectorVarianceCudaTest extends CudaTensors {
    private void check(DType type, int models, int length, boolean anyBits, int... shifts) {
        Tensor base = anyBits ? Tensors.anyBits(type, length, 1) : Tensors.random(type, length, 1, null, 0.5);
        Tensor baseThere = there(base, shifts[0]);
        List<Tensor> xs = new ArrayList<>();
        List<Tensor> xsThere = new ArrayList<>();
        for (int m = 0; m < models; m++) {
            xs.add(anyBits ? Tensors.anyBits(type, length, 2 + m) : Tensors.random(type, length, 2 + m, base, 0.1));
            xsThere.add(there(xs.get(m), shifts[m % shifts.length]));
        }
        String what = "%d of %s, %d elements, any bits %s, seed %d".formatted(models, type, length, anyBits,
                Tensors.SEED);
        Tensor variances = Tensors.zeros(DType.F32, length);
        for (int i = 0; i < length; i++) {
            Elements.set(variances, i, TaskVectorVarianceTest.define(base, xs, i));
        }
        Tensor out = there(DType.F32, length, shifts[shifts.length - 1]);
        TaskVectorVarianceCuda computation = TaskVectorVarianceCuda.on(stream);
        computation.variances(baseThere, xsThere, out);
        assertThat(Tensors.bytes(back(out))).as("variances of %s", what).isEqualTo(Tensors.bytes(variances));
        if (length == 0) {
            return;
        }
        // The key of some element, which ties as far as half of the tensor.
        int key = MagnitudeCut.keyOf((float) Elements.get(variances, length / 3));
        for (MagnitudeCut cut : List.of(new MagnitudeCut(key, length / 2), MagnitudeCut.ALL, MagnitudeCut.NONE)) {
            int model = models - 1;
            Tensor selected = Tensors.zeros(DType.F32, length);
            Tensor factors = Tensors.zeros(DType.F32, length);
            for (int i = 0; i < length; i++) {
                float delta = (float) Elements.get(xs.get(model), i) - (float) Elements.get(base, i);
                int own = MagnitudeCut.keyOf((float) Elements.get(variances, i));
                boolean kept = own > cut.key() || own == cut.key() && i <= cut.lastTie();
                Elements.set(selected, i, kept ? delta : 0);
                Elements.set(factors, i, kept ? 1 : Double.NaN);
            }
            computation.selected(baseThere, xsThere, model, cut, out);
            assertThat(Tensors.bytes(back(out))).as("%s of %s", cut, what).isEqualTo(Tensors.bytes(selected));
            // The tensors as a range that begins with a later element.
            computation.factors(baseThere, xsThere,
                    cut.equals(MagnitudeCut.ALL) ? cut : new MagnitudeCut(cut.key(), 70 + cut.lastTie()), 70, out);
            assertThat(Tensors.bytes(back(out))).as("factors by %s of %s", cut, what)
                    .isEqualTo(Tensors.bytes(factors));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
    void agreesWithTheDefinitionForEveryTypeAndNumberOfModels(DType type) {
        for (int models : new int[]{1, 2, 3, 4, 5, 8, 9, 17}) {
            check(type, models, 300, false, 0);
            check(type, models, 300, true, 0);
        }
        check(type, 3, 3000, false, 4);
        check(type, 3, 3000, false, 0, 1, 2);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 7, 8, 9, 255, 256, 257, 32_767, 32_769})
    void agreesWithTheDefinitionAtAwkwardLengths(int length) {
        check(DType.BF16, 3, length, false, 0);
    }

    @Test
    void whatDoesNotFitIsNamed() {
        Tensor three = there(DType.F32, 3, 0);
        TaskVectorVarianceCuda computation = TaskVectorVarianceCuda.on(stream);
        assertThatIllegalArgumentException().isThrownBy(() -> computation.variances(three, List.of(), three))
                .withMessage("wanted the variance of 1 models or more, got 0");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> computation.selected(three, List.of(three), 1, MagnitudeCut.ALL, three))
                .withMessage("wanted the variance of 2 models or more, got 1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> computation.selected(three, List.of(three), -1, MagnitudeCut.ALL, three))
                .withMessage("the places of models count from 0, got -1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> computation.variances(three, List.of(three), there(DType.BF16, 3, 0)))
                .withMessageStartingWith("a variance on a device takes inputs of one type");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> computation.variances(three, List.of(there(DType.F32, 4, 0)), three))
                .withMessageEndingWith("got F32 [4] where F32 of 3 elements was wanted");
    }
}
