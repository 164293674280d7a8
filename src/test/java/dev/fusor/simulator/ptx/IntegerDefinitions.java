package dev.fusor.simulator.ptx;

import java.math.BigInteger;
import java.util.List;

/** What the manual says of whole numbers and of bits, written with BigInteger and bit by bit. */
final class IntegerDefinitions {
    private IntegerDefinitions() {}

    static List<Outcome> define(Invocation in) {
        return switch (in.opcode()) {
            case "add", "sub", "addc", "subc" -> sum(in);
            case "mul", "mad", "madc" -> product(in);
            case "mul24", "mad24" -> product24(in);
            case "sad" -> wrapped(in, number(in, 0).subtract(number(in, 1)).abs().add(number(in, 2)));
            case "div" -> wrapped(in,
                    number(in, 1).signum() == 0 ? BigInteger.ONE.negate() : number(in, 0).divide(number(in, 1)));
            case "rem" ->
                wrapped(in, number(in, 1).signum() == 0 ? number(in, 0) : number(in, 0).remainder(number(in, 1)));
            case "abs" -> wrapped(in, number(in, 0).abs());
            case "neg" -> wrapped(in, number(in, 0).negate());
            case "min", "max" -> extreme(in);
            case "dp4a", "dp2a" -> dotProduct(in);
            default -> null;
        };
    }

    private static BigInteger number(Invocation in, int index) {
        return number(in, index, in.type());
    }

    private static BigInteger number(Invocation in, int index, String type) {
        long value = in.number(index, type);
        return type.equals("u64") || type.equals("b64") ? unsigned(value) : BigInteger.valueOf(value);
    }

    static BigInteger unsigned(long value) {
        return new BigInteger(Long.toUnsignedString(value));
    }

    private static List<Outcome> wrapped(Invocation in, BigInteger value) {
        return List.of(Outcome.exactly(value.longValue(), Types.bits(in.type())));
    }

    private static BigInteger saturated(BigInteger value) {
        return value.min(BigInteger.valueOf(Integer.MAX_VALUE)).max(BigInteger.valueOf(Integer.MIN_VALUE));
    }

    /** The lower width bits, not negative. */
    private static BigInteger low(BigInteger value, int width) {
        return value.and(BigInteger.ONE.shiftLeft(width).subtract(BigInteger.ONE));
    }

    private static List<Outcome> sum(Invocation in) {
        if (in.type().endsWith("x2")) {
            long lower = in.operand(0) + in.operand(1) & 0xffff;
            long upper = (in.operand(0) >>> 16) + (in.operand(1) >>> 16) & 0xffff;
            return List.of(Outcome.exactly(upper << 16 | lower, 32));
        }
        boolean adds = in.opcode().startsWith("add");
        if (in.has("sat")) {
            return wrapped(in,
                    saturated(adds ? number(in, 0).add(number(in, 1)) : number(in, 0).subtract(number(in, 1))));
        }
        int width = Types.bits(in.type());
        BigInteger a = low(number(in, 0), width);
        BigInteger b = low(number(in, 1), width);
        BigInteger carry = in.opcode().endsWith("c") ? BigInteger.valueOf(in.operand(2) & 1) : BigInteger.ZERO;
        BigInteger result = adds ? a.add(b).add(carry) : a.subtract(b).subtract(carry);
        return withCarry(in, result, result.signum() < 0 || result.bitLength() > width);
    }

    private static List<Outcome> withCarry(Invocation in, BigInteger result, boolean carry) {
        Outcome value = Outcome.exactly(result.longValue(), Types.bits(in.type()));
        return in.has("cc") ? List.of(value, Outcome.truth(carry)) : List.of(value);
    }

    private static List<Outcome> product(Invocation in) {
        int width = Types.bits(in.type());
        BigInteger product = number(in, 0).multiply(number(in, 1));
        if (in.has("wide")) {
            String wide = in.type().charAt(0) + Integer.toString(2 * width);
            BigInteger sum = in.opcode().equals("mul") ? product : product.add(number(in, 2, wide));
            return List.of(Outcome.exactly(sum.longValue(), 2 * width));
        }
        BigInteger part = in.oneOf("lo", "hi").equals("lo") ? product : product.shiftRight(width);
        if (in.opcode().equals("mul")) {
            return wrapped(in, part);
        }
        if (in.has("sat")) {
            return wrapped(in, saturated(part.add(number(in, 2))));
        }
        BigInteger carry = in.opcode().equals("madc") ? BigInteger.valueOf(in.operand(3) & 1) : BigInteger.ZERO;
        BigInteger sum = low(part, width).add(low(number(in, 2), width)).add(carry);
        return withCarry(in, sum, sum.bitLength() > width);
    }

    private static List<Outcome> product24(Invocation in) {
        boolean signed = in.type().equals("s32");
        BigInteger a = BigInteger.valueOf(signed ? in.signed(0, 24) : in.unsigned(0, 24));
        BigInteger b = BigInteger.valueOf(signed ? in.signed(1, 24) : in.unsigned(1, 24));
        BigInteger product = a.multiply(b);
        BigInteger part = in.oneOf("lo", "hi").equals("lo") ? product : product.shiftRight(16);
        if (in.opcode().equals("mul24")) {
            return wrapped(in, part);
        }
        BigInteger sum = part.add(number(in, 2));
        return wrapped(in, in.has("sat") ? saturated(sum) : sum);
    }

    private static List<Outcome> extreme(Invocation in) {
        boolean smaller = in.opcode().equals("min");
        boolean relu = in.has("relu");
        if (!in.type().endsWith("x2")) {
            BigInteger value = smaller ? number(in, 0).min(number(in, 1)) : number(in, 0).max(number(in, 1));
            return wrapped(in, relu ? value.max(BigInteger.ZERO) : value);
        }
        String half = in.type().substring(0, 3);
        long result = 0;
        for (int shift = 0; shift < 32; shift += 16) {
            long a = half(in.operand(0) >>> shift, half);
            long b = half(in.operand(1) >>> shift, half);
            long value = smaller ? Math.min(a, b) : Math.max(a, b);
            result |= ((relu ? Math.max(value, 0) : value) & 0xffff) << shift;
        }
        return List.of(Outcome.exactly(result, 32));
    }

    private static long half(long bits, String type) {
        return type.startsWith("s") ? (short) bits : bits & 0xffff;
    }

    private static List<Outcome> dotProduct(Invocation in) {
        boolean four = in.opcode().equals("dp4a");
        boolean signedA = in.type("t").equals("s32");
        boolean signedB = in.type("u").equals("s32");
        int shiftB = four || in.oneOf("lo", "hi").equals("lo") ? 0 : 16;
        int widthA = four ? 8 : 16;
        long sum = in.operand(2);
        for (int i = 0; i < 32 / widthA; i++) {
            long a = in.operand(0) >>> (i * widthA);
            long b = in.operand(1) >>> (shiftB + 8 * i);
            long x = four ? signedA ? (byte) a : a & 0xff : signedA ? (short) a : a & 0xffff;
            sum += x * (signedB ? (byte) b : b & 0xff);
        }
        return List.of(Outcome.exactly(sum, 32));
    }
}
