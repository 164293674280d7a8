package dev.fusor.consensus;

import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.simd.Lanes;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.DType;
import dev.fusor.trim.MagnitudeCut;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** Template: the steps of the disjoint merge. Signs are turned so that the elected one is plus, and turned back last. */
final class DisjointMergeLanes implements DisjointMergeLoops {
    private static final Form FORM = Specialised.constants(MethodHandles.lookup(), Form.class);
    private static final DType IN = FORM.input();
    private static final DType OUT = FORM.output();
    private static final boolean ELECTS = FORM.election() != Election.NONE;
    private static final boolean WEIGHTED = FORM.election() != Election.UNWEIGHTED;
    private static final boolean NORMALIZE = FORM.normalize();
    private static final boolean BAND = FORM.band();
    private static final boolean DROP = FORM.drop();
    private static final long IN_BYTES = IN.bits() / 8;
    private static final long OUT_BYTES = OUT.bits() / 8;
    private static final int SIGN = 0x80000000;

    DisjointMergeLanes() {}

    @Override
    public void vote(MemorySegment model, long modelAt, MemorySegment base, long baseAt, float weight, int leastKey,
            int limitKey, MemorySegment factors, MemorySegment votes, MemorySegment mass, int count) {
        for (long i = 0; i < count; i += Lanes.LENGTH) {
            FloatVector delta = Lanes.load(IN, model, modelAt + i * IN_BYTES)
                    .sub(Lanes.load(IN, base, baseAt + i * IN_BYTES));
            IntVector keys = delta.reinterpretAsInts().and(0x7FFFFFFF).min(MagnitudeCut.NAN_KEY);
            VectorMask<Integer> out = keys.compare(VectorOperators.LT, leastKey);
            if (BAND) {
                out = out.or(keys.compare(VectorOperators.GE, limitKey));
            }
            VectorMask<Float> left = out.cast(Lanes.FLOAT);
            if (DROP) {
                FloatVector factor = load(factors, 4 * i);
                left = left.or(factor.compare(VectorOperators.NE, factor));
                delta = delta.mul(factor);
            }
            FloatVector vote = (WEIGHTED ? delta.mul(weight) : delta).blend(0f, left);
            put(vote, votes, 4 * i);
            put(load(mass, 4 * i).add(vote), mass, 4 * i);
        }
    }

    @Override
    public void agree(MemorySegment votes, MemorySegment mass, float weight, MemorySegment sum, MemorySegment weights,
            int count) {
        FloatVector none = FloatVector.zero(Lanes.FLOAT);
        for (long at = 0; at < 4L * count; at += 4L * Lanes.LENGTH) {
            FloatVector vote = turned(load(votes, at), load(mass, at));
            VectorMask<Float> agrees = vote.compare(VectorOperators.GT, 0f);
            put(load(sum, at).add(none.blend(WEIGHTED ? vote : vote.mul(weight), agrees)), sum, at);
            if (NORMALIZE) {
                put(load(weights, at).add(none.blend(weight, agrees)), weights, at);
            }
        }
    }

    @Override
    public void finish(MemorySegment base, long baseAt, MemorySegment mass, MemorySegment sum, MemorySegment weights,
            float lambda, float allWeights, MemorySegment out, long outAt, int count) {
        FloatVector scale = FloatVector.broadcast(Lanes.FLOAT, lambda);
        for (long i = 0; i < count; i += Lanes.LENGTH) {
            FloatVector total = load(mass, 4 * i);
            FloatVector result = ELECTS ? load(sum, 4 * i) : total;
            if (NORMALIZE) {
                FloatVector divisor = ELECTS
                        ? load(weights, 4 * i)
                        : FloatVector.broadcast(Lanes.FLOAT, allWeights);
                result = result.div(divisor.blend(1f, divisor.compare(VectorOperators.EQ, 0f)));
            }
            if (ELECTS) {
                result = turned(result, total).blend(Float.NaN, total.compare(VectorOperators.NE, total));
            }
            Lanes.store(OUT, result.fma(scale, Lanes.load(IN, base, baseAt + i * IN_BYTES)), out,
                    outAt + i * OUT_BYTES);
        }
    }

    /** The value, its sign turned where minus was elected. */
    private static FloatVector turned(FloatVector value, FloatVector mass) {
        IntVector bits = value.reinterpretAsInts();
        VectorMask<Integer> plus = mass.compare(VectorOperators.GE, 0f).cast(Lanes.INT);
        return bits.lanewise(VectorOperators.XOR, SIGN).blend(bits, plus).reinterpretAsFloats();
    }

    private static FloatVector load(MemorySegment data, long at) {
        return Lanes.load(DType.F32, data, at);
    }

    private static void put(FloatVector value, MemorySegment data, long at) {
        value.intoMemorySegment(data, at, ByteOrder.LITTLE_ENDIAN);
    }
}
