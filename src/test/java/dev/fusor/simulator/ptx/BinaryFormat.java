package dev.fusor.simulator.ptx;

/**
 * A floating point format as IEEE 754 describes one, for the definitions that translated instructions are held to.
 *
 * @param precision bits of the significand with the leading one
 * @param emin exponent of the smallest normal number
 */
record BinaryFormat(int bits, int precision, int emin, boolean hasInfinity, long largest, long nan) {
    static final BinaryFormat F16 = new BinaryFormat(16, 11, -14, true, 0x7bffL, 0x7fffL);
    static final BinaryFormat BF16 = new BinaryFormat(16, 8, -126, true, 0x7f7fL, 0x7fffL);
    static final BinaryFormat F32 = new BinaryFormat(32, 24, -126, true, 0x7f7fffffL, 0x7fffffffL);
    static final BinaryFormat F64 = new BinaryFormat(64, 53, -1022, true, 0x7fefffffffffffffL, 0x7fffffffffffffffL);
    static final BinaryFormat TF32 = new BinaryFormat(19, 11, -126, true, 0x3fbffL, 0x3ffffL);
    static final BinaryFormat E5M2 = new BinaryFormat(8, 3, -14, true, 0x7bL, 0x7fL);
    static final BinaryFormat E4M3 = new BinaryFormat(8, 4, -6, false, 0x7eL, 0x7fL);

    static BinaryFormat of(String type) {
        return switch (type.endsWith("x2") ? type.substring(0, type.length() - 2) : type) {
            case "f16" -> F16;
            case "bf16" -> BF16;
            case "f32" -> F32;
            case "f64" -> F64;
            case "e5m2" -> E5M2;
            case "e4m3" -> E4M3;
            default -> throw new IllegalArgumentException("no float: " + type);
        };
    }

    long mask() {
        return bits == 64 ? -1L : (1L << bits) - 1;
    }

    long sign() {
        return 1L << (bits - 1);
    }

    long magnitude(long value) {
        return value & (sign() - 1);
    }

    boolean isNegative(long value) {
        return (value & sign()) != 0;
    }

    boolean isNan(long value) {
        return magnitude(value) > (hasInfinity ? infinity() : largest);
    }

    boolean isInfinite(long value) {
        return hasInfinity && magnitude(value) == infinity();
    }

    long infinity() {
        return largest + 1;
    }

    boolean isSubnormal(long value) {
        return magnitude(value) != 0 && magnitude(value) < 1L << (precision - 1);
    }

    boolean isZero(long value) {
        return magnitude(value) == 0;
    }

    long one() {
        return (long) (1 - emin) << (precision - 1);
    }
}
