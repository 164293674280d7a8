package dev.fusor.simulator;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Tests that run on any CUDA device: on a real one where there is a driver, on the simulated one in the build. Each is skipped
 * by itself, and counted, where there is neither; with the environment variable {@code FUSOR_REQUIRE_CUDA=1} it fails instead.
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@ExtendWith(CudaExtension.class)
@Tag("cuda")
public @interface RequiresCuda {
}
