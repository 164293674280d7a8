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

    /** Where a kernel and its launch were recorded. */
    private Path record(String kernel, byte[] ptx) throws IOException {
        return Replay.record(folder, () -> {
            try (Cuda cuda = new Cuda()) {
                Replay.launch(cuda, kernel, ptx);
            }
        }).getFirst();
    }

    /** Noticed is a race or a fault of this kernel, at a line of it, and not that something else went wrong. */
    private static void check(String kernel, String name, String said) {
        if (REDUNDANT.contains(name)) {
            assertThat(said).as("%s is listed as redundant", name).isEmpty();
        } else {
            assertThat(said).as("%s goes unnoticed", name)
                    .containsAnyOf("data race", "of kernel " + Replay.entry(kernel)).contains(Replay.source(kernel));
        }
    }

    /** The numbers, from 1, of the lines with a barrier, without those of the module's other kernels. */
    private static List<Integer> barriers(byte[] ptx, String entry) {
        List<Integer> barriers = new ArrayList<>();
        List<String> lines = new String(ptx, StandardCharsets.UTF_8).lines().map(String::strip).toList();
        boolean other = false;
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            if (line.startsWith(".visible .entry")) {
                other = !line.startsWith(".visible .entry " + entry + "(");
            } else if (!other && (line.startsWith("bar.sync") || line.startsWith("barrier.sync"))) {
                barriers.add(i + 1);
            }
        }
        return barriers;
    }

    @ParameterizedTest
    @CsvSource({"histogram, sm_75", "histogram, sm_90", "block_sum, sm_75", "block_sum, sm_90",
        "products, shipped", "task_vector_products, shipped", "fold_f64, shipped", "scan_keys, shipped",
        "count_keys, shipped", "place_tie, shipped", "gathered_histogram, shipped", "gathered_choice, shipped",
        "last_tiles, shipped", "rank_sample, shipped", "select_rows, shipped", "drop_by_rank, shipped",
        "measure, shipped", "combine_few, shipped", "meeting, sm_75",
        "pack_units, shipped",
        "multiply_units, shipped", "bid, shipped", "solve, shipped",
        "transpose, shipped", "interpolate_bf16, shipped"})
    void noBarrierOfAKernelCanGoUnnoticed(String kernel, String architecture) throws Exception {
        byte[] ptx = Replay.ptx(kernel, architecture);
        String entry = Replay.entry(kernel);
        Path recording = record(kernel, ptx);
        Path module = NativeBuild.kernel(ptx, entry, Variant.THREAD_SANITIZER);
        assertThat(Replay.of(recording, module, Variant.THREAD_SANITIZER, ThreadOrder.ASCENDING))
                .as("the kernel as it is").isEmpty();
        List<Integer> barriers = barriers(ptx, entry);
        assertThat(barriers).isNotEmpty();
        for (int line : barriers) {
            check(kernel, kernel + "." + architecture + " without the barrier in line " + line,
                    Replay.withoutBarrier(line, recording, module));
        }
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
        byte[] ptx = mutant.getBytes(StandardCharsets.UTF_8);
        NativeBuild.module(ptx, kernel, Variant.PLAIN);
        Path module = NativeBuild.kernel(ptx, Replay.entry(kernel), Variant.THREAD_SANITIZER);
        check(kernel, kernel + "." + architecture + " with " + weaker,
                Replay.of(record(kernel, ptx), module, Variant.THREAD_SANITIZER, ThreadOrder.ASCENDING));
    }
}
