package dev.fusor.simulator.ptx;

import java.math.BigInteger;
import java.util.List;

/** cvt, by the manual's section on it. */
final class ConvertDefinitions {
    private ConvertDefinitions() {}

    static List<Outcome> define(Invocation in) {
        String to = in.type("t");
        String from = in.type("s");
        if (in.has("pack")) {
            return List.of(pack(in, to));
        }
        if (to.endsWith("x2")) {
            return List.of(pair(in, to, from));
        }
        if (to.equals("tf32")) {
            long result = narrowed(in, BinaryFormat.TF32, in.operand(0), BinaryFormat.F32);
            return List
                    .of(Outcome.exactly(BinaryFormat.TF32.isNan(result) ? BinaryFormat.F32.nan() : result << 13, 32));
        }
        boolean toFloat = to.contains("f");
        boolean fromFloat = from.contains("f");
        if (toFloat) {
            return List.of(fromFloat ? floatToFloat(in, to, from) : wholeToFloat(in, to, from));
        }
        // Registers wider than the type take it extended; the tests have such wherever they may stand.
        int register = from.equals("bf16") ? Types.bits(to) : 64;
        return List.of(Outcome.exactly(fromFloat ? floatToWhole(in, to, from) : wholeToWhole(in, to, from), register));
    }

    private static BigInteger least(String type) {
        return type.startsWith("s") ? BigInteger.ONE.shiftLeft(Types.bits(type) - 1).negate() : BigInteger.ZERO;
    }

    private static BigInteger most(String type) {
        int digits = type.startsWith("s") ? Types.bits(type) - 1 : Types.bits(type);
        return BigInteger.ONE.shiftLeft(digits).subtract(BigInteger.ONE);
    }

    private static BigInteger clamped(BigInteger value, String type) {
        return value.max(least(type)).min(most(type));
    }

    /** As the destination register of 64 bits holds it: extended by the sign of the type. */
    private static long extended(BigInteger value, String type) {
        int unused = 64 - Types.bits(type);
        long shifted = value.longValue() << unused;
        return type.startsWith("s") ? shifted >> unused : shifted >>> unused;
    }

    private static BigInteger source(Invocation in, int index, String type) {
        long value = in.number(index, type);
        return type.equals("u64") ? IntegerDefinitions.unsigned(value) : BigInteger.valueOf(value);
    }

    private static long wholeToWhole(Invocation in, String to, String from) {
        BigInteger value = source(in, 0, from);
        return extended(in.has("sat") ? clamped(value, to) : value, to);
    }

    private static long floatToWhole(Invocation in, String to, String from) {
        BinaryFormat format = BinaryFormat.of(from);
        String mode = in.oneOf("rni", "rzi", "rmi", "rpi");
        long x = Floats.flush(in.unsigned(0, format.bits()), format, in.has("ftz"));
        in.has("sat");
        if (format.isNan(x)) {
            boolean zero = !from.equals("f64") && Types.bits(to) != 64;
            return zero ? 0 : extended(BigInteger.ONE.shiftLeft(Types.bits(to) - 1), to);
        }
        if (format.isInfinite(x)) {
            return extended(format.isNegative(x) ? least(to) : most(to), to);
        }
        return extended(clamped(Exact.roundToWhole(Exact.fraction(x, format), mode), to), to);
    }

    private static Outcome wholeToFloat(Invocation in, String to, String from) {
        BinaryFormat format = BinaryFormat.of(to);
        String mode = in.oneOf("rn", "rz", "rm", "rp");
        long bits = Exact.round(Exact.whole(source(in, 0, from)), format, mode);
        return Outcome.number(Floats.saturate(bits, format, in.has("sat")), format);
    }

    private static Outcome floatToFloat(Invocation in, String to, String from) {
        BinaryFormat target = BinaryFormat.of(to);
        BinaryFormat origin = BinaryFormat.of(from);
        boolean ftz = in.has("ftz");
        long x = Floats.flush(in.unsigned(0, origin.bits()), origin, ftz && from.equals("f32"));
        long result;
        if (in.has("rni") || in.has("rzi") || in.has("rmi") || in.has("rpi")) {
            result = toWholeFloat(x, origin, in.oneOf("rni", "rzi", "rmi", "rpi"));
        } else {
            result = narrowed(in, target, x, origin);
        }
        result = Floats.saturate(Floats.flush(result, target, ftz && to.equals("f32")), target, in.has("sat"));
        return Outcome.number(result, target);
    }

    private static long toWholeFloat(long x, BinaryFormat format, String mode) {
        if (format.isNan(x)) {
            return format.nan();
        }
        if (format.isInfinite(x)) {
            return x;
        }
        BigInteger whole = Exact.roundToWhole(Exact.fraction(x, format), mode);
        return format.magnitude(Exact.round(Exact.whole(whole), format, "rn")) | x & format.sign();
    }

    /** With .relu and .satfinite where they are given. */
    private static long narrowed(Invocation in, BinaryFormat target, long x, BinaryFormat origin) {
        String mode = in.oneOf("rn", "rz", "rm", "rp", "rna");
        boolean satfinite = in.has("satfinite");
        boolean relu = in.has("relu");
        if (origin.isNan(x)) {
            return target.nan();
        }
        long result = origin.isInfinite(x)
                ? Floats.signedInfinity(origin.isNegative(x), target)
                : Exact.round(Exact.fraction(x, origin), target, mode);
        if (satfinite && target.magnitude(result) > target.largest()) {
            result = result & target.sign() | target.largest();
        }
        return Floats.rectify(result, target, relu);
    }

    private static Outcome pair(Invocation in, String to, String from) {
        BinaryFormat target = BinaryFormat.of(to);
        BinaryFormat origin = BinaryFormat.of(from);
        boolean packed = from.endsWith("x2");
        long upper = packed ? in.operand(0) >>> origin.bits() & origin.mask() : in.unsigned(0, 32);
        long lower = packed ? in.operand(0) & origin.mask() : in.unsigned(1, 32);
        long result = narrowed(in, target, upper, origin) << target.bits() | narrowed(in, target, lower, origin);
        return Outcome.exactly(result, 2 * target.bits());
    }

    private static Outcome pack(Invocation in, String to) {
        int width = Types.bits(to);
        long mask = (1L << width) - 1;
        in.has("sat");
        in.has("b32");
        long upper = clamped(source(in, 0, "s32"), to).longValue() & mask;
        long lower = clamped(source(in, 1, "s32"), to).longValue() & mask;
        long rest = width == 16 ? 0 : in.operand(2) << (2 * width);
        return Outcome.exactly(rest | upper << width | lower, 32);
    }
}
