package dev.fusor.ensemble;

import dev.fusor.simd.FloatMath;
import dev.fusor.simd.Lanes;
import dev.fusor.simd.LanesMath;
import dev.fusor.simd.Specialised;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** Template: the loops over a chunk by vectors. Lanes of a sum lie in memory, the first-level cache, and vectors step over them. */
final class LogitEnsembleLanes implements LogitLoops {
    private static final Form FORM = Specialised.constants(MethodHandles.lookup(), Form.class);
    private static final int MODELS = FORM.models();
    private static final boolean MOMENTS = FORM.moments();
    private static final int STEP = 4 * Lanes.LENGTH;
    private static final int LANE_BYTES = 4 * LogitEnsemble.LANES;

    LogitEnsembleLanes() {}

    @Override
    public int width() {
        return 4 * Lanes.LENGTH;
    }

    @Override
    public float weigh(MemorySegment[] x, long[] at, float[] shares, boolean resume, MemorySegment scores, int count) {
        MemorySegment x0 = x[0];
        MemorySegment x1 = MODELS > 1 ? x[1] : x0;
        MemorySegment x2 = MODELS > 2 ? x[2] : x0;
        MemorySegment x3 = MODELS > 3 ? x[3] : x0;
        long at0 = at[0];
        long at1 = at[1];
        long at2 = at[2];
        long at3 = at[3];
        FloatVector w0 = FloatVector.broadcast(Lanes.FLOAT, shares[0]);
        FloatVector w1 = FloatVector.broadcast(Lanes.FLOAT, shares[1]);
        FloatVector w2 = FloatVector.broadcast(Lanes.FLOAT, shares[2]);
        FloatVector w3 = FloatVector.broadcast(Lanes.FLOAT, shares[3]);
        FloatVector even = FloatVector.broadcast(Lanes.FLOAT, Float.NEGATIVE_INFINITY);
        FloatVector odd = even;
        FloatVector zero = FloatVector.zero(Lanes.FLOAT);
        FloatVector finite = zero;
        for (int i = 0; i < 4 * count; i += 2 * STEP) {
            FloatVector s = resume ? load(scores, i) : FloatVector.zero(Lanes.FLOAT);
            FloatVector t = resume ? load(scores, i + STEP) : FloatVector.zero(Lanes.FLOAT);
            s = load(x0, at0 + i).fma(w0, s);
            t = load(x0, at0 + i + STEP).fma(w0, t);
            if (MODELS > 1) {
                s = load(x1, at1 + i).fma(w1, s);
                t = load(x1, at1 + i + STEP).fma(w1, t);
            }
            if (MODELS > 2) {
                s = load(x2, at2 + i).fma(w2, s);
                t = load(x2, at2 + i + STEP).fma(w2, t);
            }
            if (MODELS > 3) {
                s = load(x3, at3 + i).fma(w3, s);
                t = load(x3, at3 + i + STEP).fma(w3, t);
            }
            if (scores != null) {
                put(s, scores, i);
                put(t, scores, i + STEP);
            }
            even = larger(even, s);
            odd = larger(odd, t);
            finite = s.add(t).fma(zero, finite);
        }
        return max(larger(even, odd), finite, scores, 0, count);
    }

    /** As Math.max, but for NaN and for the sign of zero: two instructions instead of five that wait for each other. */
    private static FloatVector larger(FloatVector a, FloatVector b) {
        return a.blend(b, b.compare(VectorOperators.GT, a));
    }

    /** The largest number, if {@code finite} is 0, as it is where all numbers are finite, and that is not 0; else by another look. */
    private static float max(FloatVector larger, FloatVector finite, MemorySegment x, long at, int count) {
        float max = larger.reduceLanes(VectorOperators.MAX);
        if (max != 0 && finite.reduceLanes(VectorOperators.ADD) == 0) {
            return max;
        }
        return x == null ? Float.NaN : exactMax(x, at, count);
    }

    private static float exactMax(MemorySegment x, long at, int count) {
        FloatVector max = FloatVector.broadcast(Lanes.FLOAT, Float.NEGATIVE_INFINITY);
        for (int i = 0; i < 4 * count; i += STEP) {
            max = max.max(load(x, at + i));
        }
        return max.reduceLanes(VectorOperators.MAX);
    }

    @Override
    public void multiply(MemorySegment x, float factor, int count) {
        for (int i = 0; i < 4 * count; i += STEP) {
            put(load(x, i).mul(factor), x, i);
        }
    }

    @Override
    public void limit(MemorySegment x, MemorySegment present, long at, int count) {
        int i = 0;
        for (; i + Lanes.BYTES_READ <= count; i += Lanes.LENGTH) {
            put(load(x, 4L * i).blend(Float.NEGATIVE_INFINITY, Lanes.nonZero(present, at + i).not()), x, 4L * i);
        }
        LogitEnsemblePlain.limit(x, present, at, i, count);
    }

    @Override
    public void weighPresent(MemorySegment x, long at, float share, float shift, MemorySegment present, long presentAt,
            MemorySegment sums, MemorySegment shares, int count) {
        FloatVector w = FloatVector.broadcast(Lanes.FLOAT, share);
        VectorMask<Float> all = Lanes.FLOAT.maskAll(true);
        int i = 0;
        for (; i + Lanes.BYTES_READ <= count; i += Lanes.LENGTH) {
            VectorMask<Float> there = present == null ? all : Lanes.nonZero(present, presentAt + i);
            FloatVector sum = load(sums, 4L * i);
            put(sum.blend(load(x, at + 4L * i).sub(shift).fma(w, sum), there), sums, 4L * i);
            FloatVector total = load(shares, 4L * i);
            put(total.blend(total.add(w), there), shares, 4L * i);
        }
        LogitEnsemblePlain.weighPresent(x, at, share, shift, present, presentAt, sums, shares, i, count);
    }

    @Override
    public void divide(MemorySegment sums, MemorySegment shares, MemorySegment out, int count) {
        for (int i = 0; i < 4 * count; i += STEP) {
            FloatVector share = load(shares, i);
            put(load(sums, i).div(share).blend(Float.NEGATIVE_INFINITY, share.compare(VectorOperators.EQ, 0f)), out, i);
        }
    }

    @Override
    public void raise(MemorySegment x, long at, MemorySegment scores, int count) {
        for (int i = 0; i < 4 * count; i += STEP) {
            put(load(scores, i).max(load(x, at + i)), scores, i);
        }
    }

    @Override
    public float max(MemorySegment x, long at, int count) {
        FloatVector even = FloatVector.broadcast(Lanes.FLOAT, Float.NEGATIVE_INFINITY);
        FloatVector odd = even;
        FloatVector zero = FloatVector.zero(Lanes.FLOAT);
        FloatVector finite = zero;
        for (int i = 0; i < 4 * count; i += 2 * STEP) {
            FloatVector s = load(x, at + i);
            FloatVector t = load(x, at + i + STEP);
            even = larger(even, s);
            odd = larger(odd, t);
            finite = s.add(t).fma(zero, finite);
        }
        return max(larger(even, odd), finite, x, at, count);
    }

    @Override
    public void exponentials(MemorySegment x, long at, float max, MemorySegment lanes, int count) {
        for (int lane = 0; lane < (MOMENTS ? 2 : 1) * LANE_BYTES; lane += STEP) {
            put(FloatVector.zero(Lanes.FLOAT), lanes, lane);
        }
        for (int i = 0; i < 4 * count; i += STEP) {
            long lane = i & LANE_BYTES - 1;
            FloatVector d = load(x, at + i).sub(max);
            if (isNormal(d)) {
                add(LanesMath.expNormal(d), d, lanes, lane);
            } else {
                d = bounded(d);
                add(LanesMath.expBounded(d), d, lanes, lane);
            }
        }
    }

    private static boolean isNormal(FloatVector d) {
        return d.compare(VectorOperators.GE, FloatMath.EXP_NORMAL).allTrue();
    }

    private static void add(FloatVector q, FloatVector d, MemorySegment lanes, long lane) {
        put(load(lanes, lane).add(q), lanes, lane);
        if (MOMENTS) {
            put(q.fma(d, load(lanes, LANE_BYTES + lane)), lanes, LANE_BYTES + lane);
        }
    }

    @Override
    public void mix(MemorySegment x, long at, float max, float scale, MemorySegment probabilities, int count) {
        FloatVector k = FloatVector.broadcast(Lanes.FLOAT, scale);
        for (int i = 0; i < 4 * count; i += STEP) {
            FloatVector d = load(x, at + i).sub(max);
            if (isNormal(d)) {
                put(k.fma(LanesMath.expNormal(d), load(probabilities, i)), probabilities, i);
            } else {
                put(k.fma(LanesMath.expBounded(bounded(d)), load(probabilities, i)), probabilities, i);
            }
        }
    }

    @Override
    public void logSoftmax(MemorySegment scores, float max, float logSum, MemorySegment out, int count) {
        for (int i = 0; i < 4 * count; i += STEP) {
            put(load(scores, i).sub(max).sub(logSum), out, i);
        }
    }

    @Override
    public void logs(MemorySegment probabilities, MemorySegment out, int count) {
        for (int i = 0; i < 4 * count; i += STEP) {
            put(LanesMath.log(load(probabilities, i)), out, i);
        }
    }

    @Override
    public void scale(MemorySegment numbers, MemorySegment factors, int count) {
        for (int i = 0; i < 4 * count; i += STEP) {
            put(product(load(numbers, i), load(factors, i)), numbers, i);
        }
    }

    @Override
    public void products(MemorySegment weights, MemorySegment x, long at, float reference, MemorySegment lanes,
            int count) {
        for (int i = 0; i < 4 * count; i += STEP) {
            long lane = i & LANE_BYTES - 1;
            FloatVector product = product(load(weights, i), load(x, at + i).sub(reference));
            put(load(lanes, lane).add(product), lanes, lane);
        }
    }

    private static FloatVector product(FloatVector weight, FloatVector factor) {
        return weight.mul(factor).blend(0f, weight.compare(VectorOperators.EQ, 0f));
    }

    private static FloatVector bounded(FloatVector d) {
        return d.blend(FloatMath.EXP_ZERO, d.compare(VectorOperators.LT, FloatMath.EXP_ZERO));
    }

    private static FloatVector load(MemorySegment data, long at) {
        return FloatVector.fromMemorySegment(Lanes.FLOAT, data, at, ByteOrder.LITTLE_ENDIAN);
    }

    private static void put(FloatVector value, MemorySegment data, long at) {
        value.intoMemorySegment(data, at, ByteOrder.LITTLE_ENDIAN);
    }
}
