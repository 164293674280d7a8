package dev.fusor.simd;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

import static dev.fusor.simd.FloatMath.*;

/** {@link FloatMath} for vectors: the same bits. */
public final class LanesMath {
    private LanesMath() {}

    /**
     * {@return {@link FloatMath#exp} of each lane}
     *
     * @param x any numbers
     */
    public static FloatVector exp(FloatVector x) {
        return expNotAbove(x.blend(EXP_INFINITY, x.compare(VectorOperators.GT, EXP_INFINITY)));
    }

    /**
     * {@return {@link FloatMath#exp} of each lane, for numbers up to 89} Differences to a maximum are.
     *
     * @param x numbers up to 89, or NaN
     */
    public static FloatVector expNotAbove(FloatVector x) {
        return expBounded(x.blend(EXP_ZERO, x.compare(VectorOperators.LT, EXP_ZERO)));
    }

    /**
     * {@return {@link FloatMath#exp} of each lane, for numbers from {@link FloatMath#EXP_ZERO} to 89}
     *
     * @param x numbers in that range, or NaN
     */
    public static FloatVector expBounded(FloatVector x) {
        FloatVector rounded = x.fma(all(LOG2_E), all(ROUNDER));
        FloatVector n = rounded.sub(ROUNDER);
        FloatVector r = n.fma(all(-LN2_LOW), n.fma(all(-LN2_HIGH), x));
        FloatVector p = all(E6).fma(r, all(E5));
        p = p.fma(r, all(E4));
        p = p.fma(r, all(E3));
        p = p.fma(r, all(E2));
        p = p.fma(r, all(1f));
        p = p.fma(r, all(1f));
        IntVector exponent = rounded.reinterpretAsInts().sub(ROUNDER_BITS);
        IntVector half = exponent.lanewise(VectorOperators.ASHR, 1);
        return p.mul(powerOfTwo(half)).mul(powerOfTwo(exponent.sub(half)));
    }

    private static FloatVector powerOfTwo(IntVector exponent) {
        return exponent.add(127).lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats();
    }

    /**
     * {@return {@link FloatMath#log} of each lane}
     *
     * @param x any numbers
     */
    public static FloatVector log(FloatVector x) {
        VectorMask<Float> subnormal = x.compare(VectorOperators.LT, SMALLEST_NORMAL);
        IntVector bits = x.blend(x.mul(SUBNORMAL_SCALE), subnormal).reinterpretAsInts();
        IntVector exponent = bits.sub(TWO_THIRDS).lanewise(VectorOperators.ASHR, 23);
        FloatVector f = bits.sub(exponent.lanewise(VectorOperators.LSHL, 23)).reinterpretAsFloats().sub(1f);
        FloatVector e = (FloatVector) exponent.convertShape(VectorOperators.I2F, Lanes.FLOAT, 0);
        e = e.blend(e.sub(SUBNORMAL_SHIFT), subnormal);
        FloatVector p = all(L7).fma(f, all(L6));
        p = p.fma(f, all(L5));
        p = p.fma(f, all(L4));
        p = p.fma(f, all(L3));
        p = p.fma(f, all(L2));
        p = p.fma(f, all(L1));
        p = p.fma(f, all(L0));
        FloatVector square = f.mul(f);
        FloatVector tail = p.fma(f.mul(square), square.fma(all(-0.5f), e.mul(LN2_LOW)));
        FloatVector result = e.fma(all(LN2_HIGH), f.add(tail));
        result = result.blend(x, x.compare(VectorOperators.EQ, Float.POSITIVE_INFINITY));
        VectorMask<Float> positive = x.compare(VectorOperators.GT, 0f);
        VectorMask<Float> zero = x.compare(VectorOperators.EQ, 0f);
        return result.blend(Float.NaN, positive.not()).blend(Float.NEGATIVE_INFINITY, zero);
    }

    private static FloatVector all(float value) {
        return FloatVector.broadcast(Lanes.FLOAT, value);
    }
}
