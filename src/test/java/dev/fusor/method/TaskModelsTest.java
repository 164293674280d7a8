package dev.fusor.method;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;

/** Methods that store several models as one and masks: EMR and TALL masks. */
class TaskModelsTest {
    private static final int[] LENGTHS = {150_000, 0, 1, 777};

    /** One model alone is brought back as it was: its mask and its rescaler are 1. */
    @ParameterizedTest
    @CsvSource({"emr,0,sum", "emr,1,sum", "emr,1,mean", "tall_mask,1,", "magmax,,"})
    void oneModelAloneComesBack(String name, Double task, String rescaler) {
        List<Tensor> models = SparseMerges.models(DType.F32, Shape.of(40, 33)).subList(0, 2);
        MergeMethod method = MergeMethods.named(name).orElseThrow();
        Map<String, Double> parameters = task == null
                ? Map.of("lambda", 1.0)
                : Map.of("task", task, "rescaler", "mean".equals(rescaler) ? 1.0 : 0.0);
        Tensor merged = SparseMerges.merge(method, SparseMerges.inputs(models, List.of(Map.of()), parameters), 500);
        for (int i = 0; i < merged.elements(); i++) {
            float base = (float) Elements.get(models.get(0), i);
            float delta = (float) Elements.get(models.get(1), i) - base;
            assertThat((float) Elements.get(merged, i)).as("element %d, seed %d", i, Tensors.SEED)
                    .isEqualTo(base + delta);
        }
    }

    /** The rescaler is the ratio of magnitudes over all tensors, or of the sums of their means. */
    @ParameterizedTest
    @CsvSource({"0", "1"})
    void emrRescalesOverTheWholeModel(double means) {
        List<List<Tensor>> tensors = new ArrayList<>();
        List<MergeInputs> inputs = new ArrayList<>();
        Emr emr = new Emr();
        for (int t = 0; t < LENGTHS.length; t++) {
            Tensor base = Tensors.random(DType.BF16, LENGTHS[t], t, null, 0.02);
            List<Tensor> models = List.of(base, Tensors.random(DType.BF16, LENGTHS[t], 10 + t, base, 1e-3 * (1 + t)),
                    Tensors.random(DType.BF16, LENGTHS[t], 20 + t, base, 2e-3),
                    Tensors.random(DType.BF16, LENGTHS[t], 30 + t, base, 1e-3));
            tensors.add(models);
            inputs.add(SparseMerges.inputs(models, Collections.nCopies(3, Map.of()),
                    Map.of("task", 2.0, "rescaler", means)));
        }
        double before = 0;
        double after = 0;
        List<float[]> masked = new ArrayList<>();
        for (List<Tensor> models : tensors) {
            float[] own = SparseMerges.taskVector(models.get(0), models.get(2));
            float[] kept = masked(models, own);
            double count = means == 0 ? 1 : Math.max(1, own.length);
            before += sum(own) / count;
            after += sum(kept) / count;
            masked.add(kept);
        }
        float rescaler = (float) (before / after);
        for (int threads : new int[]{1, 3}) {
            try (CpuDevice device = CpuDevice.open(threads)) {
                List<RangeMerge> merges = emr.prepareTogether(inputs, WholeTensors.on(device));
                for (int t = 0; t < LENGTHS.length; t++) {
                    Tensor out = Tensors.zeros(DType.BF16, LENGTHS[t]);
                    Tensor wanted = Tensors.zeros(DType.BF16, LENGTHS[t]);
                    merges.get(t).merge(0, out);
                    for (int i = 0; i < LENGTHS[t]; i++) {
                        Elements.set(wanted, i, Math.fma(rescaler, masked.get(t)[i],
                                (float) Elements.get(tensors.get(t).getFirst(), i)));
                    }
                    assertThat(Tensors.bytes(out)).as("tensor %d, %d threads, seed %d", t, threads, Tensors.SEED)
                            .isEqualTo(Tensors.bytes(wanted));
                }
            }
        }
    }

    @Test
    void withoutARatioNothingIsRescaled() {
        Tensor base = Tensors.of(DType.F32, 1, 2, 3);
        MergeInputs same = SparseMerges.inputs(List.of(base, base), List.of(Map.of()),
                Map.of("task", 1.0, "rescaler", 0.0));
        assertThat(Tensors.values(SparseMerges.merge(new Emr(), same, 10))).containsExactly(1, 2, 3);
    }

    @Test
    void consensusDropsWhatFewerModelsUse() {
        Tensor base = Tensors.zeros(DType.F32, 4);
        List<Tensor> models = List.of(base, Tensors.of(DType.F32, 3, 5, 1, 0), Tensors.of(DType.F32, 3, 1, 1, 0),
                Tensors.of(DType.F32, -3, 1, 1, 0));
        for (int fewest = 0; fewest <= 3; fewest++) {
            MergeInputs inputs = SparseMerges.inputs(models, Collections.nCopies(3, Map.of("tall_mask_lambda", 1.0)),
                    Map.of("fewest", (double) fewest, "lambda", 0.5));
            assertThat(Tensors.values(SparseMerges.merge(TallMasks.consensus(), inputs, 3))).as("%d models", fewest)
                    .containsExactly(fewest <= 2 ? 1.5 : 0, fewest <= 1 ? 3.5 : 0, fewest <= 0 ? 1.5 : 0, 0);
        }
    }

    @Test
    void aModelThatIsNotThereIsRefused() {
        assertThat(new Emr().objection(3, Map.of("task", 4.0))).hasValue("task is 4, and 3 models are merged");
        assertThat(new Emr().objection(3, Map.of("task", 3.0))).isEmpty();
        assertThat(TallMasks.ofTask().objection(1, Map.of("task", 2.0))).hasValue("task is 2, and 1 models are merged");
        assertThat(TallMasks.consensus().objection(2, Map.of("fewest", 3.0, "lambda", 1.0)))
                .hasValue("fewest is 3, and 2 models are merged");
        assertThat(TallMasks.consensus().objection(2, Map.of("fewest", 2.0, "lambda", 9.0))).isEmpty();
    }

    /** The largest magnitude of the sign of the sum, where the model's own has it. */
    private static float[] masked(List<Tensor> models, float[] own) {
        List<float[]> all = models.stream().skip(1).map(x -> SparseMerges.taskVector(models.getFirst(), x)).toList();
        float[] masked = new float[own.length];
        for (int i = 0; i < own.length; i++) {
            float sum = 0;
            for (float[] delta : all) {
                sum += delta[i];
            }
            float sign = sum > 0 ? 1 : -1;
            for (float[] delta : all) {
                masked[i] = sign * Math.max(sign * masked[i], sign * delta[i]);
            }
            masked[i] = own[i] * sign > 0 ? masked[i] : 0;
        }
        return masked;
    }

    /** In float64, by ranges of 131072. */
    private static double sum(float[] values) {
        double sum = 0;
        for (int from = 0; from < values.length; from += 1 << 17) {
            double part = 0;
            for (int i = from; i < Math.min(values.length, from + (1 << 17)); i++) {
                part += Math.abs(values[i]);
            }
            sum += part;
        }
        return sum;
    }
}
