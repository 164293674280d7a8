package dev.fusor.simulator.ptx;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.StringJoiner;

/**
 * A kernel that runs some instances of the same operand types, one thread for each tuple of operands: a tuple is {@link #WORDS} words of
 * 64 bits, the last a carry of 0 or 1; each instance gives two words.
 */
record FormKernel(String name, List<String> types, List<FormInstance> instances, long[] input) {
    static final int TUPLES = 512;
    static final int WORDS = 6;

    static FormKernel of(String name, List<String> types, List<FormInstance> instances, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        long[] input = new long[TUPLES * WORDS];
        long[][] edges = new long[types.size()][];
        for (int k = 0; k < edges.length; k++) {
            edges[k] = EdgeValues.of(types.get(k), random);
        }
        for (int i = 0; i < TUPLES; i++) {
            for (int k = 0; k < edges.length; k++) {
                // The first operand takes each value in turn, so that a unary instruction meets them all.
                int index = k == 0 ? i % edges[0].length : random.nextInt(edges[k].length);
                input[i * WORDS + k] = edges[k][index];
            }
            input[i * WORDS + WORDS - 1] = random.nextInt(2);
        }
        return new FormKernel(name, types, instances, input);
    }

    int outputWords() {
        return 2 * TUPLES * instances.size();
    }

    /** Where an instance's word of a tuple lies in the output. */
    int outputIndex(int instance, int tuple, int word) {
        return 2 * (tuple * instances.size() + instance) + word;
    }

    static String module(List<FormKernel> kernels, String target) {
        StringBuilder text = new StringBuilder(".version 9.0\n.target " + target + "\n.address_size 64\n");
        kernels.forEach(kernel -> text.append(kernel.entry()));
        return text.toString();
    }

    private String entry() {
        StringBuilder text = new StringBuilder("""

                .visible .entry %s(.param .u64 in, .param .u64 out)
                {
                    .reg .b64 %%in, %%out, %%step;
                    .reg .b32 %%thread, %%carryIn, %%scratch;
                    .reg .b16 %%truth;
                """.formatted(name));
        StringBuilder loads = new StringBuilder();
        for (int k = 0; k < types.size(); k++) {
            source(k, text, loads);
        }
        text.append("""
                    ld.param.u64 %%in, [in];
                    ld.param.u64 %%out, [out];
                    mov.u32 %%thread, %%tid.x;
                    mul.wide.u32 %%step, %%thread, %d;
                    add.s64 %%in, %%in, %%step;
                    mul.wide.u32 %%step, %%thread, %d;
                    add.s64 %%out, %%out, %%step;
                    ld.global.b32 %%carryIn, [%%in+%d];
                """.formatted(8 * WORDS, 16 * instances.size(), 8 * (WORDS - 1))).append(loads);
        for (int i = 0; i < instances.size(); i++) {
            instance(instances.get(i), 16 * i, text);
        }
        return text.append("    ret;\n}\n").toString();
    }

    private void source(int index, StringBuilder declarations, StringBuilder loads) {
        String type = types.get(index);
        boolean wider = type.endsWith("~");
        if (type.equals("pred")) {
            declarations.append("    .reg .pred %s%d;\n".formatted("%s", index));
            loads.append("    ld.global.b8 %%truth, [%%in+%d];\n    setp.ne.s16 %%s%d, %%truth, 0;\n"
                    .formatted(8 * index, index));
        } else {
            int bits = wider ? 64 : Types.bits(type);
            declarations.append("    .reg .b%d %%s%d;\n".formatted(bits, index));
            loads.append("    ld.global.b%d %%s%d, [%%in+%d];\n".formatted(bits, index, 8 * index));
        }
    }

    private static void instance(FormInstance instance, int offset, StringBuilder text) {
        OperandSpec destination = instance.destination();
        int lanes = destination.laneCount(instance.chosen());
        String type = destination.typeFor(instance.chosen());
        int bits = destination.wider() ? 64 : Types.bits(type);
        List<String> first = new ArrayList<>();
        text.append("    {\n");
        for (int i = 0; i < Math.max(1, lanes); i++) {
            first.add("d" + i);
            text.append("        .reg .%s d%d;\n".formatted(bits == 1 ? "pred" : "b" + bits, i));
        }
        if (destination.second() != null) {
            text.append("        .reg .pred q;\n");
        }
        if (instance.takesCarry()) {
            text.append(instance.borrows()
                    ? "        sub.cc.u32 %scratch, 0, %carryIn;\n"
                    : "        add.cc.u32 %scratch, %carryIn, 0xffffffff;\n");
        }
        StringJoiner operands = new StringJoiner(", ", " ", ";\n");
        operands.add(lanes > 0 ? "{" + String.join(", ", first) + "}" : destination.second() != null ? "d0|q" : "d0");
        sources(instance).forEach(operands::add);
        text.append("        ").append(instance.spelling()).append(operands);
        for (int i = 0; i < first.size(); i++) {
            store(first.get(i), bits, offset + i * bits / 8, text);
        }
        if (destination.second() != null) {
            store("q", 1, offset + 8, text);
        } else if (instance.givesCarry()) {
            text.append(instance.borrows()
                    ? "        subc.u32 %scratch, 0, 0;\n        and.b32 %scratch, %scratch, 1;\n"
                    : "        addc.u32 %scratch, 0, 0;\n");
            store("%scratch", 32, offset + 8, text);
        }
        text.append("    }\n");
    }

    private static void store(String register, int bits, int offset, StringBuilder text) {
        if (bits == 1) {
            text.append("        selp.b32 %%scratch, 1, 0, %s;\n".formatted(register));
        }
        text.append("        st.global.b%d [%%out+%d], %s;\n".formatted(bits == 1 ? 32 : bits, offset,
                bits == 1 ? "%scratch" : register));
    }

    private static List<String> sources(FormInstance instance) {
        List<String> operands = new ArrayList<>();
        int next = 0;
        int constant = 0;
        for (OperandSpec spec : instance.sources()) {
            int lanes = spec.laneCount(instance.chosen());
            if (spec.type().equals("imm")) {
                operands.add(instance.constants().get(constant++).toString());
            } else if (lanes > 0) {
                StringJoiner vector = new StringJoiner(", ", "{", "}");
                for (int i = 0; i < lanes; i++) {
                    vector.add("%s" + next++);
                }
                operands.add(vector.toString());
            } else {
                operands.add("%s" + next++);
            }
        }
        return operands;
    }
}
