package dev.fusor.simulator;

import dev.fusor.simulator.NativeBuild.Variant;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/** PTX that a test needs for what it says about itself, and not for what it computes. */
final class TestPtx {
    private static final String STORE = """
            .version %s
            .target %s
            .address_size 64
            %s
            .visible .entry store(
                .param .u64 store_at,
                .param .u32 store_value
            )%s
            {
                .reg .b32 %%r<2>;
                .reg .b64 %%rd<3>;
                ld.param.u64 %%rd1, [store_at];
                ld.param.u32 %%r1, [store_value];
                cvta.to.global.u64 %%rd2, %%rd1;
                st.global.u32 [%%rd2], %%r1;
                ret;
            }
            """;

    private TestPtx() {}

    /** {@return a translated module whose entry {@code store} writes a number} */
    static byte[] store() {
        return store("7.0", "sm_75", "", "");
    }

    /**
     * {@return the same, translated, with other directives}
     *
     * @param version of PTX
     * @param target such as sm_90
     * @param variables of the module
     * @param limits of the entry, such as {@code .maxntid 64}
     */
    static byte[] store(String version, String target, String variables, String limits) {
        byte[] ptx = STORE.formatted(version, target, variables, limits.isEmpty() ? "" : "\n" + limits)
                .getBytes(StandardCharsets.UTF_8);
        NativeBuild.module(ptx, "store", Variant.PLAIN);
        return ptx;
    }

    /** {@return the entry of such a module, loaded} */
    static MemorySegment load(Cuda cuda, byte[] ptx) {
        return cuda.function(cuda.module(ptx), "store");
    }
}
