package dev.fusor.simulator.ptx;

import java.util.List;

/** set and setp: comparisons of numbers, of which those of floats have a form that also holds where an operand is NaN. */
final class CompareDefinitions {
    private static final String[] OPERATORS = {"eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs", "equ", "neu",
        "ltu", "leu",
        "gtu", "geu", "num", "nan"};

    private CompareDefinitions() {}

    static List<Outcome> define(Invocation in) {
        String type = in.type();
        boolean set = in.opcode().equals("set");
        if (type.endsWith("x2")) {
            int mask = 0xffff;
            boolean lower = combined(in, compared(in, type, in.operand(0) & mask, in.operand(1) & mask));
            boolean upper = combined(in, compared(in, type, in.operand(0) >>> 16 & mask, in.operand(1) >>> 16 & mask));
            if (!set) {
                return List.of(Outcome.truth(lower), Outcome.truth(upper));
            }
            boolean floats = in.chosen().get("r") == null;
            long one = floats ? BinaryFormat.of(type).one() : mask;
            if (!floats) {
                in.type("r");
            }
            return List.of(Outcome.exactly((upper ? one << 16 : 0) | (lower ? one : 0), 32));
        }
        boolean answer = compared(in, type, in.operand(0), in.operand(1));
        if (set) {
            String result = in.chosen().containsKey("r") ? in.type("r") : "bf16";
            in.has(result);
            boolean floats = result.contains("f");
            long one = floats ? BinaryFormat.of(result).one() : -1;
            return List.of(Outcome.exactly(combined(in, answer) ? one : 0, Types.bits(result)));
        }
        return List.of(Outcome.truth(combined(in, answer)), Outcome.truth(combined(in, !answer)));
    }

    private static boolean combined(Invocation in, boolean answer) {
        boolean with = in.operands().length > 2 && (in.operand(2) & 1) != 0;
        if (in.has("and")) {
            return answer && with;
        }
        if (in.has("or")) {
            return answer || with;
        }
        return in.has("xor") ? answer != with : answer;
    }

    private static boolean compared(Invocation in, String type, long first, long second) {
        String operator = in.oneOf(OPERATORS);
        int order;
        if (type.contains("f")) {
            BinaryFormat format = BinaryFormat.of(type);
            boolean ftz = in.has("ftz");
            long a = Floats.flush(first & format.mask(), format, ftz);
            long b = Floats.flush(second & format.mask(), format, ftz);
            if (format.isNan(a) || format.isNan(b)) {
                return operator.endsWith("u") || operator.equals("nan");
            }
            order = Floats.compare(a, b, format);
        } else if (type.startsWith("s")) {
            order = Long.compare(in.number(0, type), in.number(1, type));
        } else {
            order = Long.compareUnsigned(in.number(0, type), in.number(1, type));
        }
        return switch (operator) {
            case "eq", "equ" -> order == 0;
            case "ne", "neu" -> order != 0;
            case "lt", "lo", "ltu" -> order < 0;
            case "le", "ls", "leu" -> order <= 0;
            case "gt", "hi", "gtu" -> order > 0;
            case "ge", "hs", "geu" -> order >= 0;
            case "num" -> true;
            default -> false;
        };
    }
}
