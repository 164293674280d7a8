package dev.fusor.assign;

import dev.fusor.simd.FloatMath;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** The loops without vectors. */
final class SinkhornPlain implements SinkhornLoop {
    static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    @Override
    public void raise(MemorySegment costs, long at, float scale, float potential, float[] greatest, int from,
            int to) {
        for (int j = from; j < to; j++) {
            float x = x(costs, at, j, scale, potential);
            greatest[j] = x > greatest[j] ? x : greatest[j];
        }
    }

    @Override
    public void add(MemorySegment costs, long at, float scale, float potential, float[] greatest, float[] sums,
            int from, int to) {
        for (int j = from; j < to; j++) {
            sums[j] += FloatMath.exp(x(costs, at, j, scale, potential) - greatest[j]);
        }
    }

    @Override
    public void plan(MemorySegment costs, long at, float scale, float potential, float[] others, MemorySegment plan,
            int from, int to) {
        for (int j = from; j < to; j++) {
            plan.set(FLOAT, at + (long) j * Float.BYTES,
                    FloatMath.exp(x(costs, at, j, scale, potential) + others[j]));
        }
    }

    private static float x(MemorySegment costs, long at, int j, float scale, float potential) {
        return Math.fma(costs.get(FLOAT, at + (long) j * Float.BYTES), scale, potential);
    }
}
