package dev.fusor.consensus;

import dev.fusor.consensus.DisjointMerge.Aggregation;
import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.consensus.DisjointMerge.Zero;
import dev.fusor.consensus.DisjointMergeLoop.Watch;
import dev.fusor.simd.Lanes;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.DType;
import dev.fusor.trim.MagnitudeCut;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

import static jdk.incubator.vector.VectorOperators.XOR;

/**
 * Template: up to four models in registers, straight through. Signs are turned so that the elected one is plus, and turned
 * back last.
 *
 * <p>The loop passes C2's limit of nodes, beyond which it takes in methods of the Vector API but no other: so what follows
 * the loads calls no method of ours, and spells out what is done with each model (docs/adr/010-specialised-templates.md).
 */
final class DisjointMergeLanes implements DisjointMergeLoop {
    private static final Form FORM = Specialised.constants(MethodHandles.lookup(), Form.class);
    private static final DType IN = FORM.input();
    private static final DType OUT = FORM.output();
    private static final int MODELS = FORM.models();
    private static final boolean ELECTS = FORM.election() != Election.NONE;
    private static final boolean WEIGHTED = FORM.election() != Election.UNWEIGHTED;
    private static final boolean COUNTS = FORM.election() == Election.COUNT;
    private static final boolean LARGEST = FORM.aggregation() == Aggregation.LARGEST;
    private static final boolean ZERO_IS_MINUS = FORM.zero() == Zero.MINUS;
    private static final boolean NORMALIZE = FORM.normalize();
    private static final boolean DROP = FORM.drop();
    private static final boolean WATCH = FORM.watch() != Watch.NONE && FORM.step().vote();
    private static final boolean LIST = FORM.watch() == Watch.LIST;
    private static final boolean VOTE = FORM.step().vote();
    private static final boolean SETTLE = FORM.step().settle();
    private static final boolean FIRST = FORM.step().first();
    private static final boolean LAST = FORM.step().last();
    private static final long IN_BYTES = IN.bits() / 8;
    private static final long OUT_BYTES = OUT.bits() / 8;
    private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;
    private static final int SIGN = 0x80000000;
    private static final int ONE = 0x3F800000;
    private static final FloatVector NOTHING = FloatVector.zero(Lanes.FLOAT);
    private static final IntVector STEPS = IntVector.zero(Lanes.INT).addIndex(1);

    DisjointMergeLanes() {}

    @Override
    public void run(Group group, Sums sums, MemorySegment base, long baseAt, MemorySegment out, long outAt, int count) {
        MemorySegment massData = sums.mass();
        MemorySegment agreeing = sums.agreeing();
        MemorySegment weights = sums.weights();
        float allWeights = sums.allWeights();
        float lambda = sums.lambda();
        int second = MODELS > 1 ? 1 : 0;
        int third = MODELS > 2 ? 2 : 0;
        int fourth = MODELS > 3 ? 3 : 0;
        MemorySegment x0 = group.x[0];
        MemorySegment x1 = group.x[second];
        MemorySegment x2 = group.x[third];
        MemorySegment x3 = group.x[fourth];
        MemorySegment f0 = group.factors[0];
        MemorySegment f1 = group.factors[second];
        MemorySegment f2 = group.factors[third];
        MemorySegment f3 = group.factors[fourth];
        MemorySegment v0 = group.votes[0];
        MemorySegment v1 = group.votes[second];
        MemorySegment v2 = group.votes[third];
        MemorySegment v3 = group.votes[fourth];
        long at0 = group.at[0];
        long at1 = group.at[1];
        long at2 = group.at[2];
        long at3 = group.at[3];
        float w0 = group.weight[0];
        float w1 = group.weight[1];
        float w2 = group.weight[2];
        float w3 = group.weight[3];
        int least0 = group.least[0];
        int least1 = group.least[1];
        int least2 = group.least[2];
        int least3 = group.least[3];
        int width0 = group.width[0];
        int width1 = group.width[1];
        int width2 = group.width[2];
        int width3 = group.width[3];
        int span0 = group.span[0];
        int span1 = group.span[1];
        int span2 = group.span[2];
        int span3 = group.span[3];
        int place = group.place;
        int[] places0 = group.places[0];
        int[] places1 = group.places[second];
        int[] places2 = group.places[third];
        int[] places3 = group.places[fourth];
        int[] keys0 = group.keys[0];
        int[] keys1 = group.keys[second];
        int[] keys2 = group.keys[third];
        int[] keys3 = group.keys[fourth];
        int end0 = group.near[0];
        int end1 = group.near[1];
        int end2 = group.near[2];
        int end3 = group.near[3];
        int watched0 = group.watched[0];
        int watched1 = group.watched[1];
        int watched2 = group.watched[2];
        int watched3 = group.watched[3];
        IntVector kept0 = IntVector.zero(Lanes.INT);
        IntVector kept1 = IntVector.zero(Lanes.INT);
        IntVector kept2 = IntVector.zero(Lanes.INT);
        IntVector kept3 = IntVector.zero(Lanes.INT);
        IntVector near0 = IntVector.zero(Lanes.INT);
        IntVector near1 = IntVector.zero(Lanes.INT);
        IntVector near2 = IntVector.zero(Lanes.INT);
        IntVector near3 = IntVector.zero(Lanes.INT);
        for (long i = 0; i < count; i += Lanes.LENGTH) {
            long in = i * IN_BYTES;
            long at = i * Float.BYTES;
            FloatVector b = Lanes.load(IN, base, baseAt + in);
            FloatVector vote0 = vote(x0, at0 + in, v0, at);
            FloatVector vote1 = MODELS > 1 ? vote(x1, at1 + in, v1, at) : NOTHING;
            FloatVector vote2 = MODELS > 2 ? vote(x2, at2 + in, v2, at) : NOTHING;
            FloatVector vote3 = MODELS > 3 ? vote(x3, at3 + in, v3, at) : NOTHING;
            FloatVector mass = load(!VOTE || !FIRST, massData, at);
            if (VOTE) {
                FloatVector delta = vote0.sub(b);
                IntVector key = delta.reinterpretAsInts().and(Integer.MAX_VALUE);
                VectorMask<Integer> inBand = key.sub(least0).compare(VectorOperators.ULT, width0);
                if (WATCH) {
                    kept0 = kept0.add(1, inBand);
                    VectorMask<Integer> isNear = LIST
                            ? key.sub(watched0).compare(VectorOperators.ULT, span0)
                            : key.compare(VectorOperators.EQ, watched0);
                    if (LIST) {
                        STEPS.add(place + (int) i).compress(isNear).intoArray(places0, end0);
                        key.min(MagnitudeCut.NAN_KEY).compress(isNear).intoArray(keys0, end0);
                        end0 += isNear.trueCount();
                    } else {
                        near0 = near0.add(1, isNear);
                    }
                }
                VectorMask<Float> kept = inBand.cast(Lanes.FLOAT);
                if (DROP) {
                    FloatVector factor = FloatVector.fromMemorySegment(Lanes.FLOAT, f0, at, ORDER);
                    kept = kept.and(factor.compare(VectorOperators.EQ, factor));
                    delta = delta.mul(factor);
                }
                vote0 = NOTHING.blend(WEIGHTED ? delta.mul(w0) : delta, kept);
                if (COUNTS) {
                    FloatVector sign = vote0.reinterpretAsInts().and(SIGN).or(ONE).reinterpretAsFloats();
                    mass = mass.add(sign.blend(vote0, vote0.compare(VectorOperators.NE, vote0)),
                            vote0.compare(VectorOperators.NE, 0f));
                } else {
                    mass = mass.add(vote0);
                }
            }
            if (VOTE && MODELS > 1) {
                FloatVector delta = vote1.sub(b);
                IntVector key = delta.reinterpretAsInts().and(Integer.MAX_VALUE);
                VectorMask<Integer> inBand = key.sub(least1).compare(VectorOperators.ULT, width1);
                if (WATCH) {
                    kept1 = kept1.add(1, inBand);
                    VectorMask<Integer> isNear = LIST
                            ? key.sub(watched1).compare(VectorOperators.ULT, span1)
                            : key.compare(VectorOperators.EQ, watched1);
                    if (LIST) {
                        STEPS.add(place + (int) i).compress(isNear).intoArray(places1, end1);
                        key.min(MagnitudeCut.NAN_KEY).compress(isNear).intoArray(keys1, end1);
                        end1 += isNear.trueCount();
                    } else {
                        near1 = near1.add(1, isNear);
                    }
                }
                VectorMask<Float> kept = inBand.cast(Lanes.FLOAT);
                if (DROP) {
                    FloatVector factor = FloatVector.fromMemorySegment(Lanes.FLOAT, f1, at, ORDER);
                    kept = kept.and(factor.compare(VectorOperators.EQ, factor));
                    delta = delta.mul(factor);
                }
                vote1 = NOTHING.blend(WEIGHTED ? delta.mul(w1) : delta, kept);
                if (COUNTS) {
                    FloatVector sign = vote1.reinterpretAsInts().and(SIGN).or(ONE).reinterpretAsFloats();
                    mass = mass.add(sign.blend(vote1, vote1.compare(VectorOperators.NE, vote1)),
                            vote1.compare(VectorOperators.NE, 0f));
                } else {
                    mass = mass.add(vote1);
                }
            }
            if (VOTE && MODELS > 2) {
                FloatVector delta = vote2.sub(b);
                IntVector key = delta.reinterpretAsInts().and(Integer.MAX_VALUE);
                VectorMask<Integer> inBand = key.sub(least2).compare(VectorOperators.ULT, width2);
                if (WATCH) {
                    kept2 = kept2.add(1, inBand);
                    VectorMask<Integer> isNear = LIST
                            ? key.sub(watched2).compare(VectorOperators.ULT, span2)
                            : key.compare(VectorOperators.EQ, watched2);
                    if (LIST) {
                        STEPS.add(place + (int) i).compress(isNear).intoArray(places2, end2);
                        key.min(MagnitudeCut.NAN_KEY).compress(isNear).intoArray(keys2, end2);
                        end2 += isNear.trueCount();
                    } else {
                        near2 = near2.add(1, isNear);
                    }
                }
                VectorMask<Float> kept = inBand.cast(Lanes.FLOAT);
                if (DROP) {
                    FloatVector factor = FloatVector.fromMemorySegment(Lanes.FLOAT, f2, at, ORDER);
                    kept = kept.and(factor.compare(VectorOperators.EQ, factor));
                    delta = delta.mul(factor);
                }
                vote2 = NOTHING.blend(WEIGHTED ? delta.mul(w2) : delta, kept);
                if (COUNTS) {
                    FloatVector sign = vote2.reinterpretAsInts().and(SIGN).or(ONE).reinterpretAsFloats();
                    mass = mass.add(sign.blend(vote2, vote2.compare(VectorOperators.NE, vote2)),
                            vote2.compare(VectorOperators.NE, 0f));
                } else {
                    mass = mass.add(vote2);
                }
            }
            if (VOTE && MODELS > 3) {
                FloatVector delta = vote3.sub(b);
                IntVector key = delta.reinterpretAsInts().and(Integer.MAX_VALUE);
                VectorMask<Integer> inBand = key.sub(least3).compare(VectorOperators.ULT, width3);
                if (WATCH) {
                    kept3 = kept3.add(1, inBand);
                    VectorMask<Integer> isNear = LIST
                            ? key.sub(watched3).compare(VectorOperators.ULT, span3)
                            : key.compare(VectorOperators.EQ, watched3);
                    if (LIST) {
                        STEPS.add(place + (int) i).compress(isNear).intoArray(places3, end3);
                        key.min(MagnitudeCut.NAN_KEY).compress(isNear).intoArray(keys3, end3);
                        end3 += isNear.trueCount();
                    } else {
                        near3 = near3.add(1, isNear);
                    }
                }
                VectorMask<Float> kept = inBand.cast(Lanes.FLOAT);
                if (DROP) {
                    FloatVector factor = FloatVector.fromMemorySegment(Lanes.FLOAT, f3, at, ORDER);
                    kept = kept.and(factor.compare(VectorOperators.EQ, factor));
                    delta = delta.mul(factor);
                }
                vote3 = NOTHING.blend(WEIGHTED ? delta.mul(w3) : delta, kept);
                if (COUNTS) {
                    FloatVector sign = vote3.reinterpretAsInts().and(SIGN).or(ONE).reinterpretAsFloats();
                    mass = mass.add(sign.blend(vote3, vote3.compare(VectorOperators.NE, vote3)),
                            vote3.compare(VectorOperators.NE, 0f));
                } else {
                    mass = mass.add(vote3);
                }
            }
            if (!SETTLE) {
                mass.intoMemorySegment(massData, at, ORDER);
                if (ELECTS) {
                    vote0.intoMemorySegment(v0, at, ORDER);
                }
                if (ELECTS && MODELS > 1) {
                    vote1.intoMemorySegment(v1, at, ORDER);
                }
                if (ELECTS && MODELS > 2) {
                    vote2.intoMemorySegment(v2, at, ORDER);
                }
                if (ELECTS && MODELS > 3) {
                    vote3.intoMemorySegment(v3, at, ORDER);
                }
            } else {
                FloatVector sum = mass;
                FloatVector divisor = FloatVector.broadcast(Lanes.FLOAT, allWeights);
                IntVector turn = mass.reinterpretAsInts().and(SIGN); // a sum of 0 is +0
                if (ZERO_IS_MINUS) {
                    turn = turn.or(IntVector.zero(Lanes.INT).blend(SIGN,
                            mass.compare(VectorOperators.EQ, 0f).cast(Lanes.INT)));
                }
                if (ELECTS) {
                    sum = FIRST ? NOTHING : FloatVector.fromMemorySegment(Lanes.FLOAT, agreeing, at, ORDER);
                    divisor = FIRST ? NOTHING : FloatVector.fromMemorySegment(Lanes.FLOAT, weights, at, ORDER);
                    FloatVector turned = vote0.reinterpretAsInts().lanewise(XOR, turn).reinterpretAsFloats();
                    VectorMask<Float> agrees = turned.compare(VectorOperators.GT, 0f);
                    FloatVector part = WEIGHTED ? turned : turned.mul(w0);
                    if (LARGEST) {
                        agrees = agrees.and(part.abs().compare(VectorOperators.GT, sum.abs()));
                    }
                    sum = LARGEST ? sum.blend(part, agrees) : sum.add(part, agrees);
                    divisor = LARGEST ? divisor.blend(w0, agrees) : NORMALIZE ? divisor.add(w0, agrees) : divisor;
                }
                if (ELECTS && MODELS > 1) {
                    FloatVector turned = vote1.reinterpretAsInts().lanewise(XOR, turn).reinterpretAsFloats();
                    VectorMask<Float> agrees = turned.compare(VectorOperators.GT, 0f);
                    FloatVector part = WEIGHTED ? turned : turned.mul(w1);
                    if (LARGEST) {
                        agrees = agrees.and(part.abs().compare(VectorOperators.GT, sum.abs()));
                    }
                    sum = LARGEST ? sum.blend(part, agrees) : sum.add(part, agrees);
                    divisor = LARGEST ? divisor.blend(w1, agrees) : NORMALIZE ? divisor.add(w1, agrees) : divisor;
                }
                if (ELECTS && MODELS > 2) {
                    FloatVector turned = vote2.reinterpretAsInts().lanewise(XOR, turn).reinterpretAsFloats();
                    VectorMask<Float> agrees = turned.compare(VectorOperators.GT, 0f);
                    FloatVector part = WEIGHTED ? turned : turned.mul(w2);
                    if (LARGEST) {
                        agrees = agrees.and(part.abs().compare(VectorOperators.GT, sum.abs()));
                    }
                    sum = LARGEST ? sum.blend(part, agrees) : sum.add(part, agrees);
                    divisor = LARGEST ? divisor.blend(w2, agrees) : NORMALIZE ? divisor.add(w2, agrees) : divisor;
                }
                if (ELECTS && MODELS > 3) {
                    FloatVector turned = vote3.reinterpretAsInts().lanewise(XOR, turn).reinterpretAsFloats();
                    VectorMask<Float> agrees = turned.compare(VectorOperators.GT, 0f);
                    FloatVector part = WEIGHTED ? turned : turned.mul(w3);
                    if (LARGEST) {
                        agrees = agrees.and(part.abs().compare(VectorOperators.GT, sum.abs()));
                    }
                    sum = LARGEST ? sum.blend(part, agrees) : sum.add(part, agrees);
                    divisor = LARGEST ? divisor.blend(w3, agrees) : NORMALIZE ? divisor.add(w3, agrees) : divisor;
                }
                if (!LAST) {
                    sum.intoMemorySegment(agreeing, at, ORDER);
                    divisor.intoMemorySegment(weights, at, ORDER);
                } else {
                    sum = NORMALIZE ? sum.div(divisor.blend(1f, divisor.compare(VectorOperators.EQ, 0f))) : sum;
                    sum = ELECTS ? sum.reinterpretAsInts().lanewise(XOR, turn).reinterpretAsFloats() : sum;
                    FloatVector result = sum.fma(FloatVector.broadcast(Lanes.FLOAT, lambda), b);
                    IntVector bits = result.reinterpretAsInts();
                    VectorMask<Integer> nan = result.compare(VectorOperators.NE, result)
                            .or(mass.compare(VectorOperators.NE, mass)).cast(Lanes.INT);
                    if (OUT == DType.BF16) {
                        IntVector odd = bits.lanewise(VectorOperators.LSHR, 16).and(1);
                        ((ShortVector) bits.add(0x7FFF).add(odd).lanewise(VectorOperators.LSHR, 16).blend(0x7FC0, nan)
                                .convertShape(VectorOperators.I2S, Lanes.SHORT, 0)).intoMemorySegment(out,
                                        outAt + i * OUT_BYTES, ORDER);
                    } else {
                        bits.blend(0x7FC00000, nan).intoMemorySegment(out, outAt + i * OUT_BYTES, ORDER);
                    }
                }
            }
        }
        if (WATCH) {
            group.kept[0] += kept0.reduceLanes(VectorOperators.ADD);
            group.near[0] = end0 + near0.reduceLanes(VectorOperators.ADD);
            group.kept[1] += kept1.reduceLanes(VectorOperators.ADD);
            group.near[1] = end1 + near1.reduceLanes(VectorOperators.ADD);
            group.kept[2] += kept2.reduceLanes(VectorOperators.ADD);
            group.near[2] = end2 + near2.reduceLanes(VectorOperators.ADD);
            group.kept[3] += kept3.reduceLanes(VectorOperators.ADD);
            group.near[3] = end3 + near3.reduceLanes(VectorOperators.ADD);
        }
    }

    /** The model's elements, of which the vote will be formed, or the vote if it was formed before. */
    private static FloatVector vote(MemorySegment x, long xAt, MemorySegment votes, long at) {
        return VOTE ? Lanes.load(IN, x, xAt) : load(ELECTS, votes, at);
    }

    private static FloatVector load(boolean there, MemorySegment data, long at) {
        return there ? FloatVector.fromMemorySegment(Lanes.FLOAT, data, at, ORDER) : NOTHING;
    }
}
