package dev.fusor.consensus;

import dev.fusor.consensus.TaskVectorFusion.Fusion;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class TaskVectorFusionTest {
    private static final double NAN = Double.NaN;
    private static final double INFINITE = Double.POSITIVE_INFINITY;

    /** The definitions in the Javadoc, one element at a time. */
    @ParameterizedTest
    @EnumSource(names = {"BF16", "F32", "F16", "F64"})
    void agreesWithItsDefinitionsBitForBit(DType type) {
        for (int length : new int[]{0, 1, 31, 33, 1023, 1024, 1025, 3001}) {
            for (int models : new int[]{1, 2, 3, 9}) {
                for (boolean anyBits : new boolean[]{false, true}) {
                    int last = models - 1;
                    double[] thresholds = new double[models];
                    Arrays.setAll(thresholds, m -> 0.2 + 0.3 * m);
                    int[] all = new int[models];
                    Arrays.setAll(all, m -> m);
                    check(type, length, models, anyBits, TaskVectorFusion.largest(), TaskVectorFusionTest::largest);
                    check(type, length, models, anyBits, TaskVectorFusion.unified(), TaskVectorFusionTest::unified);
                    check(type, length, models, anyBits, TaskVectorFusion.masked(last), deltas -> masked(deltas, last));
                    check(type, length, models, anyBits,
                            TaskVectorFusion.tallMasked(new int[]{last}, new double[]{0.6}, 1),
                            deltas -> tall(deltas, new int[]{last}, new double[]{0.6}, 1));
                    check(type, length, models, anyBits, TaskVectorFusion.tallMasked(all, thresholds, 2),
                            deltas -> tall(deltas, all, thresholds, 2));
                }
            }
        }
    }

    @Test
    void theLargestIsTheLastOfEqualsAndNanIsLargerThanAll() {
        assertThat(fuse(TaskVectorFusion.largest(), -2, 2)).isEqualTo(2);
        assertThat(fuse(TaskVectorFusion.largest(), 2, -2, 1)).isEqualTo(-2);
        assertThat(fuse(TaskVectorFusion.largest(), NAN, INFINITE)).isNaN();
        assertThat(fuse(TaskVectorFusion.largest(), -INFINITE, 3)).isEqualTo(-INFINITE);
    }

    @Test
    void aSumOfZeroElectsMinusInTheUnifiedTaskVector() {
        assertThat(fuse(TaskVectorFusion.unified(), 2, -2)).isEqualTo(-2);
        assertThat(fuse(TaskVectorFusion.unified(), 2, 3, -4)).isEqualTo(3);
        assertThat(fuse(TaskVectorFusion.unified(), 0, 0)).isZero();
        assertThat(fuse(TaskVectorFusion.unified(), INFINITE, -INFINITE)).isNaN();
        assertThat(fuse(TaskVectorFusion.masked(0), 2, 3, -4)).isEqualTo(3);
        assertThat(fuse(TaskVectorFusion.masked(2), 2, 3, -4)).isZero();
    }

    @Test
    void aMaskIsSetWhereAModelHasMoreThanItsShareOfTheRest() {
        Fusion two = TaskVectorFusion.tallMasked(new int[]{0, 1, 2}, new double[]{1, 1, 1}, 2);
        assertThat(fuse(two, 3, 3, -3)).as("3 against 0, 3 against 0, 3 against 6").isEqualTo(3);
        assertThat(fuse(two, 5, 1, 1)).as("5 against 2, 1 against 6, 1 against 6").isZero();
        assertThat(fuse(TaskVectorFusion.tallMasked(new int[]{0}, new double[]{1}, 1), 2, 2)).as("2 is not more than 2")
                .isZero();
        assertThat(fuse(two, NAN, 1, 1)).isNaN();
        assertThat(fuse(TaskVectorFusion.tallMasked(new int[]{0}, new double[]{0}, 1), 0, 2)).as("0 against 0")
                .isZero();
        assertThat(fuse(TaskVectorFusion.tallMasked(new int[]{0}, new double[]{-1}, 1), 0, 2)).as("0 against -2")
                .isEqualTo(2);
        assertThat(fuse(TaskVectorFusion.tallMasked(new int[]{0}, new double[]{0}, 1), 1, INFINITE))
                .as("1 against 0 times infinity, which is NaN").isZero();
        assertThat(fuse(TaskVectorFusion.tallMasked(new int[]{0}, new double[]{1}, 1), Float.MIN_VALUE, 0))
                .as("the smallest number against 0").isEqualTo(Float.MIN_VALUE);
    }

    @Test
    void sumsMagnitudesInTheOrderOfTheElements() {
        Tensor base = Tensors.random(DType.BF16, 2500, 1, null, 1);
        Tensor x = Tensors.random(DType.BF16, 2500, 2, base, 1);
        double sum = 0;
        for (int i = 0; i < 2500; i++) {
            sum += Math.abs((float) Elements.get(x, i) - (float) Elements.get(base, i));
        }
        assertThat(TaskVectorFusion.sumOfMagnitudes(base, List.of(x), TaskVectorFusion.largest())).isEqualTo(sum);
        Tensor none = Tensors.zeros(DType.F32, 0);
        assertThat(TaskVectorFusion.sumOfMagnitudes(none, List.of(none), TaskVectorFusion.unified())).isZero();
    }

    @Test
    void wrongShapesAndTypesAreNamed() {
        Tensor three = Tensors.zeros(DType.F32, 3);
        assertThatThrownBy(() -> TaskVectorFusion.merge(three, List.of(), TaskVectorFusion.unified(), 1, three))
                .hasMessage("the fusion takes the task vectors of 1 models or more, got 0");
        assertThatThrownBy(() -> TaskVectorFusion.merge(three, List.of(three), TaskVectorFusion.masked(2), 1, three))
                .hasMessage("the fusion takes the task vectors of 3 models or more, got 1");
        assertThatThrownBy(() -> TaskVectorFusion.masked(-1))
                .hasMessage("the places of models count from 0, got [-1]");
        assertThatThrownBy(() -> TaskVectorFusion.tallMasked(new int[]{1, 1}, new double[]{0.5, 0.6}, 1))
                .hasMessage("a threshold is wanted for each model, and each model once, got [1, 1] and [0.5, 0.6]");
        assertThatThrownBy(() -> TaskVectorFusion.merge(three, List.of(Tensors.zeros(DType.I32, 3)),
                TaskVectorFusion.unified(), 1, three))
                .hasMessage("a fusion takes tensors of arithmetic types and equal length, got I32 [3] and the base F32 "
                        + "[3] for an output F32 [3]");
    }

    private static double fuse(Fusion fusion, double... deltas) {
        List<Tensor> models = new ArrayList<>();
        for (double delta : deltas) {
            models.add(Tensors.of(DType.F32, delta));
        }
        Tensor out = Tensors.zeros(DType.F32, 1);
        TaskVectorFusion.merge(Tensors.zeros(DType.F32, 1), models, fusion, 1, out);
        return Elements.get(out, 0);
    }

    private static void check(DType type, int length, int models, boolean anyBits, Fusion fusion,
            Function<float[], Float> definition) {
        Tensor base = anyBits ? Tensors.anyBits(type, length, 1) : Tensors.random(type, length, 1, null, 0.5);
        List<Tensor> xs = new ArrayList<>();
        for (int m = 0; m < models; m++) {
            xs.add(anyBits ? Tensors.anyBits(type, length, 2 + m) : Tensors.random(type, length, 2 + m, base, 0.1));
        }
        Tensor wanted = define(base, xs, definition, 0.9f, type);
        Tensor out = Tensors.misaligned(type, length);
        TaskVectorFusion.merge(base, xs, fusion, 0.9, out);
        assertThat(Tensors.bytes(out))
                .as("%s, %d elements, %d models, any bits %s, seed %d", type, length, models, anyBits, Tensors.SEED)
                .isEqualTo(Tensors.bytes(wanted));
    }

    /** The merge, one element at a time, by a definition of the fusion. */
    static Tensor define(Tensor base, List<Tensor> xs, Function<float[], Float> definition, float lambda,
            DType output) {
        Tensor wanted = Tensors.zeros(output, base.elements());
        boolean wide = base.dtype() == DType.F64;
        for (int i = 0; i < base.elements(); i++) {
            double b = Elements.get(base, i);
            float[] deltas = new float[xs.size()];
            for (int m = 0; m < deltas.length; m++) {
                double x = Elements.get(xs.get(m), i);
                deltas[m] = wide ? (float) (x - b) : (float) x - (float) b;
            }
            float fused = definition.apply(deltas);
            Elements.set(wanted, i, wide
                    ? Math.fma((double) lambda, (double) fused, b)
                    : Math.fma(lambda, fused, (float) b));
        }
        return wanted;
    }

    static float largest(float[] deltas) {
        float largest = 0;
        for (float delta : deltas) {
            if (Float.isNaN(delta)) {
                return Float.NaN;
            }
            largest = Math.abs(delta) >= Math.abs(largest) ? delta : largest;
        }
        return largest;
    }

    private static float sum(float[] deltas) {
        float sum = 0;
        for (float delta : deltas) {
            sum += delta;
        }
        return sum;
    }

    static float unified(float[] deltas) {
        float sum = sum(deltas);
        float largest = 0;
        for (float delta : deltas) {
            boolean elected = sum > 0 ? delta > 0 : delta < 0;
            largest = elected && Math.abs(delta) > Math.abs(largest) ? delta : largest;
        }
        return Float.isNaN(sum) ? Float.NaN : largest;
    }

    static float masked(float[] deltas, int model) {
        float unified = unified(deltas);
        return Float.isNaN(unified) || unified * Math.signum(deltas[model]) > 0 ? unified : 0;
    }

    static float tall(float[] deltas, int[] models, double[] thresholds, int fewest) {
        float sum = sum(deltas);
        long set = 0;
        for (int m = 0; m < models.length; m++) {
            float delta = deltas[models[m]];
            set += Math.abs(delta) > (float) thresholds[m] * Math.abs(sum - delta) ? 1 : 0;
        }
        return Float.isNaN(sum) || set >= fewest ? sum : 0;
    }
}
