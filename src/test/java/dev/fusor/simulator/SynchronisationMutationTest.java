package dev.fusor.simulator;

import dev.fusor.simulator.NativeBuild.Variant;
import dev.fusor.simulator.Simulator.ThreadOrder;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Takes each barrier out of each kernel in turn, and weakens the order of each atomic update that has one: what then runs has to be
 * reported, by the simulator or as a data race. What is not missed is redundant, and stands here with its reason or goes.
 */
@RequiresSimulator
class SynchronisationMutationTest {
    /** Kernel, what was changed, and why nothing needs it. */
    private static final List<String> REDUNDANT = List.of();

    @TempDir
    private Path folder;

    /** What is said of a module: nothing, a fault of the simulator, or a race. */
    private String judge(String kernel, byte[] ptx) throws IOException, InterruptedException {
        NativeBuild.module(ptx, kernel, Variant.PLAIN);
        StringBuilder failure = new StringBuilder();
        List<Path> recordings = Replay.record(folder, () -> {
            try (Cuda cuda = new Cuda()) {
                try {
                    Replay.launch(cuda, kernel, ptx);
                } catch (Cuda.Failure e) {
                    failure.append(e.getMessage());
                    cuda.recover();
                }
            }
        });
        return failure.isEmpty()
                ? Replay.of(recordings.getFirst(), ptx, Variant.THREAD_SANITIZER, ThreadOrder.ASCENDING)
                : failure.toString();
    }

    /** Noticed is a race or a fault of this kernel, at a line of it, and not that something else went wrong. */
    private void check(String kernel, String name, String mutant) throws IOException, InterruptedException {
        String said = judge(kernel, mutant.getBytes(StandardCharsets.UTF_8));
        if (REDUNDANT.contains(name)) {
            assertThat(said).as("%s is listed as redundant", name).isEmpty();
        } else {
            assertThat(said).as("%s goes unnoticed", name).containsAnyOf("data race", "of kernel " + kernel)
                    .contains(Replay.source(kernel));
        }
    }

    @ParameterizedTest
    @CsvSource({"histogram, sm_75", "histogram, sm_90", "block_sum, sm_75", "block_sum, sm_90",
        "products, shipped", "task_vector_products, shipped", "fold_f64, shipped", "scan_keys, shipped",
        "count_keys, shipped", "select_rows, shipped", "drop_by_rank, shipped",
        "measure, shipped", "combine_few, shipped", "meeting, sm_75",
        "pack_units, shipped",
        "multiply_units, shipped", "bid, shipped", "solve, shipped",
        "transpose, shipped", "interpolate_bf16, shipped"})
    void noBarrierOfAKernelCanGoUnnoticed(String kernel, String architecture) throws Exception {
        byte[] whole = Replay.ptx(kernel, architecture);
        assertThat(judge(kernel, whole)).as("the kernel as it is").isEmpty();
        List<String> lines = new String(whole, StandardCharsets.UTF_8).lines().toList();
        int barriers = 0;
        for (int i = 0; i < lines.size(); i++) {
            if (!lines.get(i).strip().startsWith("bar.sync") && !lines.get(i).strip().startsWith("barrier.sync")) {
                continue;
            }
            barriers++;
            List<String> mutant = new ArrayList<>(lines);
            mutant.set(i, "");
            check(kernel, kernel + "." + architecture + " without barrier " + barriers,
                    String.join("\n", mutant) + "\n");
        }
        assertThat(barriers).isPositive();
    }

    /**
     * The last block to finish reads what the others wrote, and so do all where they meet: that needs their release, and an acquire of its
     * own.
     */
    @ParameterizedTest
    @CsvSource({"block_sum, sm_75, acq_rel, relaxed", "block_sum, sm_75, acq_rel, acquire",
        "block_sum, sm_75, acq_rel, release", "block_sum, sm_90, acq_rel, relaxed",
        "block_sum, sm_90, acq_rel, acquire",
        "block_sum, sm_90, acq_rel, release", "meeting, sm_75, release, relaxed", "meeting, sm_75, acquire, relaxed",
        "meeting, sm_75, acq_rel, acquire", "meeting, sm_75, acq_rel, release"})
    void noOrderOfAnAtomicCanBeWeakenedUnnoticed(String kernel, String architecture, String order, String weaker)
            throws Exception {
        String whole = new String(Cuda.ptx(kernel, architecture), StandardCharsets.UTF_8);
        String mutant = whole.replace("." + order + ".gpu", "." + weaker + ".gpu");
        assertThat(mutant).isNotEqualTo(whole);
        check(kernel, kernel + "." + architecture + " with " + weaker, mutant);
    }
}
