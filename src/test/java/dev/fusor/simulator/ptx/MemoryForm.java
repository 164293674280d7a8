package dev.fusor.simulator.ptx;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/** One spelling of a load, a store or an atomic, and where it goes. Scopes and orders change no result of a single thread, and take turns. */
record MemoryForm(Form form, List<String> modifiers, Map<String, String> chosen) {
    static List<MemoryForm> all(String opcode, Predicate<Form> wanted) {
        List<MemoryForm> all = new ArrayList<>();
        for (Form form : FormTable.ALL.forms()) {
            if (form.opcodes().contains(opcode) && wanted.test(form)) {
                for (List<String> spelling : form.spellings("scope", "order", "weak", "nc")) {
                    List<String> modifiers = spelling.subList(1, spelling.size());
                    all.add(new MemoryForm(form, modifiers, form.match(modifiers)));
                }
            }
        }
        return all;
    }

    static boolean isParameter(Form form) {
        return form.slots().stream().anyMatch(slot -> slot.name().equals("sub"));
    }

    String spelling() {
        return form.opcodes().get(0) + "." + String.join(".", modifiers);
    }

    String type() {
        return chosen.get("t");
    }

    int bytes() {
        return Types.bits(type()) / 8;
    }

    int lanes() {
        String lanes = chosen.get("n");
        return lanes == null ? 1 : Integer.parseInt(lanes.substring(1));
    }

    boolean isVector() {
        return chosen.get("n") != null;
    }

    boolean takesPolicy() {
        return modifiers.contains("L2::cache_hint");
    }

    /** The state space, without the part after the colons; empty for generic addresses. */
    String space() {
        String space = chosen.containsKey("space") ? chosen.get("space") : "global";
        return space == null ? "" : space.replaceAll(":.*", "");
    }

    /** Registers may be wider than the type, but for 128 bits and vectors of 8. */
    int registerBits() {
        return bytes() == 16 ? 128 : lanes() == 8 ? 32 : 64;
    }

    String operandOf(List<String> registers) {
        return isVector() ? "{" + String.join(", ", registers) + "}" : registers.get(0);
    }
}
