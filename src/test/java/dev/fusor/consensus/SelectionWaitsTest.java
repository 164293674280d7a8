package dev.fusor.consensus;

import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.consensus.DisjointMerge.Trimmed;
import dev.fusor.simulator.RequiresSimulator;
import dev.fusor.simulator.Simulator;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.CudaTensors;
import dev.fusor.testing.Tensors;
import dev.fusor.trim.MagnitudeSelection.Part;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import dev.fusor.trim.MagnitudeSelectionCuda;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;

/** How often the host waits for a device that selects: as often for many models as for one. Only the simulated driver counts. */
@RequiresSimulator
class SelectionWaitsTest extends CudaTensors {
    /** More elements than are looked at without a sample. */
    private static final int LENGTH = 70_003;

    private Tensor base;
    private List<Tensor> models;

    private void makeModels(DType type, int count) {
        Tensor host = Tensors.random(type, LENGTH, 1, null, 0.02);
        base = there(host, 0);
        models = IntStream.range(0, count).mapToObj(m -> there(Tensors.random(type, LENGTH, 2 + m, host, 1e-3), 0))
                .toList();
    }

    private static long kept(int model) {
        return 700 + 5000 * model;
    }

    /** Each wait is for a copy, which is made sure of. */
    private static void check(int waits, Runnable work) {
        long copies = Simulator.calls("cuMemcpyDtoHAsync_v2");
        long synchronised = Simulator.calls("cuStreamSynchronize");
        work.run();
        assertThat(Simulator.calls("cuMemcpyDtoHAsync_v2") - copies).as("copies, seed %d", Tensors.SEED)
                .isEqualTo(waits);
        assertThat(Simulator.calls("cuStreamSynchronize") - synchronised).as("waits, seed %d", Tensors.SEED)
                .isEqualTo(waits);
    }

    /** For the sample, for all that a pass found, and for the places of the last ties. */
    @ParameterizedTest
    @CsvSource({"F32, 1, EXACT_K, 3", "F32, 8, EXACT_K, 3", "BF16, 1, EXACT_K, 3", "BF16, 8, EXACT_K, 3",
        "F32, 1, ALL_TIES, 2", "F32, 8, ALL_TIES, 2", "BF16, 8, ALL_TIES, 2"})
    void aSelectionOfManyModelsWaitsAsOftenAsOneOfOneModel(DType type, int count, Ties ties, int waits) {
        makeModels(type, count);
        List<Wanted> wanted = IntStream.range(0, count).mapToObj(m -> new Wanted(m, kept(m))).toList();
        Part part = new Part(base, List.copyOf(models));
        check(waits, () -> MagnitudeSelectionCuda.on(stream).select(List.of(part), wanted, ties));
    }

    /** And for how much was merged again. */
    @ParameterizedTest
    @CsvSource({"F32, 1", "F32, 8", "BF16, 1", "BF16, 8"})
    void aMergeOfManyModelsWaitsAsOftenAsOneOfOneModel(DType type, int count) {
        makeModels(type, count);
        List<Trimmed> trimmed = IntStream.range(0, count).mapToObj(m -> new Trimmed(models.get(m), 1, kept(m)))
                .toList();
        Tensor out = there(type, LENGTH, 0);
        check(4, () -> TrimmedMergeCuda.on(stream).merge(base, trimmed, Ties.EXACT_K,
                new Rule(Election.WEIGHTED, 1, true), out));
    }
}
