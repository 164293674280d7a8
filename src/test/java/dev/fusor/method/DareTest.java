package dev.fusor.method;

import dev.fusor.drop.Philox;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.ScalarPhilox;
import dev.fusor.testing.Tensors;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

class DareTest {
    private static final double[] DENSITIES = {0.5, 0.1, 1};
    private static final double[] WEIGHTS = {0.4, -0.7, 1.1};
    private static final double LAMBDA = 0.75;

    @Test
    void agreesWithItsDefinitionBitForBit() {
        for (DType type : SparseMerges.TYPES) {
            for (int length : new int[]{0, 1, 2, 15, 16, 17, 1023, 1025, 5003}) {
                for (boolean rescale : new boolean[]{true, false}) {
                    check(Dare.ties(), type, length, rescale, false);
                    check(Dare.linear(), type, length, rescale, false);
                    check(Dare.ties(), type, length, rescale, true);
                    check(Dare.linear(), type, length, rescale, true);
                }
            }
        }
    }

    @Test
    void aDensityOfOneIsTaskArithmetic() {
        List<Tensor> models = SparseMerges.models(DType.F32, Shape.of(300));
        Tensor merged = merge(Dare.linear(), models, new double[]{1, 1, 1}, WEIGHTS, true, false);
        for (int i = 0; i < 300; i++) {
            double wanted = Elements.get(models.getFirst(), i);
            for (int m = 0; m < 3; m++) {
                wanted += LAMBDA * WEIGHTS[m]
                        * (Elements.get(models.get(1 + m), i) - Elements.get(models.getFirst(), i));
            }
            assertThat(Elements.get(merged, i)).isCloseTo(wanted, Offset.offset(1e-8));
        }
    }

    @Test
    void aDensityOfZeroIsTheBase() {
        List<Tensor> models = SparseMerges.models(DType.BF16, Shape.of(300));
        Tensor merged = merge(Dare.ties(), models, new double[3], WEIGHTS, true, true);
        assertThat(Tensors.bytes(merged)).isEqualTo(Tensors.bytes(models.getFirst()));
    }

    /** The mean of n elements, each 1 / density with that probability, is 1 within 6 deviations: an error of 2e-9. */
    @Test
    void rescalingKeepsTheTaskVectorInTheMean() {
        int length = 1 << 20;
        Tensor base = Tensors.zeros(DType.F32, length);
        Tensor ones = Tensors.zeros(DType.F32, length);
        for (int i = 0; i < length; i++) {
            Elements.set(ones, i, 1);
        }
        for (double density : new double[]{0.1, 0.5, 0.9}) {
            Tensor merged = merge(Dare.linear(), List.of(base, ones), new double[]{density}, new double[]{1 / LAMBDA},
                    true,
                    false);
            double sum = 0;
            for (int i = 0; i < length; i++) {
                sum += Elements.get(merged, i);
            }
            assertThat(sum / length).as("density %s, seed %d", density, Tensors.SEED).isCloseTo(1,
                    Offset.offset(6 * Math.sqrt((1 - density) / density / length)));
        }
    }

    @Test
    void anotherSeedOrTensorGivesAnotherMask() {
        List<Tensor> models = SparseMerges.models(DType.F32, Shape.of(1000));
        MergeInputs one = inputs(models, DENSITIES, WEIGHTS, true, false);
        MergeInputs seed = new MergeInputs(one.tensor(), one.seed() + 1, one.base(), one.models(),
                one.modelParameters(), one.parameters());
        MergeInputs tensor = new MergeInputs("other", one.seed(), one.base(), one.models(), one.modelParameters(),
                one.parameters());
        assertThat(List.of(one, seed, tensor))
                .extracting(in -> Tensors.bytes(SparseMerges.merge(Dare.linear(), in, 77)))
                .doesNotHaveDuplicates();
    }

    private static void check(Dare method, DType type, int length, boolean rescale, boolean normalize) {
        List<Tensor> models = SparseMerges.models(type, Shape.of(length));
        long key = Philox.key(Tensors.SEED, SparseMerges.TENSOR);
        List<float[]> sparse = new ArrayList<>();
        for (int m = 0; m < 3; m++) {
            float[] delta = SparseMerges.taskVector(models.getFirst(), models.get(1 + m));
            for (int i = 0; i < length; i++) {
                boolean kept = ScalarPhilox.word(key, m, i) < DENSITIES[m] * 0x1p32;
                delta[i] = kept ? delta[i] * (rescale ? (float) (1 / DENSITIES[m]) : 1) : 0;
            }
            sparse.add(delta);
        }
        Tensor wanted = SparseMerges.merge(models.getFirst(), sparse, WEIGHTS, method.name().equals("dare_ties"),
                normalize, LAMBDA);
        assertThat(Tensors.bytes(merge(method, models, DENSITIES, WEIGHTS, rescale, normalize)))
                .as("%s of %d %s, rescale %s, normalize %s, seed %d", method.name(), length, type, rescale, normalize,
                        Tensors.SEED)
                .isEqualTo(Tensors.bytes(wanted));
    }

    private static Tensor merge(Dare method, List<Tensor> models, double[] densities, double[] weights,
            boolean rescale, boolean normalize) {
        return SparseMerges.merge(method, inputs(models, densities, weights, rescale, normalize), 1300);
    }

    private static MergeInputs inputs(List<Tensor> models, double[] densities, double[] weights, boolean rescale,
            boolean normalize) {
        List<Map<String, Double>> perModel = new ArrayList<>();
        for (int m = 0; m < weights.length; m++) {
            perModel.add(Map.of("weight", weights[m], "density", densities[m]));
        }
        return SparseMerges.inputs(models, perModel,
                Map.of("rescale", rescale ? 1.0 : 0.0, "rescale_l1", 0.0, "normalize",
                        normalize ? 1.0 : 0.0, "lambda", LAMBDA));
    }
}
