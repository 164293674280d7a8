package dev.fusor.simulator.ptx;

import java.util.List;
import java.util.SplittableRandom;
import java.util.function.LongBinaryOperator;

/** Kernels for what the lanes of a warp do together. */
final class WarpKernels {
    static final int BLOCK = 64;

    final long[] v = new long[BLOCK];
    final long[] w = new long[BLOCK];

    WarpKernels(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        for (int i = 0; i < v.length; i++) {
            v[i] = random.nextInt(9) == 0 ? 0x80000000L : random.nextInt(40) | (long) random.nextInt(2) << 31;
            w[i] = random.nextInt(3) * 0x1_0000_0001L;
        }
    }

    private boolean odd(int thread) {
        return (v[thread] & 1) != 0;
    }

    private static int lane(int thread) {
        return thread % 32;
    }

    private static int warp(int thread) {
        return thread - lane(thread);
    }

    LaneKernel warps() {
        LaneKernel kernel = new LaneKernel("warps");
        shuffles(kernel, "up", -1);
        shuffles(kernel, "down", 1);
        shuffles(kernel, "bfly", 0);
        shuffles(kernel, "idx", 0);
        kernel.givesTruth("vote.sync.all.pred p, odd, -1;", t -> ballot(t) == 0xffffffffL ? 1 : 0);
        kernel.givesTruth("vote.sync.any.pred p, !odd, -1;", t -> ballot(t) != 0xffffffffL ? 1 : 0);
        kernel.givesTruth("vote.sync.uni.pred p, odd, -1;", t -> ballot(t) == 0 || ballot(t) == 0xffffffffL ? 1 : 0);
        kernel.gives("vote.sync.ballot.b32 d, odd, -1;", this::ballot);
        kernel.gives("match.any.sync.b32 d, v, -1;", t -> same(t, v));
        kernel.gives("match.any.sync.b64 d, w, -1;", t -> same(t, w));
        kernel.gives("match.all.sync.b32 d|p, v, -1;", t -> same(t, v) == 0xffffffffL ? -1 : 0);
        kernel.givesTruth("match.all.sync.b64 t|p, 7, -1;", _ -> 1);
        kernel.gives("match.all.sync.b64 d, w, -1;", t -> same(t, w) == 0xffffffffL ? -1 : 0);
        // Which other lanes are active is up to the schedule; the own lane always is.
        kernel.gives("activemask.b32 d; mov.u32 t, %lanemask_eq; and.b32 d, d, t;", t -> 1L << lane(t));
        kernel.gives("elect.sync d|p, -1;", _ -> 0);
        kernel.givesTruth("elect.sync _|p, -1;", t -> lane(t) == 0 ? 1 : 0);
        kernel.runs("bar.warp.sync -1;");
        reductions(kernel);
        kernel.gives("mov.u32 d, %laneid;", WarpKernels::lane);
        kernel.gives("mov.u32 d, %warpid;", t -> t % BLOCK / 32);
        kernel.gives("mov.u32 d, %nwarpid;", _ -> BLOCK / 32);
        kernel.gives("mov.u32 d, %lanemask_lt;", t -> (1L << lane(t)) - 1);
        kernel.gives("mov.u32 d, %lanemask_le;", t -> (2L << lane(t)) - 1);
        kernel.gives("mov.u32 d, %lanemask_gt;", t -> ~((2L << lane(t)) - 1));
        kernel.gives("mov.u32 d, %lanemask_ge;", t -> ~((1L << lane(t)) - 1));
        return kernel;
    }

    private long ballot(int thread) {
        long mask = 0;
        for (int lane = 0; lane < 32; lane++) {
            mask |= odd(warp(thread) + lane) ? 1L << lane : 0;
        }
        return mask;
    }

    private long same(int thread, long[] values) {
        long mask = 0;
        for (int lane = 0; lane < 32; lane++) {
            mask |= values[warp(thread) + lane] == values[thread] ? 1L << lane : 0;
        }
        return mask;
    }

    /** By the pseudo code of the manual: c holds a clamp in its lower five bits and a mask of segments from bit 8 on. */
    private void shuffles(LaneKernel kernel, String mode, int direction) {
        for (int c : new int[]{0x1f, 0, 0x181f, 0x1807, 0x1c03, 0x0f}) {
            for (int b : new int[]{0, 1, 5, 16, 31, 37}) {
                String line = "shfl.sync.%s.b32 d|p, v, %d, %d, -1;".formatted(mode, b, c);
                kernel.gives(line, t -> v[warp(t) + source(mode, lane(t), b & 31, c)[0]]);
                kernel.givesTruth(line, t -> source(mode, lane(t), b & 31, c)[1]);
            }
        }
        kernel.gives("shfl.sync.%s.b32 d, v, tid, 0x1f, -1;".formatted(mode),
                t -> v[warp(t) + source(mode, lane(t), t & 31, 0x1f)[0]]);
    }

    private static int[] source(String mode, int lane, int b, int c) {
        int segments = c >>> 8 & 31;
        int clamp = c & 31;
        int most = lane & segments | clamp & ~segments;
        int least = lane & segments;
        int from = switch (mode) {
            case "up" -> lane - b;
            case "down" -> lane + b;
            case "bfly" -> lane ^ b;
            default -> least | b & ~segments & 31;
        };
        boolean inRange = mode.equals("up") ? from >= most : from <= most;
        return new int[]{inRange ? from : lane, inRange ? 1 : 0};
    }

    private void reductions(LaneKernel kernel) {
        reduction(kernel, "add.u32", 0xffffffffL, Long::sum);
        reduction(kernel, "add.s32", 0xffffffffL, Long::sum);
        reduction(kernel, "min.u32", 0xffffffffL, Math::min);
        reduction(kernel, "max.u32", 0xffffffffL, Math::max);
        reduction(kernel, "min.s32", 0xffffffffL, (a, b) -> Math.min((int) a, (int) b) & 0xffffffffL);
        reduction(kernel, "max.s32", 0xffffffffL, (a, b) -> Math.max((int) a, (int) b) & 0xffffffffL);
        reduction(kernel, "and.b32", 0xffffffffL, (a, b) -> a & b);
        reduction(kernel, "or.b32", 0xffffffffL, (a, b) -> a | b);
        reduction(kernel, "xor.b32", 0xffffffffL, (a, b) -> a ^ b);
        // Of some lanes only: each half of the warp on its own.
        kernel.gives("""
                .reg .pred upper;
                and.b32 t, tid, 16;
                setp.ne.u32 upper, t, 0;
                @upper bra UPPER;
                redux.sync.max.u32 d, v, 0xffff;
                bra.uni DONE;
                UPPER:
                redux.sync.max.u32 d, v, 0xffff0000;
                DONE:
                bar.warp.sync -1;""", t -> fold(t & ~15, 16, Math::max));
    }

    private void reduction(LaneKernel kernel, String operation, long mask, LongBinaryOperator operator) {
        kernel.gives("redux.sync.%s d, v, %d;".formatted(operation, (int) mask), t -> fold(warp(t), 32, operator));
    }

    private long fold(int first, int count, LongBinaryOperator operator) {
        long result = v[first];
        for (int i = 1; i < count; i++) {
            result = operator.applyAsLong(result, v[first + i]);
        }
        return result;
    }

    /** The larger and the smaller of floats over a warp, of which lane 5 of the first holds NaN. */
    LaneKernel floatReductions() {
        LaneKernel kernel = new LaneKernel("float_reductions", "sm_100a");
        for (String spelling : List.of("min", "max", "min.abs", "max.abs", "min.NaN", "max.NaN", "min.abs.NaN",
                "max.abs.NaN")) {
            kernel.gives("""
                    .reg .f32 f, r;
                    setp.eq.u32 p, tid, 5;
                    selp.b32 t, 0x7fc00000, v, p;
                    mov.b32 f, t;
                    redux.sync.%s.f32 r, f, -1;
                    mov.b32 d, r;""".formatted(spelling), t -> extreme(warp(t), spelling));
        }
        return kernel;
    }

    private long extreme(int first, String spelling) {
        if (first == 0 && spelling.endsWith("NaN")) {
            return 0x7fffffff;
        }
        float result = Float.NaN;
        for (int t = first; t < first + 32; t++) {
            float value = Float.intBitsToFloat((int) (spelling.contains("abs") ? v[t] & 0x7fffffff : v[t]));
            if (t != 5) {
                result = Float.isNaN(result)
                        ? value
                        : spelling.startsWith("min") ? Math.min(result, value) : Math.max(result, value);
            }
        }
        return Float.floatToRawIntBits(result);
    }
}
