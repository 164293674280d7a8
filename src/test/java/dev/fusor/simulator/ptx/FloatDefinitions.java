package dev.fusor.simulator.ptx;

import java.util.ArrayList;
import java.util.List;
import java.util.function.DoubleUnaryOperator;
import java.util.function.LongUnaryOperator;

/** What the manual says of floating point, with exact arithmetic rounded once, and its bounds for approximations. */
final class FloatDefinitions {
    private FloatDefinitions() {}

    static List<Outcome> define(Invocation in) {
        String type = in.type();
        if (!type.endsWith("x2")) {
            return List.of(single(in, BinaryFormat.of(type), in.operands()));
        }
        // Pairs: the same on either half.
        BinaryFormat format = BinaryFormat.of(type);
        List<Outcome> halves = new ArrayList<>();
        for (int shift : new int[]{0, format.bits()}) {
            long[] operands = new long[in.operands().length];
            for (int i = 0; i < operands.length; i++) {
                operands[i] = in.operand(i) >>> shift & format.mask();
            }
            halves.add(single(in, format, operands));
        }
        int bits = format.bits();
        return List.of(new Outcome() {
            @Override
            public boolean accepts(long value) {
                return halves.get(0).accepts(value & format.mask())
                        && halves.get(1).accepts(value >>> bits & format.mask());
            }

            @Override
            public String toString() {
                return halves.get(1) + " and " + halves.get(0);
            }
        });
    }

    private static Outcome single(Invocation in, BinaryFormat format, long[] given) {
        boolean ftz = in.has("ftz");
        long[] x = new long[given.length];
        for (int i = 0; i < x.length; i++) {
            x[i] = Floats.flush(given[i] & format.mask(), format, ftz);
        }
        if (in.has("approx") || in.has("full")) {
            return approximate(in, format, x, ftz);
        }
        String mode = in.oneOf("rn", "rz", "rm", "rp");
        LongUnaryOperator finish = result -> Floats.rectify(
                Floats.saturate(Floats.flush(result, format, ftz), format, in.has("sat")), format, in.has("relu"));
        return switch (in.opcode()) {
            case "add" -> Outcome.number(finish.applyAsLong(Floats.add(x[0], x[1], format, mode)), format);
            case "sub" ->
                Outcome.number(finish.applyAsLong(Floats.add(x[0], negated(x[1], format), format, mode)), format);
            case "mul" -> Outcome.number(finish.applyAsLong(Floats.multiply(x[0], x[1], format, mode)), format);
            case "fma", "mad" ->
                Outcome.number(finish.applyAsLong(Floats.multiplyAdd(x[0], x[1], x[2], format, mode)), format);
            case "div" -> Outcome.number(finish.applyAsLong(Floats.divide(x[0], x[1], format, mode)), format);
            case "rcp" -> Outcome.number(finish.applyAsLong(Floats.divide(format.one(), x[0], format, mode)), format);
            case "sqrt" -> Outcome.number(finish.applyAsLong(Floats.squareRoot(x[0], format, mode)), format);
            case "neg" -> Outcome.number(format.isNan(x[0]) ? format.nan() : x[0] ^ format.sign(), format);
            case "abs" -> Outcome.number(format.isNan(x[0]) ? format.nan() : format.magnitude(x[0]), format);
            case "min", "max" -> Outcome.number(extreme(in, format, x), format);
            case "copysign" -> Outcome.exactly(x[0] & format.sign() | format.magnitude(x[1]), format.bits());
            case "testp" -> Outcome.truth(property(in, format, x[0]));
            default -> null;
        };
    }

    private static long negated(long value, BinaryFormat format) {
        return format.isNan(value) ? value : value ^ format.sign();
    }

    private static long extreme(Invocation in, BinaryFormat format, long[] x) {
        boolean product = in.has("xorsign") && in.has("abs");
        boolean magnitudes = in.has("abs");
        long result = magnitudes ? format.magnitude(x[0]) : x[0];
        for (int i = 1; i < x.length; i++) {
            long next = magnitudes ? format.magnitude(x[i]) : x[i];
            if (format.isNan(result) || format.isNan(next)) {
                boolean none = in.has("NaN") || format.isNan(result) && format.isNan(next);
                result = none ? format.nan() : format.isNan(result) ? next : result;
            } else {
                int order = Floats.compare(result, next, format);
                if (order == 0 && format.isNegative(result) != format.isNegative(next)) {
                    order = format.isNegative(result) ? -1 : 1;
                }
                result = in.opcode().equals("min") == order <= 0 ? result : next;
            }
        }
        in.has("NaN");
        return product && !format.isNan(result) ? result | (x[0] ^ x[1]) & format.sign() : result;
    }

    private static boolean property(Invocation in, BinaryFormat format, long x) {
        boolean finite = !format.isNan(x) && !format.isInfinite(x);
        return switch (in.oneOf("finite", "infinite", "number", "notanumber", "normal", "subnormal")) {
            case "finite" -> finite;
            case "infinite" -> format.isInfinite(x);
            case "number" -> !format.isNan(x);
            case "notanumber" -> format.isNan(x);
            case "normal" -> finite && !format.isSubnormal(x);
            default -> format.isSubnormal(x);
        };
    }

    /** The true value and the largest error that the manual allows; where it allows none for special values, they are exact. */
    private static Outcome approximate(Invocation in, BinaryFormat format, long[] x, boolean ftz) {
        if (format == BinaryFormat.F64) {
            return coarse(in, format, x[0]);
        }
        in.has("full");
        double tiny = ftz ? Float.MIN_NORMAL : Float.MIN_VALUE;
        double a = Floats.toDouble(x[0], format);
        if (format != BinaryFormat.F32) {
            double unit = Math.scalb(1.0, -format.precision() + 1);
            DoubleUnaryOperator function = in.opcode().equals("ex2") ? v -> Math.pow(2, v) : Math::tanh;
            double subnormal = Math.scalb(1.0, format.emin() - (ftz ? 0 : format.precision() - 1));
            return Outcome.near(limited(function.applyAsDouble(a), format), unit, subnormal, format);
        }
        return switch (in.opcode()) {
            case "div" -> Outcome.near(limited(a / Floats.toDouble(x[1], format), format), 0x1p-22, tiny, format);
            case "rcp" -> Outcome.near(limited(1 / a, format), 0x1p-23, tiny, format);
            case "sqrt" -> Outcome.near(Math.sqrt(a), 0x1p-23, tiny, format);
            case "rsqrt" -> Outcome.near(1 / Math.sqrt(a), 0x1p-22, tiny, format);
            case "sin" -> Outcome.near(Math.sin(a), 0x1p-20, 0x1p-20, format);
            case "cos" -> Outcome.near(Math.cos(a), 0x1p-20, 0x1p-20, format);
            case "lg2" -> Outcome.near(Math.log(a) / Math.log(2), 0x1p-22, 0x1p-22, format);
            case "ex2" -> Outcome.near(limited(Math.pow(2, a), format), 0x1p-22, tiny, format);
            case "tanh" -> Outcome.near(Math.tanh(a), 0x1p-11, tiny, format);
            default -> null;
        };
    }

    /** What does not fit the format is infinite in it. */
    private static double limited(double value, BinaryFormat format) {
        double largest = Floats.toDouble(format.largest(), format);
        double unit = largest * Math.scalb(1.0, -format.precision());
        return Math.abs(value) >= largest + unit ? Math.copySign(Double.POSITIVE_INFINITY, value) : value;
    }

    /** Of doubles: where .ftz is given, from and to the upper half of a register. */
    private static Outcome coarse(Invocation in, BinaryFormat format, long bits) {
        boolean half = in.has("ftz");
        double a = Floats.toDouble(half ? Floats.flush(bits & 0xffffffff00000000L, format, true) : bits, format);
        double wanted = in.opcode().equals("rcp") ? 1 / a : 1 / Math.sqrt(a);
        Outcome near = Outcome.near(wanted, half ? 0x1p-19 : 0x1p-27, half ? Double.MIN_NORMAL : 0, format);
        return new Outcome() {
            @Override
            public boolean accepts(long value) {
                return near.accepts(value) && (!half || (int) value == 0);
            }

            @Override
            public String toString() {
                return near.toString();
            }
        };
    }
}
