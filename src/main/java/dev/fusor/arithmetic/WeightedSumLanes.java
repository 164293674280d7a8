package dev.fusor.arithmetic;

import dev.fusor.simd.Lanes;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;

/** Template: up to four models in registers, straight through. */
final class WeightedSumLanes implements WeightedSumLoop {
    private static final Form FORM = Specialised.constants(MethodHandles.lookup(), Form.class);
    private static final DType IN = FORM.input();
    private static final DType OUT = FORM.output();
    private static final int MODELS = FORM.models();
    private static final boolean BASE = FORM.base();
    private static final boolean RESUME = FORM.resume();
    private static final boolean FINISH = FORM.finish();
    private static final long IN_BYTES = IN.bits() / 8;
    private static final long OUT_BYTES = OUT.bits() / 8;

    WeightedSumLanes() {}

    @Override
    public void run(MemorySegment[] data, long[] at, float[] weights, float divisor, MemorySegment sum,
            MemorySegment out, long outByte, long count) {
        MemorySegment x0 = data[0];
        MemorySegment x1 = MODELS > 1 ? data[1] : x0;
        MemorySegment x2 = MODELS > 2 ? data[2] : x0;
        MemorySegment x3 = MODELS > 3 ? data[3] : x0;
        MemorySegment b = BASE ? data[WeightedSumCpu.GROUP] : x0;
        long at0 = at[0];
        long at1 = at[1];
        long at2 = at[2];
        long at3 = at[3];
        long atBase = at[WeightedSumCpu.GROUP];
        FloatVector w0 = FloatVector.broadcast(Lanes.FLOAT, weights[0]);
        FloatVector w1 = FloatVector.broadcast(Lanes.FLOAT, weights[1]);
        FloatVector w2 = FloatVector.broadcast(Lanes.FLOAT, weights[2]);
        FloatVector w3 = FloatVector.broadcast(Lanes.FLOAT, weights[3]);
        FloatVector d = FloatVector.broadcast(Lanes.FLOAT, divisor);
        for (long i = 0; i < count; i += Lanes.LENGTH) {
            long in = i * IN_BYTES;
            FloatVector base = BASE ? Lanes.load(IN, b, atBase + in) : null;
            FloatVector delta = delta(x0, at0 + in, base);
            FloatVector s = RESUME
                    ? delta.fma(w0, Lanes.load(DType.F32, sum, i * Float.BYTES))
                    : delta.mul(w0);
            if (MODELS > 1) {
                s = delta(x1, at1 + in, base).fma(w1, s);
            }
            if (MODELS > 2) {
                s = delta(x2, at2 + in, base).fma(w2, s);
            }
            if (MODELS > 3) {
                s = delta(x3, at3 + in, base).fma(w3, s);
            }
            if (FINISH) {
                s = s.div(d);
                s = BASE ? s.add(base) : s;
            }
            Lanes.store(OUT, s, out, outByte + i * OUT_BYTES);
        }
    }

    private static FloatVector delta(MemorySegment data, long at, FloatVector base) {
        FloatVector x = Lanes.load(IN, data, at);
        return BASE ? x.sub(base) : x;
    }
}
