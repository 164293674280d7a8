package dev.fusor.method;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

class SceTest {
    private static final double[] A = {1, 2, 3, 4};
    private static final double[] B = {4, -1, .5, 2};
    private static final double[] C = {0, 1, -1, 1};
    private static final double[] TWICE_A = {2, 4, 6, 8};

    @Test
    void givesThePublishedValues() {
        List<Tensor> models = tensors(A, B, C, TWICE_A);
        assertThat(Tensors.values(merge(models, 1))).containsExactly(
                new double[]{2.9699571, -.0226245, -.2330317, 1.5113120}, Offset.offset(1e-6));
        assertThat(Tensors.values(merge(models, .5))).containsExactly(
                new double[]{1, 2, -.5638297, 1.2907803}, Offset.offset(1e-6));
    }

    @Test
    void agreesWithItsDefinitionBitForBit() {
        for (DType type : SparseMerges.TYPES) {
            for (int length : new int[]{0, 1, 2, 15, 16, 17, 1023, 1025, 5003}) {
                for (double fraction : new double[]{1, 0.999, 0.4, 0.01, 0}) {
                    List<Tensor> models = SparseMerges.models(type, Shape.of(length));
                    assertThat(Tensors.bytes(merge(models, fraction)))
                            .as("%d %s, select_topk %s, seed %d", length, type, fraction, Tensors.SEED)
                            .isEqualTo(Tensors.bytes(define(models, fraction)));
                }
            }
        }
    }

    @Test
    void modelsThatAgreeEverywhereHaveNothingToSelect() {
        assertThat(Tensors.values(merge(tensors(A, B, B), 0.5))).containsExactly(A);
        assertThat(Tensors.values(merge(tensors(A, B, B), 1))).containsExactly(B);
        assertThat(Tensors.values(merge(tensors(A, A, A), 1))).containsExactly(A);
    }

    /** mergekit falls back to equal weights here, because the means of squares sum to less than 1e-6. */
    @Test
    void smallTaskVectorsAreWeighedToo() {
        Tensor merged = merge(tensors(new double[]{0, 0}, new double[]{3e-5, 0}, new double[]{1e-5, 0}), 1);
        assertThat(Elements.get(merged, 0)).isCloseTo(0.9 * 3e-5 + 0.1 * 1e-5, Offset.offset(1e-11));
    }

    @Test
    void ofEqualVariancesTheFirstIsSelected() {
        Tensor merged = merge(tensors(new double[4], new double[]{1, 1, 1, 1}, new double[4]), 0.5);
        assertThat(Tensors.values(merged)).containsExactly(1, 1, 0, 0);
    }

    private static List<Tensor> tensors(double[]... values) {
        return Arrays.stream(values).map(row -> Tensors.of(DType.F32, row)).toList();
    }

    private static Tensor merge(List<Tensor> models, double fraction) {
        List<Map<String, Double>> none = models.stream().skip(1).map(model -> Map.<String, Double>of()).toList();
        return SparseMerges.merge(new Sce(),
                SparseMerges.inputs(models, none, Map.of("select_topk", fraction, "int8_mask", 0.0)), 1300);
    }

    /** Select by variance, calculate weights from squares, erase the minor sign of the bare task vectors. */
    private static Tensor define(List<Tensor> models, double fraction) {
        Tensor base = models.getFirst();
        List<float[]> deltas = new ArrayList<>();
        models.stream().skip(1).forEach(model -> deltas.add(SparseMerges.taskVector(base, model)));
        boolean[] selected = selected(deltas, fraction, (int) base.elements());
        double[] energies = deltas.stream().mapToDouble(delta -> IntStream.range(0, delta.length)
                .filter(i -> selected[i]).mapToDouble(i -> (double) delta[i] * delta[i]).sum()).toArray();
        double all = Arrays.stream(energies).sum();
        Tensor out = Tensors.zeros(base.dtype(), base.elements());
        for (int i = 0; i < out.elements(); i++) {
            double b = Elements.get(base, i);
            float mass = 0;
            for (float[] delta : deltas) {
                mass += selected[i] ? delta[i] : 0;
            }
            float sum = 0;
            float weights = 0;
            for (int m = 0; m < deltas.size(); m++) {
                float delta = selected[i] ? deltas.get(m)[i] : 0;
                float weight = all == 0 ? 1f / deltas.size() : (float) (energies[m] / all);
                if (mass >= 0 ? delta > 0 : delta < 0) {
                    sum += weight * delta;
                    weights += weight;
                }
            }
            Elements.set(out, i, b + (double) (weights == 0 ? sum : sum / weights));
        }
        return out;
    }

    private static boolean[] selected(List<float[]> deltas, double fraction, int length) {
        boolean[] selected = new boolean[length];
        float[] variances = new float[length];
        int some = 0;
        for (int i = 0; i < length; i++) {
            int at = i;
            double mean = deltas.stream().mapToDouble(delta -> delta[at]).sum() / deltas.size();
            variances[i] = (float) (deltas.stream().mapToDouble(delta -> (delta[at] - mean) * (delta[at] - mean)).sum()
                    / deltas.size());
            some += variances[i] != 0 ? 1 : 0;
        }
        Comparator<Integer> byVariance = Comparator.comparing(i -> variances[i]);
        IntStream.range(0, length).boxed().sorted(byVariance.reversed())
                .limit(fraction == 1 ? length : (int) (fraction * some)).forEach(i -> selected[i] = true);
        return selected;
    }
}
