package dev.fusor.simulator.ptx;

import java.util.List;
import java.util.function.IntPredicate;

/** Shifts, fields and permutations as the manual's pseudo code has them, one bit at a time. */
final class BitDefinitions {
    private BitDefinitions() {}

    static List<Outcome> define(Invocation in) {
        return switch (in.opcode()) {
            case "and", "or", "xor", "not", "cnot" -> List.of(logic(in));
            case "lop3" -> lop3(in);
            case "shl", "shr" -> List.of(shift(in));
            case "shf" -> List.of(funnel(in));
            case "popc", "clz", "brev", "bfind" -> List.of(scan(in));
            case "fns" -> List.of(
                    Outcome.exactly(nthSet(in.operand(0), (int) in.operand(1), (int) in.operand(2)), asked(in, 32)));
            case "bfe" -> List.of(extract(in));
            case "bfi" -> List.of(insert(in));
            case "bmsk" -> List.of(mask(in));
            case "szext" -> List.of(extend(in));
            case "prmt" -> List.of(permute(in));
            case "mov" -> move(in);
            case "selp" ->
                List.of(Outcome.exactly((in.operand(2) & 1) != 0 ? in.operand(0) : in.operand(1), width(in)));
            case "slct" -> List.of(select(in));
            default -> null;
        };
    }

    private static int width(Invocation in) {
        return Types.bits(in.type());
    }

    private static int asked(Invocation in, int width) {
        in.type();
        return width;
    }

    private static boolean bit(long value, int index) {
        return (value >>> index & 1) != 0;
    }

    private static long bits(int width, IntPredicate isSet) {
        long result = 0;
        for (int i = 0; i < width; i++) {
            result |= isSet.test(i) ? 1L << i : 0;
        }
        return result;
    }

    private static Outcome logic(Invocation in) {
        long a = in.operand(0);
        long result = switch (in.opcode()) {
            case "and" -> a & in.operand(1);
            case "or" -> a | in.operand(1);
            case "xor" -> a ^ in.operand(1);
            case "not" -> ~a;
            default -> in.unsigned(0, width(in)) == 0 ? 1 : 0;
        };
        return Outcome.exactly(result, width(in));
    }

    private static List<Outcome> lop3(Invocation in) {
        int table = (int) in.operand(3);
        long result = bits(32, i -> bit(table,
                (bit(in.operand(0), i) ? 4 : 0) + (bit(in.operand(1), i) ? 2 : 0) + (bit(in.operand(2), i) ? 1 : 0)));
        Outcome value = Outcome.exactly(result, width(in));
        boolean q = in.operands().length > 4 && (in.operand(4) & 1) != 0;
        if (in.has("or")) {
            return List.of(value, Outcome.truth(result != 0 || q));
        }
        return in.has("and") ? List.of(value, Outcome.truth(result != 0 && q)) : List.of(value);
    }

    private static Outcome shift(Invocation in) {
        int width = width(in);
        long amount = in.unsigned(1, 32);
        boolean sign = in.type().startsWith("s") && bit(in.operand(0), width - 1);
        if (in.opcode().equals("shl")) {
            return Outcome.exactly(bits(width, i -> i >= amount && bit(in.operand(0), (int) (i - amount))), width);
        }
        return Outcome.exactly(bits(width, i -> i + amount < width ? bit(in.operand(0), (int) (i + amount)) : sign),
                width);
    }

    private static Outcome funnel(Invocation in) {
        long amount = in.oneOf("clamp", "wrap").equals("wrap") ? in.operand(2) & 31 : Math.min(in.unsigned(2, 32), 32);
        long both = in.operand(1) << 32 | in.unsigned(0, 32);
        boolean left = in.oneOf("l", "r").equals("l");
        return Outcome.exactly(
                bits(32, i -> left
                        ? i + 32 - amount >= 0 && bit(both, (int) (i + 32 - amount))
                        : bit(both, (int) (i + amount) & 63)),
                width(in));
    }

    private static Outcome scan(Invocation in) {
        int width = width(in);
        long a = in.unsigned(0, width);
        boolean negative = in.type().startsWith("s") && bit(a, width - 1);
        int highest = -1;
        int count = 0;
        for (int i = 0; i < width; i++) {
            count += bit(a, i) ? 1 : 0;
            highest = bit(a, i) != negative ? i : highest;
        }
        return switch (in.opcode()) {
            case "popc" -> Outcome.exactly(count, 32);
            case "clz" -> Outcome.exactly(width - 1 - highest, 32);
            case "brev" -> Outcome.exactly(bits(width, i -> bit(a, width - 1 - i)), width);
            default -> Outcome.exactly(in.has("shiftamt") && highest >= 0 ? width - 1 - highest : highest, 32);
        };
    }

    private static long nthSet(long mask, int base, int offset) {
        if (offset == 0) {
            return base >= 0 && base < 32 && bit(mask, base) ? base : -1;
        }
        long wanted = Math.abs((long) offset);
        for (long i = Integer.toUnsignedLong(base); i >= 0 && i < 32; i += Integer.signum(offset)) {
            if (bit(mask, (int) i) && --wanted == 0) {
                return i;
            }
        }
        return -1;
    }

    private static Outcome extract(Invocation in) {
        int msb = width(in) - 1;
        int position = (int) in.operand(1) & 255;
        int length = (int) in.operand(2) & 255;
        boolean signed = in.type().startsWith("s");
        boolean fill = signed && length != 0 && bit(in.operand(0), Math.min(position + length - 1, msb));
        return Outcome.exactly(bits(msb + 1,
                i -> i < length && position + i <= msb ? bit(in.operand(0), position + i) : fill), msb + 1);
    }

    private static Outcome insert(Invocation in) {
        int position = (int) in.operand(2) & 255;
        int length = (int) in.operand(3) & 255;
        return Outcome.exactly(bits(width(in),
                i -> i >= position && i < position + length ? bit(in.operand(0), i - position) : bit(in.operand(1), i)),
                width(in));
    }

    private static Outcome mask(Invocation in) {
        boolean clamp = in.oneOf("clamp", "wrap").equals("clamp");
        long position = in.unsigned(0, 32);
        long length = in.unsigned(1, 32);
        long start = clamp ? Math.min(position, 32) : position & 31;
        long count = clamp ? Math.min(length, 32) : length & 31;
        return Outcome.exactly(bits(32, i -> i >= start && i < start + count), width(in));
    }

    private static Outcome extend(Invocation in) {
        boolean clamp = in.oneOf("clamp", "wrap").equals("clamp");
        long amount = in.unsigned(1, 32);
        int kept = clamp && amount >= 32 ? 32 : (int) (amount & 31);
        boolean sign = in.type().equals("s32") && kept > 0 && bit(in.operand(0), kept - 1);
        return Outcome.exactly(bits(32, i -> i < kept ? bit(in.operand(0), i) : sign), 32);
    }

    private static Outcome permute(Invocation in) {
        int c = (int) in.operand(2);
        int first = c & 3;
        String mode = in.oneOf("none", "f4e", "b4e", "rc8", "ecl", "ecr", "rc16");
        long bytes = in.operand(1) << 32 | in.unsigned(0, 32);
        long result = 0;
        for (int i = 0; i < 4; i++) {
            int pick = switch (mode) {
                case "f4e" -> first + i;
                case "b4e" -> first - i & 7;
                case "rc8" -> first;
                case "ecl" -> Math.max(first, i);
                case "ecr" -> Math.min(first, i);
                case "rc16" -> (first & 1) * 2 + (i & 1);
                default -> c >>> (4 * i) & 15;
            };
            long chosen = bytes >>> (8 * (pick & 7)) & 255;
            result |= (pick < 8 ? chosen : chosen >= 128 ? 255 : 0) << (8 * i);
        }
        return Outcome.exactly(result, width(in));
    }

    /** Several sources are packed, the first lowest; of one source, several destinations take parts. */
    private static List<Outcome> move(Invocation in) {
        int width = width(in);
        int sources = in.operands().length;
        long value = 0;
        for (int i = 0; i < sources; i++) {
            value |= in.unsigned(i, width / sources) << (i * (width / sources) & 63);
        }
        return List.of(Outcome.exactly(value, width));
    }

    private static Outcome select(Invocation in) {
        boolean first;
        if (in.type("s").equals("f32")) {
            long c = Floats.flush(in.operand(2), BinaryFormat.F32, in.has("ftz"));
            first = !BinaryFormat.F32.isNan(c) && Floats.compare(c, 0, BinaryFormat.F32) >= 0;
        } else {
            first = (int) in.operand(2) >= 0;
        }
        return Outcome.exactly(first ? in.operand(0) : in.operand(1), width(in));
    }
}
