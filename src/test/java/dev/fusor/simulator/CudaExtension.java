package dev.fusor.simulator;

import dev.fusor.device.cuda.CudaDriver;
import dev.fusor.device.cuda.CudaSupport;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;

/** See {@link RequiresCuda}. On the simulated driver each test begins afresh and has to leave nothing, as its own tests do. */
final class CudaExtension implements ExecutionCondition, BeforeEachCallback, AfterEachCallback {
    private final SimulatorExtension simulator = new SimulatorExtension();

    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
        if (context.getTestMethod().isEmpty() || !(CudaDriver.probe() instanceof CudaSupport.Unusable unusable)) {
            return ConditionEvaluationResult.enabled("there is a CUDA device");
        }
        if ("1".equals(System.getenv("FUSOR_REQUIRE_CUDA"))) {
            throw new IllegalStateException("a CUDA device is required, but " + unusable.describe());
        }
        return ConditionEvaluationResult.disabled("no CUDA device: " + unusable.describe());
    }

    @Override
    public void beforeEach(ExtensionContext context) {
        if (Simulator.isLoaded()) {
            simulator.beforeEach(context);
        }
    }

    @Override
    public void afterEach(ExtensionContext context) {
        if (Simulator.isLoaded()) {
            simulator.afterEach(context);
        }
    }
}
