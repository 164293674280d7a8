package dev.fusor.simulator.ptx;

import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * One instruction with operands, as a definition sees it. It keeps account of the modifiers that the definition asked for, so that a test can
 * tell where a definition ignores one.
 *
 * @param operands sources in their order, elements of vectors one by one, as bits in the lower end; carry in comes last
 */
record Invocation(String opcode, List<String> modifiers, Map<String, String> chosen, long[] operands,
        Set<String> asked) {
    Invocation(String opcode, List<String> modifiers, Map<String, String> chosen, long[] operands) {
        this(opcode, modifiers, chosen, operands, new HashSet<>());
    }

    boolean has(String modifier) {
        asked.add(modifier);
        return modifiers.contains(modifier);
    }

    /** The one of these that is given, or the first where none is. */
    String oneOf(String... known) {
        String found = null;
        for (String modifier : known) {
            found = found == null && has(modifier) ? modifier : found;
        }
        return found == null ? known[0] : found;
    }

    /** The type in this slot. */
    String type(String slot) {
        asked.add(chosen.get(slot));
        return chosen.get(slot);
    }

    String type() {
        return type("t");
    }

    long operand(int index) {
        return operands[index];
    }

    /** An operand of a type of so many bits, extended by its sign. */
    long signed(int index, int bits) {
        return operands[index] << (64 - bits) >> (64 - bits);
    }

    long unsigned(int index, int bits) {
        return bits == 64 ? operands[index] : operands[index] & ((1L << bits) - 1);
    }

    /** By the sign and width of a type such as s32. */
    long number(int index, String type) {
        return type.startsWith("s") ? signed(index, Types.bits(type)) : unsigned(index, Types.bits(type));
    }

    Set<String> ignored() {
        Set<String> left = new HashSet<>(modifiers);
        left.removeAll(asked);
        return left;
    }
}
