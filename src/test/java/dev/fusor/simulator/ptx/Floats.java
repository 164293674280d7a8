package dev.fusor.simulator.ptx;

/** Steps that many definitions of floating point have in common. */
final class Floats {
    private Floats() {}

    static double toDouble(long bits, BinaryFormat format) {
        if (format.isNan(bits)) {
            return Double.NaN;
        }
        if (format.isInfinite(bits)) {
            return format.isNegative(bits) ? Double.NEGATIVE_INFINITY : Double.POSITIVE_INFINITY;
        }
        return Double.longBitsToDouble(Exact.round(Exact.fraction(bits, format), BinaryFormat.F64, "rn"));
    }

    static long flush(long bits, BinaryFormat format, boolean ftz) {
        return ftz && format.isSubnormal(bits) ? bits & format.sign() : bits;
    }

    /** .sat */
    static long saturate(long bits, BinaryFormat format, boolean sat) {
        if (!sat) {
            return bits;
        }
        if (format.isNan(bits) || format.isNegative(bits)) {
            return 0;
        }
        return Math.min(bits, format.one());
    }

    /** .relu */
    static long rectify(long bits, BinaryFormat format, boolean relu) {
        return relu && format.isNegative(bits) && !format.isNan(bits) ? 0 : bits;
    }

    static long signedInfinity(boolean negative, BinaryFormat format) {
        return format.infinity() | (negative ? format.sign() : 0);
    }

    static long add(long a, long b, BinaryFormat format, String mode) {
        if (format.isNan(a) || format.isNan(b)) {
            return format.nan();
        }
        if (format.isInfinite(a) || format.isInfinite(b)) {
            boolean opposed = format.isInfinite(a) && format.isInfinite(b) && a != b;
            return opposed ? format.nan() : format.isInfinite(a) ? a : b;
        }
        return Exact.round(Exact.sum(Exact.fraction(a, format), Exact.fraction(b, format), mode.equals("rm")), format,
                mode);
    }

    static long multiply(long a, long b, BinaryFormat format, String mode) {
        return multiplyAdd(a, b, null, format, mode);
    }

    /** a * b + c, or a * b where c is null. */
    static long multiplyAdd(long a, long b, Long c, BinaryFormat format, String mode) {
        boolean negative = format.isNegative(a) != format.isNegative(b);
        boolean infinite = format.isInfinite(a) || format.isInfinite(b);
        boolean invalid = format.isInfinite(a) && format.isZero(b) || format.isZero(a) && format.isInfinite(b);
        if (invalid || format.isNan(a) || format.isNan(b) || c != null && format.isNan(c)) {
            return format.nan();
        }
        if (infinite) {
            boolean opposed = c != null && format.isInfinite(c) && format.isNegative(c) != negative;
            return opposed ? format.nan() : signedInfinity(negative, format);
        }
        if (c != null && format.isInfinite(c)) {
            return c;
        }
        Exact.Fraction product = Exact.product(Exact.fraction(a, format), Exact.fraction(b, format));
        Exact.Fraction exact = c == null ? product : Exact.sum(product, Exact.fraction(c, format), mode.equals("rm"));
        return Exact.round(exact, format, mode);
    }

    static long divide(long a, long b, BinaryFormat format, String mode) {
        boolean negative = format.isNegative(a) != format.isNegative(b);
        boolean invalid = format.isInfinite(a) && format.isInfinite(b) || format.isZero(a) && format.isZero(b);
        if (invalid || format.isNan(a) || format.isNan(b)) {
            return format.nan();
        }
        if (format.isInfinite(a) || format.isZero(b)) {
            return signedInfinity(negative, format);
        }
        if (format.isInfinite(b)) {
            return negative ? format.sign() : 0;
        }
        return Exact.round(Exact.quotient(Exact.fraction(a, format), Exact.fraction(b, format)), format, mode);
    }

    static long squareRoot(long a, BinaryFormat format, String mode) {
        if (format.isNan(a) || format.isNegative(a) && !format.isZero(a)) {
            return format.nan();
        }
        if (format.isInfinite(a) || format.isZero(a)) {
            return a;
        }
        return Exact.round(Exact.squareRoot(Exact.fraction(a, format)), format, mode);
    }

    /** -1, 0 or 1; zeros are equal. Neither is NaN. */
    static int compare(long a, long b, BinaryFormat format) {
        return Double.compare(toDouble(a, format) + 0.0, toDouble(b, format) + 0.0);
    }
}
