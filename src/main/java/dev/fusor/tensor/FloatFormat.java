package dev.fusor.tensor;

/**
 * A floating-point format narrower than binary32, as the numbers its conversions need.
 *
 * <p>Widening is exact. Narrowing rounds to nearest, ties to even, keeps subnormals, and turns every NaN into
 * {@link #nan()}. A magnitude that rounds beyond the largest finite one becomes {@link #overflow()} with its sign: infinity
 * where the format has one, NaN in F8_E4M3.
 *
 * @param mantissaBits explicit mantissa bits
 * @param bias the exponent's bias
 * @param magnitudeMask all bits but the sign
 * @param special the lowest magnitude code that is not a finite number
 * @param overflow the code of a positive magnitude too large to represent
 * @param nan the code of the one NaN that narrowing produces
 */
public record FloatFormat(int mantissaBits, int bias, int magnitudeMask, int special, int overflow, int nan) {
    /** The upper half of binary32. */
    public static final FloatFormat BF16 = new FloatFormat(7, 127, 0x7FFF, 0x7F80, 0x7F80, 0x7FC0);
    /** IEEE 754 binary16. */
    public static final FloatFormat F16 = new FloatFormat(10, 15, 0x7FFF, 0x7C00, 0x7C00, 0x7E00);
    /** OCP E5M2. */
    public static final FloatFormat F8_E5M2 = new FloatFormat(2, 15, 0x7F, 0x7C, 0x7C, 0x7E);
    /** OCP E4M3: no infinity, finite up to 448. */
    public static final FloatFormat F8_E4M3 = new FloatFormat(3, 7, 0x7F, 0x7F, 0x7F, 0x7F);

    /**
     * {@return the format of an element type}
     *
     * @param type BF16, F16, F8_E4M3 or F8_E5M2
     * @throws IllegalArgumentException for any other type
     */
    public static FloatFormat of(DType type) {
        return switch (type) {
            case BF16 -> BF16;
            case F16 -> F16;
            case F8_E5M2 -> F8_E5M2;
            case F8_E4M3 -> F8_E4M3;
            default -> throw new IllegalArgumentException(type + " is no floating-point format narrower than F32");
        };
    }

    /** {@return how far a code's bits lie below those of binary32} */
    public int shift() {
        return 23 - mantissaBits;
    }

    /** {@return the power of two between a code's bits read as binary32 and its value} */
    public float scale() {
        return Math.scalb(1f, 127 - bias);
    }

    /** {@return the binary32 bits of the smallest normal number} */
    public int smallestNormalBits() {
        return 128 - bias << 23;
    }

    /** {@return a power of two whose unit in the last place is the smallest subnormal: adding it rounds to a subnormal} */
    public float subnormalMagic() {
        return Math.scalb(1f, 24 - bias - mantissaBits);
    }

    /** {@return what to subtract from a rounded exponent field, in the format's own position} */
    public int rebias() {
        return 127 - bias << mantissaBits;
    }

    /** {@return the sign bit} */
    public int signBit() {
        return magnitudeMask + 1;
    }

    /**
     * {@return the value of a code}
     *
     * @param code the bits; those above the sign are ignored
     */
    public float toFloat(int code) {
        int magnitude = code & magnitudeMask;
        int bits = magnitude << shift();
        int value = magnitude >= special
                ? bits | 0x7F800000
                : Float.floatToRawIntBits(Float.intBitsToFloat(bits) * scale());
        return Float.intBitsToFloat((code & signBit()) == 0 ? value : value | 0x80000000);
    }

    /**
     * {@return the code of the nearest representable value}
     *
     * @param value any number
     */
    public int fromFloat(float value) {
        if (value != value) {
            return nan;
        }
        int bits = Float.floatToRawIntBits(value);
        int sign = bits < 0 ? signBit() : 0;
        int magnitude = bits & 0x7FFFFFFF;
        int code;
        if (magnitude < smallestNormalBits()) {
            float magic = subnormalMagic();
            code = Float.floatToRawIntBits(Float.intBitsToFloat(magnitude) + magic) - Float.floatToRawIntBits(magic);
        } else {
            int half = (1 << shift() - 1) - 1;
            code = (magnitude + half + (magnitude >>> shift() & 1) >>> shift()) - rebias();
        }
        return sign | Math.min(code, overflow);
    }

    /**
     * {@return the code of the nearest representable value, rounded once}
     *
     * @param value any number
     */
    public int fromDouble(double value) {
        float nearest = (float) value;
        if (nearest == value || value != value) {
            return fromFloat(nearest);
        }
        // Rounding to odd keeps the second rounding honest: no tie can appear that was not one before.
        int bits = Float.floatToRawIntBits(nearest);
        int truncated = Math.abs((double) nearest) > Math.abs(value) ? bits - 1 : bits;
        return fromFloat(Float.intBitsToFloat(truncated | 1));
    }
}
