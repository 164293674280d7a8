package dev.fusor.simulator.ptx;

import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * An operand as a row of the tables describes it.
 *
 * @param type a type, the name of the slot that holds one, or {@code wide}, {@code imm}, {@code sink}; for addresses what they are
 * @param lanes elements of a vector, as a number or as the slot that says it ({@code .v4}); null for a single value
 * @param wider whether the register may be wider than the type
 * @param second the second destination of a pair, or null
 */
record OperandSpec(String name, boolean address, String type, String lanes, boolean wider, OperandSpec second,
        boolean secondOptional) {
    private static final Pattern ADDRESS = Pattern.compile("\\[(\\w+)(?::(\\w+))?\\]");
    private static final Pattern VALUE = Pattern
            .compile("(\\w+)(?::(\\w+))?(~)?(?:\\*(\\w+))?(?:\\|(\\?)?(\\w+)(?::(\\w+))?)?");

    static OperandSpec parse(String text) {
        Matcher address = ADDRESS.matcher(text);
        if (address.matches()) {
            return new OperandSpec(address.group(1), true, address.group(2), null, false, null, false);
        }
        Matcher value = VALUE.matcher(text);
        if (!value.matches()) {
            throw new IllegalArgumentException("no operand: " + text);
        }
        OperandSpec second = value.group(6) == null
                ? null
                : new OperandSpec(value.group(6), false, typeOr(value.group(7)), null, false, null, false);
        return new OperandSpec(value.group(1), false, typeOr(value.group(2)), value.group(4), value.group(3) != null,
                second,
                value.group(5) != null);
    }

    private static String typeOr(String type) {
        return type == null ? "t" : type;
    }

    boolean isDestination() {
        return name.equals("d") && !address;
    }

    int laneCount(Map<String, String> chosen) {
        if (lanes == null) {
            return 0;
        }
        String count = chosen.getOrDefault(lanes, lanes);
        return Integer.parseInt(count.startsWith("v") ? count.substring(1) : count);
    }

    boolean takes(Operand operand, Map<String, String> chosen) {
        return switch (operand) {
            case Operand.Address _ -> address;
            case Operand.Vector vector -> !address && vector.elements().size() == laneCount(chosen);
            case Operand.Pair _ -> second != null;
            case Operand.Arguments _ -> false;
            case Operand.Whole _ -> !address && lanes == null && !isDestination();
            case Operand.Real _ -> !address && lanes == null && !isDestination() && !type.equals("imm");
            case Operand.Not _ -> type.equals("pred") && !isDestination();
            case Operand.Sink _ -> isDestination() && (second == null || secondOptional);
            case Operand.Name _ ->
                !address && !type.equals("imm") && !type.equals("sink") && (lanes == null || lanes.equals("1"))
                        && (second == null || secondOptional);
        };
    }

    /** The type of a register for this operand, by the modifiers of the instruction. */
    String typeFor(Map<String, String> chosen) {
        if (type.equals("wide")) {
            String narrow = chosen.get("t");
            return narrow.charAt(0) + Integer.toString(2 * Types.bits(narrow));
        }
        return chosen.getOrDefault(type, type);
    }
}
