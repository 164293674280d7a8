package dev.fusor.simulator.ptx;

import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/** Kernels that end in a fault: which one, and where the report says it was. */
class FaultsTest {
    private static final int TRAP = 8;
    private static final int UNSUPPORTED = 9;
    private static final int ILLEGAL_ADDRESS = 1;

    @BeforeEach
    void needsACompiler() {
        ModuleRunner.require();
    }

    static LaneKernel trapping(String instruction) {
        return new LaneKernel(instruction).runs("setp.eq.u32 p, tid, 3; @p %s;".formatted(instruction));
    }

    private static ModuleRunner.Result run(String name, String ptx) {
        Path module = ModuleRunner.build(ptx, name);
        return ModuleRunner.run(module, name, ModuleRunner.Shape.of(1, 32), 0, new long[64], new long[256],
                new long[64]);
    }

    @Test
    void trapAndBreakpointEndTheLaunch() {
        for (String instruction : new String[]{"trap", "brkpt"}) {
            ModuleRunner.Result result = run(instruction, trapping(instruction).ptx(""));
            assertThat(result.fault()).isEqualTo(TRAP);
            assertThat(result.report()).contains("@p " + instruction + ";").contains("(3,0,0)");
        }
    }

    @Test
    void anAssertionSaysWhatFailedWhere() {
        LaneKernel kernel = new LaneKernel("asserting");
        kernel.declare(
                ".extern .func __assertfail (.param .b64 m, .param .b64 f, .param .b32 l, .param .b64 n, .param .b64 c);");
        kernel.declare(".global .align 1 .b8 message[6] = {110, 60, 49, 48, 48};");
        kernel.declare(".global .align 1 .b8 file[5] = {97, 46, 99, 117};");
        kernel.declare(".global .align 1 .b8 function[4] = {115, 117, 109};");
        kernel.runs("""
                .param .b64 m; .param .b64 f; .param .b32 l; .param .b64 n; .param .b64 c;
                mov.u64 t64, message; cvta.global.u64 t64, t64; st.param.b64 [m], t64;
                mov.u64 t64, file; cvta.global.u64 t64, t64; st.param.b64 [f], t64;
                st.param.b32 [l], 42;
                mov.u64 t64, function; cvta.global.u64 t64, t64; st.param.b64 [n], t64;
                st.param.b64 [c], 1;
                setp.eq.u32 p, tid, 7;
                @p call.uni __assertfail, (m, f, l, n, c);""");
        ModuleRunner.Result result = run("asserting", kernel.ptx(""));
        assertThat(result.fault()).isEqualTo(TRAP);
        assertThat(result.report()).contains("a.cu:42: sum: assertion failed: n<100").contains("(7,0,0)");
    }

    @Test
    void anIndexBeyondASharedArrayMeetsTheRedZone() {
        LaneKernel kernel = new LaneKernel("beyond");
        kernel.runs(
                ".shared .align 4 .b32 first[4]; .shared .align 4 .b32 second[4]; mov.u32 t, first; st.shared.b32 [t+16], v;");
        ModuleRunner.Result result = run("beyond", kernel.ptx(""));
        assertThat(result.fault()).isEqualTo(ILLEGAL_ADDRESS);
        assertThat(result.report()).contains("st.shared.b32 [t+16], v;");
    }

    @Test
    void memoryThatOnlyAnEarlierLaunchHadIsOutOfBounds() {
        LaneKernel large = new LaneKernel("large");
        large.runs(".shared .align 4 .b32 many[3000]; mov.u32 t, many; st.shared.b32 [t+11996], v;");
        assertThat(run("large", large.ptx("")).report()).isEmpty();
        LaneKernel small = new LaneKernel("small");
        small.runs(".shared .align 4 .b32 few[4]; mov.u32 t, few; st.shared.b32 [t+11996], v;");
        assertThat(run("small", small.ptx("")).fault()).isEqualTo(ILLEGAL_ADDRESS);
    }

    @Test
    void moreLocalMemoryThanAStackHoldsIsRefused() {
        LaneKernel kernel = new LaneKernel("deep");
        kernel.runs(".local .align 4 .b8 depot[200000]; mov.u64 t64, depot; st.local.b32 [t64], v;");
        ModuleRunner.Result result = run("deep", kernel.ptx(""));
        assertThat(result.fault()).isEqualTo(UNSUPPORTED);
        assertThat(result.report()).contains("200000 bytes of local memory");
    }

    @Test
    void reportsNameTheLineOfTheSource() {
        LaneKernel kernel = new LaneKernel("located");
        kernel.runs(".loc 1 77 5\n trap;");
        ModuleRunner.Result result = run("located", ".version 9.0" + kernel.ptx("").substring(".version 9.0".length())
                + "\n.file 1 \"kernels/sum.cu\"\n");
        assertThat(result.report()).contains("kernels/sum.cu:77");
    }

    @Test
    void anIndexOutsideABranchTableIsAFault() {
        LaneKernel kernel = new LaneKernel("table");
        kernel.runs(
                "TABLE: .branchtargets HERE, THERE;\n add.u32 t, tid, 1;\n brx.idx t, TABLE;\n HERE: mov.b32 d, 1;\n THERE: mov.b32 d, 2;");
        assertThat(run("table", kernel.ptx("")).fault()).isEqualTo(TRAP);
    }
}
