package dev.fusor.simulator.ptx;

import java.util.List;

/** Kernels for addresses, parameters, calls, branches and what else a thread does on its own. */
final class ThreadKernels {
    private ThreadKernels() {}

    static LaneKernel addresses(long[] v) {
        LaneKernel kernel = new LaneKernel("addresses");
        kernel.declare(".global .align 16 .b32 variable[4] = {11, 22, 33, 44};");
        kernel.declare(".global .align 8 .f64 real = 0d3FF8000000000000;");
        kernel.declare(".const .align 4 .s16 small[3] = {-1, 2, -3};");
        kernel.declare(".global .align 4 .u32 zeros[2];");
        for (String space : List.of("shared", "shared::cta", "shared::cluster")) {
            kernel.gives(
                    "mad.lo.u32 t, tid, 4, s; st.shared.b32 [t], v; cvt.u64.u32 t64, t; cvta.%s.u64 t64, t64; ld.b32 d, [t64];"
                            .formatted(space),
                    t -> v[t]);
            kernel.gives("mad.lo.u32 t, tid, 4, s; st.shared.b32 [t], v; cvt.u64.u32 t64, t; cvta.%s.u64 t64, t64;"
                    .formatted(space)
                    + "cvta.to.%s.u64 t64, t64; ld.shared.b32 d, [t64];".formatted(space), t -> v[t]);
            kernel.givesTruth("cvt.u64.u32 t64, s; cvta.shared.u64 t64, t64; isspacep.%s p, t64;".formatted(space),
                    _ -> 1);
            kernel.givesTruth("isspacep.%s p, mem;".formatted(space), _ -> 0);
        }
        kernel.gives(
                ".local .align 16 .b8 depot[16]; mov.u64 t64, depot; st.local.b32 [t64+4], v; cvta.local.u64 t64, t64; ld.b32 d, [t64+4];",
                t -> v[t]);
        kernel.gives(
                ".local .align 8 .b32 depot[4]; st.local.b32 [depot+8], v; mov.u64 t64, depot; cvta.local.u64 t64, t64;"
                        + " cvta.to.local.u64 t64, t64; ld.local.b32 d, [t64+8];",
                t -> v[t]);
        kernel.givesTruth(
                ".local .align 8 .b32 depot[4]; mov.u64 t64, depot; cvta.local.u64 t64, t64; isspacep.local p, t64;",
                _ -> 1);
        kernel.givesTruth("isspacep.local p, mem;", _ -> 0);
        kernel.givesTruth("isspacep.global p, mem;", _ -> 1);
        kernel.givesTruth("isspacep.const p, mem;", _ -> 0);
        kernel.gives("mov.u64 t64, variable; cvta.global.u64 t64, t64; ld.u32 d, [t64+8];", _ -> 33);
        kernel.gives("ld.global.u32 d, [variable+4];", _ -> 22);
        kernel.gives(
                "mov.u64 t64, variable+12; cvta.global.u64 t64, t64; cvta.to.global.u64 t64, t64; ld.global.u32 d, [t64];",
                _ -> 44);
        kernel.givesWide("ld.global.f64 dd, [real];", _ -> Double.doubleToRawLongBits(1.5));
        kernel.gives("ld.const.s16 d, [small+4];", _ -> -3);
        kernel.gives("mov.u64 t64, small; cvta.const.u64 t64, t64; ld.s16 d, [t64];", _ -> -1);
        kernel.gives(
                "mov.u64 t64, small; cvta.const.u64 t64, t64; cvta.to.const.u64 t64, t64; ld.const.u16 d, [t64+2];",
                _ -> 2);
        kernel.gives("ld.global.u32 d, [zeros+4];", _ -> 0);
        kernel.gives(
                "prefetch.global.L1 [mem]; prefetch.global.L2 [mem]; prefetch.L1 [mem]; prefetch.L2 [mem]; prefetchu.L1 [mem];"
                        + ".local .b32 depot; prefetch.local.L1 [depot]; prefetch.local.L2 [depot];"
                        + "prefetch.global.L2::evict_last [mem]; prefetch.global.L2::evict_normal [mem]; mov.u32 d, v;",
                t -> v[t]);
        for (String policy : List.of("evict_last", "evict_normal", "evict_first", "evict_unchanged")) {
            kernel.runs("createpolicy.fractional.L2::%s.b64 t64; createpolicy.fractional.L2::%s.b64 t64, 0.5;"
                    .formatted(policy, policy));
        }
        return kernel;
    }

    static LaneKernel fences() {
        LaneKernel kernel = new LaneKernel("fences");
        kernel.runs(
                "membar.cta; membar.gl; membar.sys; fence.mbarrier_init.release.cluster; fence.proxy.async; fence.proxy.alias;");
        for (String space : List.of("global", "shared::cta", "shared::cluster")) {
            kernel.runs("fence.proxy.async.%s;".formatted(space));
        }
        for (String scope : List.of("cta", "cluster", "gpu", "sys")) {
            kernel.runs("fence.%s; fence.sc.%s; fence.acq_rel.%s; fence.acquire.%s; fence.release.%s;".replace("%s",
                    scope));
        }
        kernel.runs(
                "nanosleep.u32 10; nanosleep.u32 v; pmevent 3; griddepcontrol.launch_dependents; griddepcontrol.wait;");
        kernel.gives("mov.u32 d, 5;", _ -> 5);
        return kernel;
    }

    /** Parameters of every type go through a call and come back; one value in a structure is found by its address. */
    static LaneKernel calls(long[] v) {
        LaneKernel kernel = new LaneKernel("calls");
        kernel.declare("""
                .func (.param .b32 result) triple(.param .b32 number)
                {
                    .reg .b32 r;
                    ld.param.b32 r, [number];
                    mul.lo.u32 r, r, 3;
                    st.param.b32 [result], r;
                    ret;
                }
                .func noted(.param .b64 where, .param .b32 what)
                {
                    .reg .b32 r;
                    .reg .b64 a;
                    .reg .pred none;
                    ld.param.b64 a, [where];
                    ld.param.b32 r, [what];
                    setp.eq.u32 none, r, 0;
                    @none ret;
                    st.b32 [a], r;
                    ret.uni;
                }
                .func (.param .b32 result) factorial(.param .b32 number)
                {
                    .reg .b32 n, r;
                    .reg .pred end;
                    ld.param::func.b32 n, [number];
                    mov.b32 r, 1;
                    setp.le.s32 end, n, 1;
                    @end bra DONE;
                    {
                        .param .b32 less;
                        .param .b32 found;
                        add.s32 r, n, -1;
                        st.param::func.b32 [less], r;
                        call (found), factorial, (less);
                        ld.param::func.b32 r, [found];
                    }
                    mul.lo.s32 r, r, n;
                    DONE:
                    st.param.b32 [result], r;
                    ret;
                }
                """);
        kernel.gives(
                "{ .param .b32 a; .param .b32 r; st.param.b32 [a], v; call.uni (r), triple, (a); ld.param.b32 d, [r]; }",
                t -> 3 * v[t]);
        kernel.gives(
                "{ .param .b64 a; .param .b32 b; st.param.b64 [a+0], mem; st.param.b32 [b], v; call noted, (a, b); } ld.global.b32 d, [mem];",
                t -> v[t]);
        kernel.gives(
                "{ .param .b32 a; .param .b32 r; and.b32 t, tid, 7; st.param.b32 [a], t; call (r), factorial, (a); ld.param.b32 d, [r]; }",
                t -> List.of(1, 1, 2, 6, 24, 120, 720, 5040).get(t & 7));
        everyType(kernel);
        return kernel;
    }

    private static void everyType(LaneKernel kernel) {
        kernel.declare("""
                .func (.param .align 16 .b8 copy[32]) identity(.param .align 16 .b8 block[32])
                {
                    .reg .b64 a<4>;
                    ld.param.v2.b64 {a0, a1}, [block];
                    ld.param.v2.b64 {a2, a3}, [block+16];
                    st.param.v2.b64 [copy], {a0, a1};
                    st.param.v2.b64 [copy+16], {a2, a3};
                    ret;
                }""");
        for (String type : List.of("b8", "u8", "s8", "b16", "u16", "s16", "b32", "u32", "s32", "f32", "b64", "u64",
                "s64", "f64")) {
            int bits = Types.bits(type);
            boolean signed = type.startsWith("s");
            for (int lanes : bits == 64 ? new int[]{1, 2} : new int[]{1, 2, 4}) {
                String form = lanes == 1 ? type : "v" + lanes + "." + type;
                String in = List.of("t64", "{t64, x}", "", "{t64, x, t64, x}").get(lanes - 1);
                String out = List.of("dd", "{x, dd}", "", "{x, x, x, dd}").get(lanes - 1);
                long value = 0xf1e2d3c4b5a69788L;
                long low = bits == 64 ? value : signed ? value << 64 - bits >> 64 - bits : value & (1L << bits) - 1;
                kernel.givesWide("""
                        .param .align 16 .b8 a[32];
                        .param .align 16 .b8 r[32];
                        .reg .b64 x;
                        mov.b64 x, 0xf1e2d3c4b5a69788;
                        mov.b64 t64, x;
                        st.param.%s [a+0], %s;
                        call (r), identity, (a);
                        ld.param.%s %s, [r+0];""".formatted(form, in, form, out), _ -> low);
            }
        }
    }

    static LaneKernel branches(long[] v, long[] w) {
        LaneKernel kernel = new LaneKernel("branches");
        kernel.gives("""
                TABLE: .branchtargets ZERO, ONE, TWO, THREE;
                and.b32 t, v, 3;
                brx.idx t, TABLE;
                ZERO: mov.b32 d, 100; bra END;
                ONE: mov.b32 d, 101; bra.uni END;
                TWO: mov.b32 d, 102; bra END;
                THREE: mov.b32 d, 103;
                END:""", t -> 100 + (v[t] & 3));
        kernel.gives("""
                mov.b32 d, 0;
                and.b32 t, v, 15;
                LOOP:
                {
                    .reg .pred end;
                    .reg .b32 t2;
                    add.u32 t2, d, t;
                    mov.b32 d, t2;
                    sub.u32 t, t, 1;
                    setp.gt.s32 end, t, 0;
                    @end bra LOOP;
                }""", t -> (v[t] & 15) == 0 ? 0 : (v[t] & 15) * ((v[t] & 15) + 1) / 2);
        // A name declared again in an inner scope is another register.
        kernel.gives("mov.b32 d, 7; { .reg .b32 d; mov.b32 d, 8; }", _ -> 7);
        kernel.gives("mov.b32 d, 1; @odd mov.b32 d, 2;", t -> 1 + (v[t] & 1));
        kernel.gives("mov.b32 d, 1; @!odd mov.b32 d, 2;", t -> 2 - (v[t] & 1));
        kernel.gives(
                "setp.eq.u32 p, v, v; setp.ne.or.u32 p|odd, v, v, odd; selp.b32 d, 1, 0, p; and.b32 t, v, 1; setp.ne.u32 odd, t, 0;",
                t -> v[t] & 1);
        kernel.givesWide(
                ".reg .b128 q; .reg .b64 l, h; mov.b128 q, {w, 5}; mov.b128 {l, h}, q; xor.b64 dd, l, h;"
                        .replace("{w, 5}", "{w, w}"),
                _ -> 0);
        kernel.givesWide(
                ".reg .b128 q, r; .reg .b64 l, h; mov.b64 t64, 5; mov.b128 q, {w, t64}; mov.b128 r, q; mov.b128 {l, h}, r; add.u64 dd, l, h;",
                t -> w[t] + 5);
        kernel.gives("mov.b64 {t, d}, w;", t -> w[t] >>> 32);
        kernel.gives("mov.b64 {_, d}, w;", t -> w[t] >>> 32);
        kernel.gives("mov.u32 d, %tid.x;", t -> t);
        kernel.gives("mov.u32 d, %ntid.x;", _ -> v.length);
        kernel.gives("mov.u32 d, %nctaid.x;", _ -> 1);
        kernel.gives("mov.u32 d, %ctaid.x;", _ -> 0);
        kernel.gives("mov.u32 d, %tid.y; mov.u32 t, %ntid.z; add.u32 d, d, t;", _ -> 1);
        kernel.gives("mov.u32 d, %dynamic_smem_size;", _ -> 0);
        kernel.gives("mov.u32 d, %smid; mov.u32 t, %nsmid; setp.lt.u32 p, d, t; selp.b32 d, 1, 0, p;", _ -> 1);
        kernel.givesTruth("mov.u64 t64, %clock64; nanosleep.u32 1; mov.u64 dd, %clock64; setp.ge.u64 p, dd, t64;",
                _ -> 1);
        kernel.givesTruth(
                "mov.u64 t64, %globaltimer; nanosleep.u32 1; mov.u64 dd, %globaltimer; setp.ge.u64 p, dd, t64;",
                _ -> 1);
        kernel.gives("mov.u32 t, %clock; mov.u32 d, WARP_SZ;", _ -> 32);
        kernel.gives("@odd exit; mov.b32 d, 9;", t -> (v[t] & 1) == 0 ? 9 : 0);
        return kernel;
    }
}
