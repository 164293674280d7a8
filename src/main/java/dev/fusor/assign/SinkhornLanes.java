package dev.fusor.assign;

import dev.fusor.simd.Lanes;
import dev.fusor.simd.LanesMath;
import dev.fusor.tensor.DType;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** Template without constants: the loops by vectors, what is left over by plain ones. */
final class SinkhornLanes implements SinkhornLoop {
    private static final SinkhornPlain REST = new SinkhornPlain();

    SinkhornLanes() {}

    @Override
    public void raise(MemorySegment costs, long at, float scale, float potential, float[] greatest, int from,
            int to) {
        int end = end(from, to);
        for (int j = from; j < end; j += Lanes.LENGTH) {
            FloatVector x = x(costs, at, j, scale, potential);
            FloatVector known = FloatVector.fromArray(Lanes.FLOAT, greatest, j);
            known.blend(x, x.compare(VectorOperators.GT, known)).intoArray(greatest, j);
        }
        REST.raise(costs, at, scale, potential, greatest, end, to);
    }

    @Override
    public void add(MemorySegment costs, long at, float scale, float potential, float[] greatest, float[] sums,
            int from, int to) {
        int end = end(from, to);
        for (int j = from; j < end; j += Lanes.LENGTH) {
            FloatVector x = x(costs, at, j, scale, potential)
                    .sub(FloatVector.fromArray(Lanes.FLOAT, greatest, j));
            FloatVector.fromArray(Lanes.FLOAT, sums, j).add(LanesMath.expNotAbove(x)).intoArray(sums, j);
        }
        REST.add(costs, at, scale, potential, greatest, sums, end, to);
    }

    @Override
    public void plan(MemorySegment costs, long at, float scale, float potential, float[] others, MemorySegment plan,
            int from, int to) {
        int end = end(from, to);
        for (int j = from; j < end; j += Lanes.LENGTH) {
            FloatVector x = x(costs, at, j, scale, potential).add(FloatVector.fromArray(Lanes.FLOAT, others, j));
            Lanes.store(DType.F32, LanesMath.exp(x), plan, at + (long) j * Float.BYTES);
        }
        REST.plan(costs, at, scale, potential, others, plan, end, to);
    }

    private static int end(int from, int to) {
        return to - (to - from) % Lanes.LENGTH;
    }

    private static FloatVector x(MemorySegment costs, long at, int j, float scale, float potential) {
        return Lanes.load(DType.F32, costs, at + (long) j * Float.BYTES)
                .fma(FloatVector.broadcast(Lanes.FLOAT, scale), FloatVector.broadcast(Lanes.FLOAT, potential));
    }
}
