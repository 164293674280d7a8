package dev.fusor.simulator;

import dev.fusor.simulator.NativeBuild.Variant;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.assertj.core.api.Assertions.assertThat;

/**
 * Takes each barrier out of each kernel in turn: what then runs has to be reported, by the simulator or as a data race. A
 * barrier that is not missed is redundant, and stands here with its reason or goes.
 */
@RequiresSimulator
class BarrierMutationTest {
    /** Kernel, which barrier, and why nothing needs it. */
    private static final List<String> REDUNDANT = List.of();
    private static final int LENGTH = 5000;

    @TempDir
    private Path folder;

    private static void launch(Cuda cuda, String kernel, byte[] ptx) {
        MemorySegment module = cuda.module(ptx);
        Random random = new Random(1);
        MemorySegment values = cuda.arena().allocate(JAVA_FLOAT, LENGTH);
        for (int i = 0; i < LENGTH; i++) {
            values.setAtIndex(JAVA_FLOAT, i, (float) random.nextGaussian());
        }
        long in = cuda.copyOf(values);
        switch (kernel) {
            case "histogram" -> {
                long bins = cuda.allocate(4 * 2048);
                cuda.zero(bins, 4 * 2048);
                cuda.run(cuda.function(module, "histogram_f32"), 2, 96, 0, in, (long) LENGTH, bins);
            }
            case "block_sum" -> {
                long arrived = cuda.allocate(4);
                cuda.zero(arrived, 4);
                cuda.run(cuda.function(module, "block_sum_f32"), 3, 256, 0, in, (long) LENGTH, cuda.allocate(24),
                        arrived,
                        cuda.allocate(8));
            }
            default -> throw new IllegalArgumentException(kernel);
        }
    }

    /** What is said of a module: nothing, a fault of the simulator, or a race. */
    private String judge(String kernel, byte[] ptx) throws IOException, InterruptedException {
        NativeBuild.module(ptx, kernel, Variant.PLAIN);
        Path module = NativeBuild.module(ptx, kernel, Variant.THREAD_SANITIZER);
        Path recordings = Files.createTempDirectory(folder, "recordings");
        Simulator.record(recordings, 1 << 16);
        try (Cuda cuda = new Cuda()) {
            try {
                launch(cuda, kernel, ptx);
            } catch (Cuda.Failure failure) {
                cuda.recover();
                return failure.getMessage();
            }
        } finally {
            Simulator.record(null, 0);
        }
        try (var files = Files.list(recordings)) {
            Process process = new ProcessBuilder(NativeBuild.replay(Variant.THREAD_SANITIZER).toString(),
                    files.findFirst().orElseThrow().toString(), module.toString()).redirectErrorStream(true).start();
            String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            process.waitFor();
            return said;
        }
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
