package dev.fusor.simulator.ptx;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** One spelling of a form that computes from registers alone, with its constants. */
record FormInstance(Form form, String opcode, List<String> modifiers, Map<String, String> chosen,
        List<Long> constants) {
    private static final List<String> PURE = List.of("integer", "compare", "float", "half", "convert");

    /** Registers in, registers out: nothing that takes memory or other threads, and no register of 128 bits. */
    static boolean isPure(Form form) {
        boolean wide = form.slots().stream().flatMap(slot -> slot.alternatives().stream())
                .anyMatch(List.of("b128")::equals);
        return PURE.contains(form.place().substring(0, form.place().indexOf('.'))) && !wide;
    }

    static List<FormInstance> all() {
        List<FormInstance> instances = new ArrayList<>();
        for (Form form : FormTable.ALL.forms()) {
            if (isPure(form)) {
                for (List<String> spelling : form.spellings()) {
                    instances.addAll(of(form, spelling.get(0), spelling.subList(1, spelling.size())));
                }
            }
        }
        return instances;
    }

    /** The only constants among operands are the tables of lop3: all of the plain form, some of the others. */
    private static List<FormInstance> of(Form form, String opcode, List<String> modifiers) {
        Map<String, String> chosen = form.match(modifiers);
        boolean constant = form.operands().stream().anyMatch(spec -> "imm".equals(spec.type()));
        if (!constant) {
            return List.of(new FormInstance(form, opcode, modifiers, chosen, List.of()));
        }
        int step = modifiers.size() == 1 ? 1 : 37;
        List<FormInstance> instances = new ArrayList<>();
        for (long table = 0; table < 256; table += step) {
            instances.add(new FormInstance(form, opcode, modifiers, chosen, List.of(table)));
        }
        return instances;
    }

    String spelling() {
        return modifiers.isEmpty() ? opcode : opcode + "." + String.join(".", modifiers);
    }

    boolean takesCarry() {
        return opcode.endsWith("c") && List.of("addc", "subc", "madc").contains(opcode);
    }

    boolean givesCarry() {
        return modifiers.contains("cc");
    }

    boolean borrows() {
        return opcode.startsWith("sub");
    }

    OperandSpec destination() {
        return form.operands().get(0);
    }

    List<OperandSpec> sources() {
        return form.operands().subList(1, form.operands().size());
    }

    /** Types of the source registers, one for each element of a vector; instances of the same share their operands. */
    List<String> sourceTypes() {
        List<String> types = new ArrayList<>();
        for (OperandSpec spec : sources()) {
            if (!spec.type().equals("imm")) {
                String type = spec.typeFor(chosen);
                String kept = type.contains("f") || type.equals("pred") || type.startsWith("e")
                        ? type
                        : "b" + Types.bits(type);
                for (int i = 0; i < Math.max(1, spec.laneCount(chosen)); i++) {
                    types.add(spec.wider() ? kept + "~" : kept);
                }
            }
        }
        return types;
    }

    Invocation invocation(long[] operands, boolean carry) {
        List<Long> values = new ArrayList<>();
        int next = 0;
        int constant = 0;
        for (OperandSpec spec : sources()) {
            if (spec.type().equals("imm")) {
                values.add(constants.get(constant++));
            } else {
                for (int i = 0; i < Math.max(1, spec.laneCount(chosen)); i++) {
                    values.add(operands[next++]);
                }
            }
        }
        if (takesCarry()) {
            values.add(carry ? 1L : 0L);
        }
        return new Invocation(opcode, modifiers, chosen, values.stream().mapToLong(Long::longValue).toArray());
    }
}
