package dev.fusor.simulator.ptx;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Operands at which instructions differ: ends of ranges, zeros of both signs, subnormal numbers, ties, infinities, NaN, shift amounts. */
final class EdgeValues {
    private static final double[] REALS = {0, 1, 1.5, 0.5, 2, 2.5, 3.5, 0.25, 3.1415926535, 0.49999997, 0.999999, 1e-3,
        127.5, 128,
        255, 255.5, 448, 464, 465, 480, 32767.5, 32768, 57344, 61440, 65504, 65519, 65520, 65535.5, 16777216,
        2147483647, 2147483648.0,
        4294967295.0, 4294967296.0, 0x1p62, 0x1p63, 0x1p64, 0x1p-9, 0x1p-10, 0x1.8p-10, 0x1p-14, 0x1p-16, 0x1p-17,
        0x1p-24, 0x1p-25,
        0x1.8p-25, 0x1.004p0, 0x1.002p0, 0x1.006p0, 0x1.01p0, 0x1.03p0, 0x1.000002p0, 0x1.000001p0, 0x1.000003p0,
        0x1p-126, 0x1p-127,
        0x1p-133, 0x1p-134, 0x1p-149, 0x1p-150, 3.38e38, 3.4e38, 20, -20.5};

    private EdgeValues() {}

    /** Values of a type as registers hold them; those of a wider register have arbitrary upper bits. */
    static long[] of(String type, SplittableRandom random) {
        boolean wider = type.endsWith("~");
        String plain = wider ? type.substring(0, type.length() - 1) : type;
        int bits = Types.isType(plain) ? Types.bits(plain) : BinaryFormat.of(plain).bits();
        List<Long> values = new ArrayList<>();
        if (plain.equals("pred")) {
            values.addAll(List.of(0L, 1L));
        } else if (plain.endsWith("x2") && !plain.matches("[us]16x2")) {
            long[] halves = of(plain.substring(0, plain.length() - 2), random);
            for (int i = 0; i < 2 * halves.length; i++) {
                long lower = halves[i % halves.length];
                long upper = halves[(i * 5 + 3 + i / halves.length) % halves.length];
                values.add(upper << (bits / 2) | lower);
            }
        } else if (plain.contains("f") || plain.startsWith("e")) {
            reals(values, BinaryFormat.of(plain), random);
        } else {
            wholes(values, bits, random);
        }
        long mask = bits == 64 ? -1L : (1L << bits) - 1;
        return values.stream().mapToLong(value -> wider ? value & mask | random.nextLong() & ~mask : value & mask)
                .toArray();
    }

    private static void wholes(List<Long> values, int bits, SplittableRandom random) {
        long least = -1L << (bits - 1);
        values.addAll(List.of(0L, 1L, 2L, -1L, -2L, least, least + 1, ~least, ~least - 1, 3L, 7L, 8L, 15L, 16L, 17L,
                31L, 32L, 33L, 63L,
                64L, 65L, 127L, 128L, 255L, 256L, 0x5555555555555555L, 0xaaaaaaaaaaaaaaaaL, 0x0123456789abcdefL, 32767L,
                32768L, 65535L,
                65536L, 0x7fffffffL, 0x80000000L, 0xffffffffL, 0x100000000L));
        for (int i = 0; i < 12; i++) {
            values.add(random.nextLong() >> random.nextInt(64));
        }
    }

    private static void reals(List<Long> values, BinaryFormat format, SplittableRandom random) {
        for (double real : REALS) {
            Exact.Fraction exact = Exact.fraction(Double.doubleToRawLongBits(real), BinaryFormat.F64);
            long bits = Exact.round(exact, format, "rz");
            values.addAll(List.of(bits, bits | format.sign()));
        }
        if (format.hasInfinity()) {
            long infinity = format.infinity();
            values.addAll(List.of(infinity, infinity | format.sign(), infinity | 1, infinity | format.sign() | 1));
        }
        long smallestNormal = 1L << (format.precision() - 1);
        values.addAll(List.of(1L, smallestNormal - 1, smallestNormal, format.sign() | 1,
                format.sign() | smallestNormal - 1,
                format.largest(), format.sign() | format.largest(), format.nan(), format.nan() | format.sign()));
        for (int i = 0; i < 24; i++) {
            values.add(random.nextLong());
        }
    }
}
