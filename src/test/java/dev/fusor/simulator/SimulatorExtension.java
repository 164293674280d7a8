package dev.fusor.simulator;

import dev.fusor.simulator.Simulator.ThreadOrder;
import java.util.Optional;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;

import static org.assertj.core.api.Assertions.assertThat;

/** See {@link RequiresSimulator}. */
final class SimulatorExtension implements ExecutionCondition, BeforeEachCallback, AfterEachCallback {
    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
        Optional<String> missing = NativeBuild.missing();
        if (context.getTestMethod().isEmpty() || missing.isEmpty()) {
            return ConditionEvaluationResult.enabled("the simulated CUDA driver can be built");
        }
        if ("1".equals(System.getenv("FUSOR_REQUIRE_SIMULATOR"))) {
            throw new IllegalStateException(
                    "the simulated CUDA driver is required and cannot be built: " + missing.get());
        }
        return ConditionEvaluationResult.disabled("no simulated CUDA driver: " + missing.get());
    }

    @Override
    public void beforeEach(ExtensionContext context) {
        assertThat(Simulator.isLoaded()).as("libcuda.so.1 is the simulated one").isTrue();
        Simulator.devices("sm_90", 1);
        Simulator.capacity(16L << 30);
        Simulator.modules(NativeBuild.modules(NativeBuild.Variant.PLAIN));
        Simulator.schedule(ThreadOrder.ASCENDING, 1, 1, false);
        Simulator.record(null, 0);
        Simulator.reset();
    }

    @Override
    public void afterEach(ExtensionContext context) {
        String left = Simulator.ledger();
        Simulator.reset();
        assertThat(left).as("what the test did not free").isEmpty();
    }
}
