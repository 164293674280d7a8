package dev.fusor.simulator.ptx;

import java.util.Arrays;
import java.util.List;

/** Kernels for what the threads of a block, and the blocks of a cluster, do together. */
final class BlockKernels {
    static final int BLOCK = 64;

    private BlockKernels() {}

    /** Each thread leaves a number in shared memory and takes that of its counterpart once the barrier lets it. */
    private static String exchanging(String barrier, int step) {
        return """
                mad.lo.u32 t, tid, 4, s;
                add.u32 d, tid, %d;
                st.shared.b32 [t], d;
                %s
                xor.b32 t, tid, 63;
                mad.lo.u32 t, t, 4, s;
                ld.shared.b32 d, [t];
                bar.sync 0;""".formatted(1000 * step, barrier);
    }

    static LaneKernel barriers(long[] v) {
        LaneKernel kernel = new LaneKernel("barriers");
        int step = 0;
        for (String name : List.of("bar", "barrier", "bar.cta", "barrier.cta")) {
            for (String aligned : name.startsWith("barrier") ? List.of("", ".aligned") : List.of("")) {
                step++;
                int value = 1000 * step;
                kernel.gives(exchanging("%s.sync%s 0;".formatted(name, aligned), step), t -> value + (t ^ 63));
                kernel.gives(exchanging("%s.sync%s 3, 64;".formatted(name, aligned), step), t -> value + (t ^ 63));
                // The first warp only arrives, and the second waits for what the first left.
                kernel.gives("""
                        .reg .pred first;
                        mad.lo.u32 t, tid, 4, s;
                        st.shared.b32 [t], v;
                        mov.u32 d, v;
                        setp.lt.u32 first, tid, 32;
                        @first bra ARRIVE;
                        %s.sync%s 5, 64;
                        sub.u32 t, t, 128;
                        ld.shared.b32 d, [t];
                        bra.uni TOGETHER;
                        ARRIVE:
                        %s.arrive%s 5, 64;
                        TOGETHER:
                        bar.sync 0;""".formatted(name, aligned, name, aligned), t -> v[t % 32]);
                for (String threads : List.of("", ", 64")) {
                    kernel.gives("%s.red.popc%s.u32 d, 2%s, odd;".formatted(name, aligned, threads),
                            _ -> Arrays.stream(v).filter(x -> (x & 1) != 0).count());
                    kernel.givesTruth("%s.red.and%s.pred p, 2%s, odd;".formatted(name, aligned, threads), _ -> 0);
                    kernel.givesTruth("%s.red.or%s.pred p, 2%s, !odd;".formatted(name, aligned, threads), _ -> 1);
                    kernel.givesTruth(
                            "setp.ge.s32 p, tid, 0; %s.red.and%s.pred p, 2%s, p;".formatted(name, aligned, threads),
                            _ -> 1);
                }
            }
        }
        return kernel;
    }

    /** Two blocks: what a thread left in its block is read, and counted up, by the same thread of the other. */
    static LaneKernel clusters(long[] v) {
        LaneKernel kernel = new LaneKernel("clusters");
        for (String arrive : List.of("arrive", "arrive.aligned", "arrive.release", "arrive.release.aligned")) {
            String wait = arrive.replace("arrive", "wait").replace("release", "acquire");
            kernel.gives("""
                    .reg .b32 other;
                    mad.lo.u32 t, tid, 4, s;
                    st.shared.b32 [t], v;
                    barrier.cluster.%s;
                    barrier.cluster.%s;
                    mov.u32 other, %%cluster_ctarank;
                    xor.b32 other, other, 1;
                    mapa.shared::cluster.u32 t, t, other;
                    ld.shared::cluster.b32 d, [t];
                    barrier.cluster.arrive.relaxed;
                    barrier.cluster.wait;""".formatted(arrive, wait), t -> v[t ^ 64]);
        }
        kernel.gives("""
                .reg .b64 g;
                .reg .b32 other;
                mad.lo.u32 t, tid, 4, s;
                st.shared.b32 [t], v;
                fence.acq_rel.cluster;
                barrier.cluster.arrive.relaxed.aligned;
                barrier.cluster.wait;
                mov.u32 other, %cluster_ctarank;
                xor.b32 other, other, 1;
                cvt.u64.u32 g, t;
                cvta.shared.u64 g, g;
                mapa.u64 g, g, other;
                atom.add.u32 d, [g], 5;
                barrier.cluster.arrive;
                barrier.cluster.wait;
                ld.shared.b32 d, [t];""", t -> v[t] + 5);
        kernel.gives(
                "mov.u32 t, %cluster_ctarank; xor.b32 t, t, 1; mapa.shared::cluster.u32 d, s, t; getctarank.shared::cluster.u32 d, d;",
                t -> 1 - t / BLOCK);
        kernel.gives("cvt.u64.u32 t64, s; mapa.shared::cluster.u64 t64, t64, 1; getctarank.shared::cluster.u64 d, t64;",
                _ -> 1);
        kernel.gives("cvt.u64.u32 t64, s; cvta.shared.u64 t64, t64; mapa.u64 t64, t64, 1; getctarank.u64 d, t64;",
                _ -> 1);
        kernel.givesTruth("cvt.u64.u32 t64, s; mapa.shared::cluster.u64 t64, t64, 1; cvta.shared::cluster.u64 t64, t64;"
                + " isspacep.shared::cluster p, t64;", _ -> 1);
        kernel.gives("cvt.u64.u32 t64, s; mapa.shared::cluster.u64 t64, t64, 1; cvta.shared::cluster.u64 t64, t64;"
                + " cvta.to.shared::cluster.u64 t64, t64; getctarank.shared::cluster.u64 d, t64;", _ -> 1);
        kernel.gives("mov.u32 d, %cluster_nctarank;", _ -> 2);
        kernel.gives("mov.u32 d, %cluster_nctaid.x;", _ -> 2);
        kernel.gives("mov.u32 d, %cluster_ctaid.x;", t -> t / BLOCK);
        kernel.gives("mov.u32 d, %clusterid.x;", _ -> 0);
        kernel.gives("mov.u32 d, %nclusterid.x;", _ -> 1);
        kernel.givesTruth("mov.pred p, %is_explicit_cluster;", _ -> 1);
        kernel.runs("barrier.cluster.arrive; barrier.cluster.wait;");
        return kernel;
    }

    /** Asynchronous copies, and the barriers they arrive at. */
    static LaneKernel copies(long[] v) {
        LaneKernel kernel = new LaneKernel("copies");
        String fill = "mad.lo.u32 t, tid, 16, s; st.global.b32 [mem], v; st.global.b32 [mem+4], tid; st.global.b64 [mem+8], w;\n";
        for (String advice : List.of("", ".L2::64B", ".L2::128B", ".L2::256B")) {
            for (String space : List.of("shared", "shared::cta")) {
                kernel.gives(fill
                        + "cp.async.ca.%s.global%s [t], [mem], 4; cp.async.commit_group; cp.async.wait_group 0; ld.shared.b32 d, [t];"
                                .formatted(space, advice),
                        t -> v[t]);
                kernel.gives(fill + "cp.async.cg.%s.global%s [t], [mem], 16; cp.async.wait_all; ld.shared.b32 d, [t+4];"
                        .formatted(space, advice), t -> t);
                // What is beyond the bytes of the source becomes zero.
                kernel.gives(
                        fill + "cp.async.ca.%s.global%s [t], [mem], 8, 4; cp.async.wait_all; ld.shared.b32 d, [t+4];"
                                .formatted(space, advice),
                        _ -> 0);
                kernel.gives(
                        fill + "cp.async.cg.%s.global%s [t], [mem], 16, 4; cp.async.wait_all; ld.shared.b32 d, [t];"
                                .formatted(space, advice),
                        t -> v[t]);
            }
        }
        MbarrierKernels.bulkCopies(kernel, v);
        return kernel;
    }
}
