package dev.fusor.device.cuda;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** Kernels of the simulator, for tests of what is around kernels. */
public final class TestKernels {
    private TestKernels() {}

    /** {@return the PTX of one} */
    public static String ptx(String name) {
        try (InputStream in = TestKernels.class
                .getResourceAsStream("/dev/fusor/simulator/kernels/" + name + ".sm_75.ptx")) {
            return new String(in.readAllBytes(), StandardCharsets.US_ASCII);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
