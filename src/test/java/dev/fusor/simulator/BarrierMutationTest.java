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
 * Takes each barrier out of each kernel in turn: what then runs has to be reported, by the simulator or as a data race. A
 * barrier that is not missed is redundant, and stands here with its reason or goes.
 */
@RequiresSimulator
class BarrierMutationTest {
    /** Kernel, which barrier, and why nothing needs it. */
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

    @ParameterizedTest
    @CsvSource({"histogram, sm_75", "histogram, sm_90", "block_sum, sm_75", "block_sum, sm_90"})
    void noBarrierOfAKernelCanGoUnnoticed(String kernel, String architecture) throws Exception {
        byte[] whole = Cuda.ptx(kernel, architecture);
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
            String said = judge(kernel, (String.join("\n", mutant) + "\n").getBytes(StandardCharsets.UTF_8));
            String name = kernel + "." + architecture + " barrier " + barriers;
            assertThat(said.isEmpty()).as("%s can be deleted unnoticed", name).isEqualTo(REDUNDANT.contains(name));
        }
        assertThat(barriers).isPositive();
    }
}
