package dev.fusor.simulator;

import dev.fusor.simulator.NativeBuild.Variant;
import dev.fusor.simulator.Simulator.ThreadOrder;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;

/** The kernels under ThreadSanitizer and AddressSanitizer, in every order of threads. */
@RequiresSimulator
class SanitizedKernelsTest {
    @TempDir
    private Path folder;

    @ParameterizedTest
    @CsvSource({"weighted_sum, sm_75", "weighted_sum, sm_90", "histogram, sm_75", "histogram, sm_90",
        "block_sum, sm_75",
        "block_sum, sm_90", "products, shipped", "task_vector_products, shipped", "fold_f64, shipped",
        "scan_keys, shipped",
        "count_keys, shipped", "place_tie, shipped", "gathered_histogram, shipped", "gathered_choice, shipped",
        "last_tiles, shipped", "rank_sample, shipped", "select_rows, shipped", "drop_by_rank, shipped",
        "measure, shipped", "combine, shipped", "rank, shipped",
        "combine_few, shipped", "hold_logits, shipped", "differentiate, shipped",
        "differentiate_label, shipped",
        "pack_units, shipped",
        "multiply_units, shipped", "bid, shipped", "solve, shipped", "interpolate_bf16, shipped"})
    void noSanitizerFindsAnything(String kernel, String architecture) throws Exception {
        byte[] ptx = Replay.ptx(kernel, architecture);
        List<Path> recordings = Replay.record(folder, () -> {
            try (Cuda cuda = new Cuda()) {
                Replay.launch(cuda, kernel, ptx);
            }
        });
        assertThat(recordings).hasSize(1);
        for (Variant variant : List.of(Variant.THREAD_SANITIZER, Variant.ADDRESS_SANITIZER)) {
            Path module = NativeBuild.kernel(ptx, Replay.entry(kernel), variant);
            for (ThreadOrder order : ThreadOrder.values()) {
                assertThat(Replay.of(recordings.getFirst(), module, variant, order)).as("%s, %s", variant, order)
                        .isEmpty();
            }
        }
    }
}
