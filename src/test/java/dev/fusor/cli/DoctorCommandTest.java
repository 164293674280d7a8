package dev.fusor.cli;

import dev.fusor.device.cuda.CudaDriver;
import dev.fusor.device.cuda.CudaSupport;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

class DoctorCommandTest {
    @Test
    void everyPartOfTheMachineHasALine() {
        CommandLineRun run = CommandLineRun.of("doctor");

        assertThat(run.status()).isZero();
        assertThat(run.err()).isEmpty();
        assertThat(run.out()).containsPattern("ok +fusor ").containsPattern("ok +java +25")
                .containsPattern("ok +vectors +Vector API, \\d+ bits|no +vectors +plain loops .* --add-modules")
                .containsPattern("ok +disk .* free at ")
                .containsPattern("ok +libraries +jackson-core 2.* picocli 4");
    }

    @Test
    void cudaIsToldWithItsReason() {
        CudaSupport support = CudaDriver.probe();
        boolean ready = support instanceof CudaSupport.Ready;

        assertThat(CommandLineRun.of("doctor").out()).contains("%-4s %-10s %s%s"
                .formatted(ready ? "ok" : "no", "cuda", support.describe(),
                        ready ? "; taken by --device cuda, while auto is the processor" : ""));
    }

    @Test
    void jsonHasTheSameContent() {
        List<?> findings = (List<?>) CommandLineRun.of("doctor", "--json").json().get("findings");

        assertThat(findings).hasSameSizeAs(CommandLineRun.of("doctor").lines());
        assertThat(((Map<?, ?>) findings.getFirst()).keySet()).hasToString("[subject, good, finding]");
    }
}
