package dev.fusor.method;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.testing.Tensors;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;

/** How much methods look at before they merge, against reading all inputs once. */
class LooksTest {
    private static final int[] LENGTHS = {900_001, 300_000, 64, 0};

    @ParameterizedTest
    @CsvSource({"ties,0,0.2,1", "ties,2,0.2,1", "ties,0,1,0", "breadcrumbs,0,0.5,1", "breadcrumbs_ties,2,0.9,1",
        "magnitude_pruning,0,0.1,1"})
    void oneReadAndASampleDoForTrimming(String name, double scope, double density, int looks) {
        MergeMethod method = MergeMethods.named(name).orElseThrow();
        List<MergeInputs> tensors = new ArrayList<>();
        long bytes = 0;
        for (int t = 0; t < LENGTHS.length; t++) {
            Tensor base = Tensors.random(DType.BF16, LENGTHS[t], t, null, 0.02);
            List<TensorSource> models = new ArrayList<>();
            for (int m = 0; m < 3; m++) {
                models.add(Tensors.random(DType.BF16, LENGTHS[t], 10 * t + m, base, 3e-4 * (1 + m)));
            }
            bytes += 4 * base.data().byteSize();
            tensors.add(SparseMerges.completed(method, new MergeInputs("t" + t, 0, base, models,
                    Collections.nCopies(3, Map.of("weight", 1.0, "density", density)), Map.of("scope", scope))));
        }
        AtomicLong looked = new AtomicLong();
        try (CpuDevice device = CpuDevice.open(2)) {
            WholeTensors whole = new WholeTensors() {
                @Override
                public CpuDevice cpu() {
                    return device;
                }

                @Override
                public void looked(long more) {
                    looked.addAndGet(more);
                }
            };
            if (method.spans(tensors.getFirst().parameters())) {
                method.prepareTogether(tensors, whole);
            } else {
                tensors.forEach(inputs -> method.prepare(inputs, whole));
            }
        }
        assertThat(looked.get() / (double) bytes).as("%s, scope %s, seed %d", name, scope, Tensors.SEED)
                .isBetween((double) looks, 1.15 * looks);
        assertThat(method.looks(tensors.getFirst().modelParameters(), tensors.getFirst().parameters()))
                .isEqualTo(looks);
    }
}
