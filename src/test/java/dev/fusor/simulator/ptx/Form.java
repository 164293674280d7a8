package dev.fusor.simulator.ptx;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** One row of the tables: an instruction with the modifiers it may carry, its operands, and the C++ that does the same. */
record Form(List<String> opcodes, List<Slot> slots, boolean anyOrder, List<OperandSpec> operands, String meaning,
        String place) {

    /**
     * A place for a modifier. Each alternative is one modifier, rarely two that belong together; a slot of advice changes no result.
     */
    record Slot(String name, List<List<String>> alternatives, boolean optional, boolean advice) {
        /** With the choice of no modifier first, where there is that. */
        List<List<String>> choices() {
            List<List<String>> choices = new ArrayList<>(optional ? List.of(List.of()) : List.of());
            choices.addAll(alternatives);
            return choices;
        }
    }

    /**
     * The modifier chosen for each slot, null where there is none; null where the modifiers are not of this form. Where no slot is called
     * {@code t}, that is the last type.
     */
    Map<String, String> match(List<String> modifiers) {
        Map<String, String> chosen = new LinkedHashMap<>();
        boolean matches = anyOrder
                ? matchAnyOrder(new ArrayList<>(modifiers), chosen)
                : matchFrom(0, modifiers, chosen);
        if (!matches) {
            return null;
        }
        if (!chosen.containsKey("t")) {
            chosen.values().stream().filter(modifier -> modifier != null && Types.isType(modifier))
                    .reduce((_, last) -> last)
                    .ifPresent(type -> chosen.put("t", type));
        }
        return chosen;
    }

    private boolean matchFrom(int index, List<String> rest, Map<String, String> chosen) {
        if (index == slots.size()) {
            return rest.isEmpty();
        }
        Slot slot = slots.get(index);
        for (List<String> alternative : slot.alternatives) {
            if (rest.size() >= alternative.size() && rest.subList(0, alternative.size()).equals(alternative)) {
                chosen.put(slot.name, String.join(".", alternative));
                if (matchFrom(index + 1, rest.subList(alternative.size(), rest.size()), chosen)) {
                    return true;
                }
            }
        }
        chosen.put(slot.name, null);
        return slot.optional && matchFrom(index + 1, rest, chosen);
    }

    /** Alternatives of different slots differ, so that each modifier has one slot. */
    private boolean matchAnyOrder(List<String> rest, Map<String, String> chosen) {
        for (Slot slot : slots) {
            String found = slot.alternatives.stream().map(alternative -> alternative.get(0)).filter(rest::remove)
                    .findFirst()
                    .orElse(null);
            if (found == null && !slot.optional) {
                return false;
            }
            chosen.put(slot.name, found);
        }
        return rest.isEmpty();
    }

    /** Whether the operands have the shapes of this row; their types are looked at later. */
    boolean takes(List<Operand> given, Map<String, String> chosen) {
        if (given.size() != operands.size()) {
            return false;
        }
        for (int i = 0; i < given.size(); i++) {
            if (!operands.get(i).takes(given.get(i), chosen)) {
                return false;
            }
        }
        return true;
    }

    /**
     * Every way to write this form, as lists of the opcode and its modifiers. Slots of advice, and those named here, are not multiplied out:
     * each of their alternatives stands in at least one of the spellings.
     */
    List<List<String>> spellings(String... rotating) {
        int product = opcodes.size();
        int most = 1;
        for (Slot slot : slots) {
            boolean rotates = slot.advice || List.of(rotating).contains(slot.name);
            product *= rotates ? 1 : slot.choices().size();
            most = Math.max(most, rotates ? slot.choices().size() : 1);
        }
        List<List<String>> spellings = new ArrayList<>();
        for (int i = 0; i < Math.max(product, most); i++) {
            int rest = i % product;
            List<String> spelling = new ArrayList<>(List.of(opcodes.get(rest % opcodes.size())));
            rest /= opcodes.size();
            int turn = i;
            for (Slot slot : slots) {
                boolean rotates = slot.advice || List.of(rotating).contains(slot.name);
                int count = slot.choices().size();
                spelling.addAll(slot.choices().get((rotates ? turn++ : rest) % count));
                rest /= rotates ? 1 : count;
            }
            spellings.add(spelling);
        }
        return spellings;
    }
}
