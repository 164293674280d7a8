package dev.fusor.simulator.ptx;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntToLongFunction;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * A kernel made of steps, each a few lines of PTX with what every thread has to find in its result register. All threads run all steps.
 *
 * <p>Lines may use: {@code tid}, {@code v} and {@code w} (the thread's 32 and 64 bits of input), {@code odd} (whether {@code v} is), {@code mem}
 * (global scratch of 64 bytes for each thread), {@code s} (the address of shared memory, 8 KiB), {@code t} and {@code t64} as scratch, and
 * results: {@code d} (32 bits), {@code p}, {@code dd} (64 bits).
 */
final class LaneKernel {
    private static final int SCRATCH_WORDS = 8;

    private record Step(String lines, String result, IntToLongFunction wanted) {}

    private final String name;
    private final String target;
    private final StringBuilder declarations = new StringBuilder();
    private final List<Step> steps = new ArrayList<>();

    LaneKernel(String name) {
        this(name, "sm_100");
    }

    LaneKernel(String name, String target) {
        this.name = name;
        this.target = target;
    }

    /** Text before the entry: variables and functions. */
    LaneKernel declare(String text) {
        declarations.append(text).append('\n');
        return this;
    }

    LaneKernel gives(String lines, IntToLongFunction wanted) {
        steps.add(new Step(lines, "d", thread -> wanted.applyAsLong(thread) & 0xffffffffL));
        return this;
    }

    LaneKernel givesWide(String lines, IntToLongFunction wanted) {
        steps.add(new Step(lines, "dd", wanted));
        return this;
    }

    LaneKernel givesTruth(String lines, IntToLongFunction wanted) {
        steps.add(new Step(lines, "p", wanted));
        return this;
    }

    LaneKernel runs(String lines) {
        steps.add(new Step(lines, null, null));
        return this;
    }

    String ptx(String directives) {
        StringBuilder text = new StringBuilder("""
                .version 9.0
                .target %s
                .address_size 64
                %s
                .visible .entry %s(.param .u64 inputs, .param .u64 memory, .param .u64 outputs) %s
                {
                    .reg .b64 in, mem, out, w, dd, t64;
                    .reg .b32 tid, rank, v, d, t, s;
                    .reg .pred odd, p;
                    .shared .align 128 .b8 shared[8192];
                    mov.u32 s, shared;
                    mov.u32 tid, %%tid.x;
                    mov.u32 t, %%ctaid.x;
                    mov.u32 d, %%ntid.x;
                    mad.lo.u32 rank, t, d, tid;
                    ld.param.u64 in, [inputs];
                    ld.param.u64 mem, [memory];
                    ld.param.u64 out, [outputs];
                    mad.wide.u32 in, rank, 16, in;
                    mad.wide.u32 mem, rank, 64, mem;
                    mad.wide.u32 out, rank, %d, out;
                    ld.global.b32 v, [in];
                    ld.global.b64 w, [in+8];
                    and.b32 t, v, 1;
                    setp.ne.u32 odd, t, 0;
                """.formatted(target, declarations, name, directives, 8 * Math.max(1, steps.size())));
        for (int i = 0; i < steps.size(); i++) {
            Step step = steps.get(i);
            text.append("    {\n").append(step.lines.strip().indent(8)).append("    }\n");
            if (step.result != null) {
                text.append(step.result.equals("p") ? "    selp.b32 d, 1, 0, p;\n" : "");
                text.append("    st.global.b%d [out+%d], %s;\n".formatted(step.result.equals("dd") ? 64 : 32, 8 * i,
                        step.result.equals("dd") ? "dd" : "d"));
            }
        }
        return text.append("    ret;\n}\n").toString();
    }

    /** Runs it under each order of threads, and compares every result. */
    void check(ModuleRunner.Shape shape, String directives, long[] v, long[] w) {
        int threads = shape.grid() * shape.block();
        String ptx = ptx(directives);
        Path module = ModuleRunner.build(ptx, name);
        for (int order = 0; order < 3; order++) {
            long[] in = new long[2 * threads];
            for (int thread = 0; thread < threads; thread++) {
                in[2 * thread] = v[thread];
                in[2 * thread + 1] = w[thread];
            }
            long[] out = new long[threads * Math.max(1, steps.size())];
            ModuleRunner.Result result = ModuleRunner.run(module, name, shape, order, in,
                    new long[SCRATCH_WORDS * threads], out);
            assertThat(result.fault()).as(result.report()).isZero();
            for (int i = 0; i < steps.size(); i++) {
                for (int thread = 0; thread < threads && steps.get(i).result != null; thread++) {
                    assertThat(out[thread * steps.size() + i])
                            .as("thread %d, order %d: %s", thread, order, steps.get(i).lines)
                            .isEqualTo(steps.get(i).wanted.applyAsLong(thread));
                }
            }
        }
    }
}
