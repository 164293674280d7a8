package dev.fusor.ensemble;

import dev.fusor.simd.FloatMath;
import dev.fusor.simd.Lanes;
import dev.fusor.simd.LanesMath;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** Template: the loops over a chunk by vectors. Lanes of a sum lie in memory, the first-level cache, and vectors step over them. */
final class LogitEnsembleLanes implements LogitLoops {
    private static final Form FORM = Specialised.constants(MethodHandles.lookup(), Form.class);
    private static final DType IN = FORM.type();
    private static final int MODELS = FORM.models();
    private static final boolean MOMENTS = FORM.moments();
    private static final long IN_BYTES = IN.bits() / 8;
    private static final long IN_STEP = IN_BYTES * Lanes.LENGTH;
    private static final int STEP = 4 * Lanes.LENGTH;
    private static final int LANE_BYTES = 4 * LogitEnsemble.LANES;

    LogitEnsembleLanes() {}

    @Override
    public int width() {
        return 4 * Lanes.LENGTH;
    }

    @Override
    public boolean reads(DType type) {
        return type == DType.F32 || type == DType.BF16 && Lanes.supports(type);
    }

    @Override
    public float weigh(MemorySegment[] x, long[] at, float[] shares, boolean resume, MemorySegment scores, int count) {
        if (!resume) {
            scores.asSlice(0, 4L * count).fill((byte) 0);
        }
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
        for (long i = 0; i < count; i += 2 * Lanes.LENGTH) {
            FloatVector s = Lanes.load(IN, x0, at0 + i * IN_BYTES).fma(w0, load(scores, 4 * i));
            FloatVector t = Lanes.load(IN, x0, at0 + i * IN_BYTES + IN_STEP).fma(w0, load(scores, 4 * i + STEP));
            if (MODELS > 1) {
                s = Lanes.load(IN, x1, at1 + i * IN_BYTES).fma(w1, s);
                t = Lanes.load(IN, x1, at1 + i * IN_BYTES + IN_STEP).fma(w1, t);
            }
            if (MODELS > 2) {
                s = Lanes.load(IN, x2, at2 + i * IN_BYTES).fma(w2, s);
                t = Lanes.load(IN, x2, at2 + i * IN_BYTES + IN_STEP).fma(w2, t);
            }
            if (MODELS > 3) {
                s = Lanes.load(IN, x3, at3 + i * IN_BYTES).fma(w3, s);
                t = Lanes.load(IN, x3, at3 + i * IN_BYTES + IN_STEP).fma(w3, t);
            }
            put(s, scores, 4 * i);
            put(t, scores, 4 * i + STEP);
            even = even.max(s);
            odd = odd.max(t);
        }
        return even.max(odd).reduceLanes(VectorOperators.MAX);
    }

    @Override
    public void raise(MemorySegment x, long at, MemorySegment scores, int count) {
        for (long i = 0; i < 4L * count; i += STEP) {
            put(load(scores, i).max(load(x, at + i)), scores, i);
        }
    }

    @Override
    public float max(MemorySegment x, long at, int count) {
        // Four at a time: one after the other, each would wait for the one before.
        FloatVector a = FloatVector.broadcast(Lanes.FLOAT, Float.NEGATIVE_INFINITY);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        for (long i = 0; i < 4L * count; i += 4 * STEP) {
            a = a.max(load(x, at + i));
            b = b.max(load(x, at + i + STEP));
            c = c.max(load(x, at + i + 2 * STEP));
            d = d.max(load(x, at + i + 3 * STEP));
        }
        return a.max(b).max(c.max(d)).reduceLanes(VectorOperators.MAX);
    }

    @Override
    public void exponentials(MemorySegment x, long at, float max, MemorySegment lanes, int count) {
        for (int lane = 0; lane < (MOMENTS ? 2 : 1) * LANE_BYTES; lane += STEP) {
            put(FloatVector.zero(Lanes.FLOAT), lanes, lane);
        }
        for (long i = 0; i < 4L * count; i += STEP) {
            long lane = i & LANE_BYTES - 1;
            FloatVector d = difference(load(x, at + i), max);
            FloatVector q = LanesMath.expBounded(d);
            put(load(lanes, lane).add(q), lanes, lane);
            if (MOMENTS) {
                put(q.fma(d, load(lanes, LANE_BYTES + lane)), lanes, LANE_BYTES + lane);
            }
        }
    }

    @Override
    public void mix(MemorySegment x, long at, float max, float scale, MemorySegment probabilities, int count) {
        FloatVector k = FloatVector.broadcast(Lanes.FLOAT, scale);
        for (long i = 0; i < 4L * count; i += STEP) {
            FloatVector q = LanesMath.expBounded(difference(load(x, at + i), max));
            put(k.fma(q, load(probabilities, i)), probabilities, i);
        }
    }

    @Override
    public void logSoftmax(MemorySegment scores, float max, float logSum, MemorySegment out, int count) {
        for (long i = 0; i < 4L * count; i += STEP) {
            put(load(scores, i).sub(max).sub(logSum), out, i);
        }
    }

    @Override
    public void logs(MemorySegment probabilities, MemorySegment out, int count) {
        for (long i = 0; i < 4L * count; i += STEP) {
            put(LanesMath.log(load(probabilities, i)), out, i);
        }
    }

    @Override
    public void scale(MemorySegment numbers, MemorySegment factors, int count) {
        for (long i = 0; i < 4L * count; i += STEP) {
            put(product(load(numbers, i), load(factors, i)), numbers, i);
        }
    }

    @Override
    public void products(MemorySegment weights, MemorySegment x, long at, float reference, MemorySegment lanes,
            int count) {
        for (long i = 0; i < 4L * count; i += STEP) {
            long lane = i & LANE_BYTES - 1;
            FloatVector product = product(load(weights, i), load(x, at + i).sub(reference));
            put(load(lanes, lane).add(product), lanes, lane);
        }
    }

    private static FloatVector product(FloatVector weight, FloatVector factor) {
        return weight.mul(factor).blend(0f, weight.compare(VectorOperators.EQ, 0f));
    }

    private static FloatVector difference(FloatVector x, float max) {
        FloatVector d = x.sub(max);
        return d.blend(FloatMath.EXP_ZERO, d.compare(VectorOperators.LT, FloatMath.EXP_ZERO));
    }

    private static FloatVector load(MemorySegment data, long at) {
        return FloatVector.fromMemorySegment(Lanes.FLOAT, data, at, ByteOrder.LITTLE_ENDIAN);
    }

    private static void put(FloatVector value, MemorySegment data, long at) {
        value.intoMemorySegment(data, at, ByteOrder.LITTLE_ENDIAN);
    }
}
