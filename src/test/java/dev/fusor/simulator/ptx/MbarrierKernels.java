package dev.fusor.simulator.ptx;

import java.util.List;

/** Kernels for barriers in shared memory, and for the bulk copies that arrive at them. */
final class MbarrierKernels {
    private static final String FILL = """
            .reg .pred one, done;
            .reg .b32 bar;
            .reg .b64 state, all;
            add.u32 bar, s, 4096;
            setp.eq.u32 one, tid, 0;
            @one mbarrier.init.shared.b64 [bar], %d;
            fence.proxy.async;
            bar.sync 0;
            """;
    private static final String END = "bar.sync 0; @one mbarrier.inval.shared.b64 [bar]; bar.sync 0;";

    private MbarrierKernels() {}

    /** The first thread copies what lies in its memory, and all wait for the bytes. */
    static void bulkCopies(LaneKernel kernel, long[] v) {
        String wait = "\nWAIT: mbarrier.try_wait.parity.shared.b64 done, [bar], 0; @!done bra WAIT;\n";
        for (String space : List.of("shared::cta", "shared::cluster")) {
            for (String hint : List.of("", ".L2::cache_hint")) {
                String policy = hint.isEmpty() ? "" : ", t64";
                kernel.gives(FILL.formatted(1) + """
                        createpolicy.fractional.L2::evict_last.b64 t64;
                        st.global.b32 [mem], v;
                        fence.proxy.async.global;
                        @one mbarrier.arrive.expect_tx.shared.b64 _, [bar], 16;
                        @one cp.async.bulk.%s.global.mbarrier::complete_tx::bytes%s [s], [mem], 16, [bar]%s;
                        """.formatted(space, hint, policy) + wait + "ld.shared.b32 d, [s];" + END, _ -> v[0]);
            }
        }
        kernel.gives(FILL.formatted(1) + """
                st.shared.b32 [s], 77;
                fence.proxy.async.shared::cta;
                @one mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 _, [bar], 16;
                mov.u32 t, s;
                @one cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [t+256], [s], 16, [bar];
                """ + wait + "ld.shared.b32 d, [s+256];" + END, _ -> 77);
        for (String hint : List.of("", ".L2::cache_hint")) {
            for (String read : List.of("", ".read")) {
                kernel.gives(FILL.formatted(1) + """
                        createpolicy.fractional.L2::evict_normal.b64 t64;
                        mad.lo.u32 t, tid, 16, s;
                        st.shared.b32 [t], v;
                        fence.proxy.async.shared::cta;
                        cp.async.bulk.global.shared::cta.bulk_group%s [mem], [t], 16%s;
                        cp.async.bulk.commit_group;
                        cp.async.bulk.wait_group%s 0;
                        cp.async.bulk.wait_group 0;
                        ld.global.b32 d, [mem];
                        """.formatted(hint, hint.isEmpty() ? "" : ", t64", read) + END, t -> v[t]);
            }
        }
    }

    /** Barriers in shared memory: every thread arrives in each of the ways, and then reads what its counterpart left. */
    static LaneKernel mbarriers(long[] v) {
        LaneKernel kernel = new LaneKernel("mbarriers");
        String store = "mad.lo.u32 t, tid, 4, s; st.shared.b32 [t], v;\n";
        String load = "\nxor.b32 t, tid, 63; mad.lo.u32 t, t, 4, s; ld.shared.b32 d, [t];" + END;
        List<String> spaces = List.of(".shared", ".shared::cta", "");
        for (String space : spaces) {
            String at = space.isEmpty() ? "[all]" : "[bar]";
            String generic = "cvt.u64.u32 all, bar; cvta.shared.u64 all, all;\n";
            String byState = "\nWAIT: mbarrier.try_wait%s.b64 done, %s, state; @!done bra WAIT;\n".formatted(space, at);
            for (String arrive : List.of("arrive", "arrive.release.cta", "arrive.release.cluster", "arrive_drop",
                    "arrive_drop.release.cta")) {
                kernel.gives(FILL.formatted(64) + generic + store
                        + "mbarrier.%s%s.b64 state, %s;".formatted(arrive, space, at) + byState
                        + load, t -> v[t ^ 63]);
                kernel.gives(FILL.formatted(128) + generic + store
                        + "mbarrier.%s%s.b64 state, %s, 2;".formatted(arrive, space, at) + byState
                        + load, t -> v[t ^ 63]);
            }
            kernel.gives(FILL.formatted(65) + generic + store + """
                    mbarrier.arrive.noComplete%s.b64 state, %s, 1;
                    bar.sync 0;
                    @one mbarrier.arrive%s.b64 _, %s;""".formatted(space, at, space, at) + byState + load,
                    t -> v[t ^ 63]);
            for (String test : List.of("test_wait", "test_wait.acquire.cta", "try_wait", "try_wait.acquire.cluster")) {
                String hint = test.startsWith("try") ? ", 1000" : "";
                for (String parity : List.of("", ".parity")) {
                    String[] parts = test.split("\\.", 2);
                    String spelling = parts[0] + parity + (parts.length > 1 ? "." + parts[1] : "");
                    String waiting = "\nWAIT: mbarrier.%s%s.b64 done, %s, %s%s; nanosleep.u32 20; @!done bra WAIT;\n"
                            .formatted(spelling, space, at,
                                    parity.isEmpty() ? "state" : "0", hint);
                    kernel.gives(
                            FILL.formatted(64) + generic + store
                                    + "mbarrier.arrive%s.b64 state, %s;".formatted(space, at) + waiting + load,
                            t -> v[t ^ 63]);
                }
            }
            // A phase that is not over, and the one before it, which is.
            kernel.givesTruth(FILL.formatted(1000) + generic
                    + "mbarrier.test_wait.parity%s.b64 p, %s, 0;".formatted(space, at) + END, _ -> 0);
            kernel.givesTruth(FILL.formatted(1000) + generic
                    + "mbarrier.test_wait.parity%s.b64 p, %s, 1;".formatted(space, at) + END, _ -> 1);
            // Bytes are expected, and come by a copy of each thread.
            kernel.gives(FILL.formatted(64) + generic + """
                    mad.lo.u32 t, tid, 4, s;
                    st.global.b32 [mem], v;
                    cp.async.ca.shared.global [t], [mem], 4;
                    cp.async.mbarrier.arrive.noinc%s.b64 %s;
                    mov.b64 state, 0;
                    WAIT: mbarrier.try_wait.parity%s.b64 done, %s, 0;
                    @!done bra WAIT;""".formatted(space, at, space, at) + load, t -> v[t ^ 63]);
            kernel.gives(FILL.formatted(64) + generic + """
                    mad.lo.u32 t, tid, 4, s;
                    st.global.b32 [mem], v;
                    cp.async.ca.shared.global [t], [mem], 4;
                    cp.async.mbarrier.arrive%s.b64 %s;
                    mbarrier.arrive%s.b64 state, %s;""".formatted(space, at, space, at) + byState + load,
                    t -> v[t ^ 63]);
            kernel.gives(
                    FILL.formatted(1) + generic
                            + """
                                    st.global.b32 [mem], v;
                                    fence.proxy.async.global;
                                    @one mbarrier.expect_tx.relaxed.cta%s.b64 %s, 16;
                                    @one cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [s], [mem], 16, [bar];
                                    @one mbarrier.arrive%s.b64 _, %s;
                                    WAIT: mbarrier.try_wait.parity%s.b64 done, %s, 0;
                                    @!done bra WAIT;
                                    ld.shared.b32 d, [s];"""
                                    .formatted(space.replace("shared::cta", "shared"), at, space, at, space, at)
                            + END,
                    _ -> v[0]);
        }
        remote(kernel, store, load, v);
        return kernel;
    }

    /** By the address of shared memory in the cluster, of which the own block is one. */
    private static void remote(LaneKernel kernel, String store, String load, long[] v) {
        String wait = "\nWAIT: mbarrier.try_wait.parity.shared.b64 done, [bar], 0; @!done bra WAIT;\n";
        for (String arrive : List.of("arrive", "arrive.release.cluster")) {
            kernel.gives(FILL.formatted(64) + store
                    + "mapa.shared::cluster.u32 t, bar, 0; mbarrier.%s.shared::cluster.b64 _, [t];".formatted(arrive)
                    + wait + load, t -> v[t ^ 63]);
            kernel.gives(FILL.formatted(128) + store
                    + "mapa.shared::cluster.u32 t, bar, 0; mbarrier.%s.shared::cluster.b64 _, [t], 2;".formatted(arrive)
                    + wait + load, t -> v[t ^ 63]);
        }
        kernel.gives(FILL.formatted(1) + """
                mapa.shared::cluster.u32 t, bar, 0;
                st.global.b32 [mem], v;
                fence.proxy.async.global;
                @one mbarrier.expect_tx.relaxed.cluster.shared::cluster.b64 [t], 16;
                @one mbarrier.arrive.expect_tx.shared::cluster.b64 _, [t], 0;
                @one cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [s], [mem], 16, [bar];
                """ + wait + "ld.shared.b32 d, [s];" + END, _ -> v[0]);
    }
}
