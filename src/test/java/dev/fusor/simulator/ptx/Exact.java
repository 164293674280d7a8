package dev.fusor.simulator.ptx;

import java.math.BigInteger;

/**
 * Floating point by its definition: operands become fractions of whole numbers, operations are exact, and {@link #round} rounds once.
 */
final class Exact {
    private static final BigInteger ONE = BigInteger.ONE;

    /** A finite number: sign, and a fraction that is not negative. A zero keeps its sign. */
    record Fraction(boolean negative, BigInteger numerator, BigInteger denominator) {
        boolean isZero() {
            return numerator.signum() == 0;
        }

        BigInteger signedNumerator() {
            return negative ? numerator.negate() : numerator;
        }

        Fraction negated() {
            return new Fraction(!negative, numerator, denominator);
        }
    }

    private Exact() {}

    static Fraction fraction(long bits, BinaryFormat format) {
        long magnitude = format.magnitude(bits);
        int fractionBits = format.precision() - 1;
        long field = magnitude >>> fractionBits;
        long significand = magnitude & ((1L << fractionBits) - 1);
        int exponent = format.emin() - fractionBits;
        if (field != 0) {
            significand |= 1L << fractionBits;
            exponent += (int) field - 1;
        }
        BigInteger whole = BigInteger.valueOf(significand);
        return exponent >= 0
                ? new Fraction(format.isNegative(bits), whole.shiftLeft(exponent), ONE)
                : new Fraction(format.isNegative(bits), whole, ONE.shiftLeft(-exponent));
    }

    static Fraction whole(BigInteger value) {
        return new Fraction(value.signum() < 0, value.abs(), ONE);
    }

    /** An exact zero sum of numbers of different sign is negative only when rounding down. */
    static Fraction sum(Fraction a, Fraction b, boolean roundsDown) {
        BigInteger numerator = a.signedNumerator().multiply(b.denominator)
                .add(b.signedNumerator().multiply(a.denominator));
        boolean negative = numerator.signum() < 0;
        if (numerator.signum() == 0) {
            negative = a.isZero() && b.isZero() && a.negative == b.negative ? a.negative : roundsDown;
        }
        return new Fraction(negative, numerator.abs(), a.denominator.multiply(b.denominator));
    }

    static Fraction product(Fraction a, Fraction b) {
        return new Fraction(a.negative != b.negative, a.numerator.multiply(b.numerator),
                a.denominator.multiply(b.denominator));
    }

    static Fraction quotient(Fraction a, Fraction b) {
        return new Fraction(a.negative != b.negative, a.numerator.multiply(b.denominator),
                a.denominator.multiply(b.numerator));
    }

    /** So many bits that what is cut off cannot lie on or move across a boundary of rounding; it leaves a last bit that says so. */
    static Fraction squareRoot(Fraction a) {
        int extra = 1400;
        BigInteger scaled = a.numerator.shiftLeft(2 * extra).divide(a.denominator);
        BigInteger root = scaled.sqrt();
        boolean exact = root.multiply(root).multiply(a.denominator).equals(a.numerator.shiftLeft(2 * extra));
        BigInteger marked = root.shiftLeft(1).add(exact ? BigInteger.ZERO : ONE);
        return new Fraction(a.negative, marked, ONE.shiftLeft(extra + 1));
    }

    /** The bits of the format for a number, by rn, rz, rm, rp or rna; overflow gives infinity or the largest number as IEEE 754 says. */
    static long round(Fraction value, BinaryFormat format, String mode) {
        long sign = value.negative ? format.sign() : 0;
        if (value.isZero()) {
            return sign;
        }
        int exponent = floorLog2(value);
        int quantum = Math.max(exponent, format.emin()) - (format.precision() - 1);
        BigInteger[] parts = quantum >= 0
                ? value.numerator.divideAndRemainder(value.denominator.shiftLeft(quantum))
                : value.numerator.shiftLeft(-quantum).divideAndRemainder(value.denominator);
        BigInteger unit = quantum >= 0 ? value.denominator.shiftLeft(quantum) : value.denominator;
        BigInteger kept = up(parts[0], parts[1].shiftLeft(1).compareTo(unit), parts[1].signum() != 0, value.negative,
                mode)
                        ? parts[0].add(ONE)
                        : parts[0];
        if (kept.bitLength() > format.precision()) {
            kept = kept.shiftRight(1);
            quantum++;
        }
        boolean normal = kept.bitLength() == format.precision();
        long field = normal ? quantum + format.precision() - 1 - format.emin() + 1L : 0;
        BigInteger significand = normal ? kept.clearBit(format.precision() - 1) : kept;
        BigInteger bits = BigInteger.valueOf(field).shiftLeft(format.precision() - 1).add(significand);
        if (bits.compareTo(BigInteger.valueOf(format.largest())) <= 0) {
            return sign | bits.longValue();
        }
        boolean toInfinity = switch (mode) {
            case "rz" -> false;
            case "rm" -> value.negative;
            case "rp" -> !value.negative;
            default -> true;
        };
        return sign | (toInfinity ? format.infinity() : format.largest());
    }

    /** A whole number by rni, rzi, rmi or rpi. */
    static BigInteger roundToWhole(Fraction value, String mode) {
        BigInteger[] parts = value.numerator.divideAndRemainder(value.denominator);
        boolean up = up(parts[0], parts[1].shiftLeft(1).compareTo(value.denominator), parts[1].signum() != 0,
                value.negative,
                mode.substring(0, 2));
        BigInteger magnitude = up ? parts[0].add(ONE) : parts[0];
        return value.negative ? magnitude.negate() : magnitude;
    }

    private static boolean up(BigInteger kept, int toHalf, boolean inexact, boolean negative, String mode) {
        return switch (mode) {
            case "rn" -> toHalf > 0 || toHalf == 0 && kept.testBit(0);
            case "rna" -> toHalf >= 0;
            case "rz" -> false;
            case "rm" -> negative && inexact;
            case "rp" -> !negative && inexact;
            default -> throw new IllegalArgumentException("no rounding: " + mode);
        };
    }

    private static int floorLog2(Fraction value) {
        int estimate = value.numerator.bitLength() - value.denominator.bitLength();
        BigInteger power = estimate >= 0 ? value.denominator.shiftLeft(estimate) : value.denominator;
        BigInteger number = estimate >= 0 ? value.numerator : value.numerator.shiftLeft(-estimate);
        return number.compareTo(power) >= 0 ? estimate : estimate - 1;
    }
}
