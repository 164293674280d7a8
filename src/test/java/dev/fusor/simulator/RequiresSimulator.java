package dev.fusor.simulator;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Tests that run on the simulated CUDA driver. Each is skipped by itself, and counted, where the driver cannot be built;
 * with the environment variable {@code FUSOR_REQUIRE_SIMULATOR=1} it fails instead. Before each test the driver is as in a
 * fresh process; after it, whatever was not freed fails the test.
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@ExtendWith(SimulatorExtension.class)
public @interface RequiresSimulator {
}
