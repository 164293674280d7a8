package dev.fusor.simd;

/**
 * The exponential and the logarithm of binary32 that Fusor computes with, the same bits wherever they are computed: nothing
 * but additions, multiplications, fused multiply-adds and arithmetic on exponents, in a stated order. {@link LanesMath} has
 * them for vectors.
 *
 * <p>Both stay within one unit in the last place of the exact result where that is a normal number; docs/adr/014 has the
 * measured errors. Every NaN gives NaN.
 */
public final class FloatMath {
    /** What {@link #exp} maps to 0, as it does all below. */
    public static final float EXP_ZERO = -104f;

    /** From here to 88, {@link #exp} is a normal number. */
    public static final float EXP_NORMAL = -86f;

    /** What {@link #exp} maps to infinity, as it does all above. */
    static final float EXP_INFINITY = 89f;

    static final float LOG2_E = 0x1.715476p+0f;
    /** The upper bits of the logarithm of 2: its product with an exponent is exact. */
    static final float LN2_HIGH = 0x1.62e4p-1f;
    static final float LN2_LOW = 0x1.7f7d1cp-20f;
    /** Added to a number, it leaves the nearest integer in the lowest bits. */
    static final float ROUNDER = 0x1.8p23f;
    static final int ROUNDER_BITS = 0x4B400000;

    /** Of exp(r) = 1 + r + r^2 (E2 + E3 r + ...), for r up to half the logarithm of 2. */
    static final float E2 = 0x1.fffffcp-2f;
    static final float E3 = 0x1.555492p-3f;
    static final float E4 = 0x1.5558b2p-5f;
    static final float E5 = 0x1.12398ep-7f;
    static final float E6 = 0x1.6a4b36p-10f;

    /** The bits of 2/3: mantissas are taken from there to 4/3, so that the logarithms next to 1 need no exponent. */
    static final int TWO_THIRDS = 0x3F2AAAAB;
    static final float SMALLEST_NORMAL = Float.MIN_NORMAL;
    static final float SUBNORMAL_SCALE = 0x1p23f;
    static final int SUBNORMAL_SHIFT = 23;

    /** Of log(1 + f) = f - f^2 / 2 + f^3 (L0 + L1 f + ...), for f from -1/3 to 1/3. */
    static final float L0 = 0x1.555506p-2f;
    static final float L1 = -0x1.fffef4p-3f;
    static final float L2 = 0x1.99d05ep-3f;
    static final float L3 = -0x1.559d36p-3f;
    static final float L4 = 0x1.1ed424p-3f;
    static final float L5 = -0x1.f32078p-4f;
    static final float L6 = 0x1.1e73a0p-3f;
    static final float L7 = -0x1.07e5f4p-3f;

    private FloatMath() {}

    /**
     * {@return e to the power of a number} Infinity above 88.7228, rounded to subnormal numbers below -87.3366, 0 below
     * -103.973; never -0.
     *
     * @param x any number
     */
    public static float exp(float x) {
        float bounded = x < EXP_ZERO ? EXP_ZERO : x > EXP_INFINITY ? EXP_INFINITY : x;
        float rounded = Math.fma(bounded, LOG2_E, ROUNDER);
        float n = rounded - ROUNDER;
        float r = Math.fma(n, -LN2_LOW, Math.fma(n, -LN2_HIGH, bounded));
        float p = Math.fma(E6, r, E5);
        p = Math.fma(p, r, E4);
        p = Math.fma(p, r, E3);
        p = Math.fma(p, r, E2);
        p = Math.fma(p, r, 1f);
        p = Math.fma(p, r, 1f);
        // Two halves of the exponent: the first product is exact, the second rounds once, also to a subnormal number.
        int exponent = Float.floatToRawIntBits(rounded) - ROUNDER_BITS;
        int half = exponent >> 1;
        return p * powerOfTwo(half) * powerOfTwo(exponent - half);
    }

    private static float powerOfTwo(int exponent) {
        return Float.intBitsToFloat(exponent + 127 << 23);
    }

    /**
     * {@return the natural logarithm of a number} Of 1 it is +0, of either zero -infinity, of a negative number NaN, of
     * infinity infinity; subnormal numbers are taken as they are.
     *
     * @param x any number
     */
    public static float log(float x) {
        boolean subnormal = x < SMALLEST_NORMAL;
        int bits = Float.floatToRawIntBits(subnormal ? x * SUBNORMAL_SCALE : x);
        int exponent = bits - TWO_THIRDS >> 23;
        float f = Float.intBitsToFloat(bits - (exponent << 23)) - 1f;
        float e = exponent - (subnormal ? SUBNORMAL_SHIFT : 0);
        float p = Math.fma(L7, f, L6);
        p = Math.fma(p, f, L5);
        p = Math.fma(p, f, L4);
        p = Math.fma(p, f, L3);
        p = Math.fma(p, f, L2);
        p = Math.fma(p, f, L1);
        p = Math.fma(p, f, L0);
        float square = f * f;
        float tail = Math.fma(p, f * square, Math.fma(-0.5f, square, e * LN2_LOW));
        float result = Math.fma(e, LN2_HIGH, f + tail);
        return x > 0 ? x == Float.POSITIVE_INFINITY ? x : result : x == 0 ? Float.NEGATIVE_INFINITY : Float.NaN;
    }
}
