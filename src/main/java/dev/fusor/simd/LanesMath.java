package dev.fusor.simd;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

import static dev.fusor.simd.FloatMath.*;

/**
 * {@link FloatMath} for vectors: the same bits. In pieces of at most 35 bytecodes, which C2 inlines wherever it meets them; a
 * larger method stays a call where a loop was compiled early, and every vector that crosses it an object.
 */
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
        return scaled(mantissaOf(x, rounded), rounded.reinterpretAsInts().sub(ROUNDER_BITS));
    }

    /**
     * {@return {@link FloatMath#exp} of each lane, for numbers from {@link FloatMath#EXP_NORMAL} to 88} The power of two goes straight
     * into the exponent: nothing rounds where the result is a normal number.
     *
     * @param x numbers in that range
     */
    public static FloatVector expNormal(FloatVector x) {
        FloatVector rounded = x.fma(all(LOG2_E), all(ROUNDER));
        return shifted(mantissaOf(x, rounded), rounded.reinterpretAsInts());
    }

    private static FloatVector shifted(FloatVector p, IntVector exponent) {
        return p.reinterpretAsInts().add(exponent.lanewise(VectorOperators.LSHL, 23)).reinterpretAsFloats();
    }

    /** The exponential less its power of two, which is in the lowest bits of {@code rounded}. */
    private static FloatVector mantissaOf(FloatVector x, FloatVector rounded) {
        return expOfRemainder(remainder(x, rounded.sub(ROUNDER)));
    }

    private static FloatVector remainder(FloatVector x, FloatVector n) {
        return n.fma(all(-LN2_LOW), n.fma(all(-LN2_HIGH), x));
    }

    private static FloatVector expOfRemainder(FloatVector r) {
        return next(next(next(expEnd(r), r, E2), r, 1f), r, 1f);
    }

    private static FloatVector expEnd(FloatVector r) {
        return next(next(next(all(E6), r, E5), r, E4), r, E3);
    }

    private static FloatVector scaled(FloatVector p, IntVector exponent) {
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
        FloatVector normal = x.blend(x.mul(SUBNORMAL_SCALE), subnormal);
        return edges(x, logOfNormal(normal.reinterpretAsInts(), subnormal));
    }

    private static FloatVector logOfNormal(IntVector bits, VectorMask<Float> subnormal) {
        IntVector exponent = bits.sub(TWO_THIRDS).lanewise(VectorOperators.ASHR, 23);
        return sum(exponent(exponent, subnormal), mantissa(bits, exponent));
    }

    private static FloatVector exponent(IntVector exponent, VectorMask<Float> subnormal) {
        FloatVector e = (FloatVector) exponent.convertShape(VectorOperators.I2F, Lanes.FLOAT, 0);
        return e.blend(e.sub(SUBNORMAL_SHIFT), subnormal);
    }

    private static FloatVector mantissa(IntVector bits, IntVector exponent) {
        return bits.sub(exponent.lanewise(VectorOperators.LSHL, 23)).reinterpretAsFloats().sub(1f);
    }

    private static FloatVector sum(FloatVector e, FloatVector f) {
        FloatVector square = f.mul(f);
        return total(e, f, cubic(f).fma(f.mul(square), tail(e, square)));
    }

    private static FloatVector tail(FloatVector e, FloatVector square) {
        return square.fma(all(-0.5f), e.mul(LN2_LOW));
    }

    private static FloatVector total(FloatVector e, FloatVector f, FloatVector tail) {
        return e.fma(all(LN2_HIGH), f.add(tail));
    }

    private static FloatVector cubic(FloatVector f) {
        FloatVector p = next(next(next(all(L7), f, L6), f, L5), f, L4);
        return next(cubicEnd(p, f), f, L0);
    }

    private static FloatVector cubicEnd(FloatVector p, FloatVector f) {
        return next(next(next(p, f, L3), f, L2), f, L1);
    }

    private static FloatVector edges(FloatVector x, FloatVector result) {
        FloatVector finite = result.blend(x, x.compare(VectorOperators.EQ, Float.POSITIVE_INFINITY));
        return outside(finite, x.compare(VectorOperators.GT, 0f), x.compare(VectorOperators.EQ, 0f));
    }

    private static FloatVector outside(FloatVector result, VectorMask<Float> positive, VectorMask<Float> zero) {
        return result.blend(Float.NaN, positive.not()).blend(Float.NEGATIVE_INFINITY, zero);
    }

    /** One step of a polynomial. */
    private static FloatVector next(FloatVector p, FloatVector x, float coefficient) {
        return p.fma(x, all(coefficient));
    }

    private static FloatVector all(float value) {
        return FloatVector.broadcast(Lanes.FLOAT, value);
    }
}
