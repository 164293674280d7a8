package dev.fusor.ensemble;

import dev.fusor.simd.FloatMath;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

import static dev.fusor.ensemble.LogitEnsemble.LANES;

/** The loops over a chunk, one class at a time: what {@link LogitEnsembleLanes} must equal. */
final class LogitEnsemblePlain implements LogitLoops {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Form form;

    LogitEnsemblePlain(Form form) {
        this.form = form;
    }

    @Override
    public int width() {
        return 1;
    }

    @Override
    public float weigh(MemorySegment[] x, long[] at, float[] shares, boolean resume, MemorySegment scores, int count) {
        float max = Float.NEGATIVE_INFINITY;
        for (long i = 0; i < 4L * count; i += 4) {
            float s = resume ? scores.get(FLOAT, i) : 0f;
            for (int m = 0; m < form.models(); m++) {
                s = Math.fma(shares[m], x[m].get(FLOAT, at[m] + i), s);
            }
            if (scores != null) {
                scores.set(FLOAT, i, s);
            }
            max = Math.max(max, s);
        }
        return max;
    }

    @Override
    public void multiply(MemorySegment x, float factor, int count) {
        for (long i = 0; i < 4L * count; i += 4) {
            x.set(FLOAT, i, x.get(FLOAT, i) * factor);
        }
    }

    @Override
    public void limit(MemorySegment x, MemorySegment present, long at, int count) {
        limit(x, present, at, 0, count);
    }

    static void limit(MemorySegment x, MemorySegment present, long at, int from, int count) {
        for (int i = from; i < count; i++) {
            if (present.get(ValueLayout.JAVA_BYTE, at + i) == 0) {
                x.set(FLOAT, 4L * i, Float.NEGATIVE_INFINITY);
            }
        }
    }

    @Override
    public void weighPresent(MemorySegment x, long at, float share, float shift, MemorySegment present, long presentAt,
            MemorySegment sums, MemorySegment shares, int count) {
        weighPresent(x, at, share, shift, present, presentAt, sums, shares, 0, count);
    }

    static void weighPresent(MemorySegment x, long at, float share, float shift, MemorySegment present, long presentAt,
            MemorySegment sums, MemorySegment shares, int from, int count) {
        for (int i = from; i < count; i++) {
            if (present == null || present.get(ValueLayout.JAVA_BYTE, presentAt + i) != 0) {
                float d = x.get(FLOAT, at + 4L * i) - shift;
                sums.set(FLOAT, 4L * i, Math.fma(share, d, sums.get(FLOAT, 4L * i)));
                shares.set(FLOAT, 4L * i, shares.get(FLOAT, 4L * i) + share);
            }
        }
    }

    @Override
    public void divide(MemorySegment sums, MemorySegment shares, MemorySegment out, int count) {
        for (long i = 0; i < 4L * count; i += 4) {
            float share = shares.get(FLOAT, i);
            out.set(FLOAT, i, share == 0 ? Float.NEGATIVE_INFINITY : sums.get(FLOAT, i) / share);
        }
    }

    @Override
    public void raise(MemorySegment x, long at, MemorySegment scores, int count) {
        for (long i = 0; i < 4L * count; i += 4) {
            scores.set(FLOAT, i, Math.max(scores.get(FLOAT, i), x.get(FLOAT, at + i)));
        }
    }

    @Override
    public float max(MemorySegment x, long at, int count) {
        float max = Float.NEGATIVE_INFINITY;
        for (long i = 0; i < 4L * count; i += 4) {
            max = Math.max(max, x.get(FLOAT, at + i));
        }
        return max;
    }

    @Override
    public void exponentials(MemorySegment x, long at, float max, MemorySegment lanes, int count) {
        lanes.asSlice(0, 8L * LANES).fill((byte) 0);
        for (int i = 0; i < count; i++) {
            long lane = 4L * (i % LANES);
            float d = difference(x.get(FLOAT, at + 4L * i), max);
            float q = FloatMath.exp(d);
            lanes.set(FLOAT, lane, lanes.get(FLOAT, lane) + q);
            if (form.moments()) {
                long behind = 4L * LANES + lane;
                lanes.set(FLOAT, behind, Math.fma(q, d, lanes.get(FLOAT, behind)));
            }
        }
    }

    @Override
    public void mix(MemorySegment x, long at, float max, float scale, MemorySegment probabilities, int count) {
        for (long i = 0; i < 4L * count; i += 4) {
            float q = FloatMath.exp(difference(x.get(FLOAT, at + i), max));
            probabilities.set(FLOAT, i, Math.fma(scale, q, probabilities.get(FLOAT, i)));
        }
    }

    @Override
    public void logSoftmax(MemorySegment scores, float max, float logSum, MemorySegment out, int count) {
        for (long i = 0; i < 4L * count; i += 4) {
            out.set(FLOAT, i, scores.get(FLOAT, i) - max - logSum);
        }
    }

    @Override
    public void logs(MemorySegment probabilities, MemorySegment out, int count) {
        for (long i = 0; i < 4L * count; i += 4) {
            out.set(FLOAT, i, FloatMath.log(probabilities.get(FLOAT, i)));
        }
    }

    @Override
    public void scale(MemorySegment numbers, MemorySegment factors, int count) {
        for (long i = 0; i < 4L * count; i += 4) {
            float number = numbers.get(FLOAT, i);
            numbers.set(FLOAT, i, number == 0 ? 0f : number * factors.get(FLOAT, i));
        }
    }

    @Override
    public void products(MemorySegment weights, MemorySegment x, long at, float reference, MemorySegment lanes,
            int count) {
        for (int i = 0; i < count; i++) {
            long lane = 4L * (i % LANES);
            float w = weights.get(FLOAT, 4L * i);
            float product = w == 0 ? 0f : w * (x.get(FLOAT, at + 4L * i) - reference);
            lanes.set(FLOAT, lane, lanes.get(FLOAT, lane) + product);
        }
    }

    private static float difference(float x, float max) {
        float d = x - max;
        return d < FloatMath.EXP_ZERO ? FloatMath.EXP_ZERO : d;
    }
}
