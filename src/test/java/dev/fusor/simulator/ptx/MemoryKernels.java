package dev.fusor.simulator.ptx;

import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;

/** Kernels that run every spelling of ld, st, atom and red, in every state space. */
final class MemoryKernels {
    static final int DATA = 64;
    /** Bytes of output for each spelling. */
    static final int SLOT = 64;
    static final int THREADS = 64;

    private static final String HEAD = ".version 9.0\n.target sm_100\n.address_size 64\n";

    private MemoryKernels() {}

    static String constants(byte[] data) {
        StringJoiner bytes = new StringJoiner(", ", ".const .align 32 .b8 constants[" + DATA + "] = {", "};\n");
        for (byte value : data) {
            bytes.add(Integer.toString(value & 0xff));
        }
        return bytes.toString();
    }

    /** loads(data, out): each spelling loads from the start of the data in its space, and gives 64 bits for each element. */
    static String loads(List<MemoryForm> forms, byte[] data) {
        StringBuilder text = new StringBuilder(HEAD).append(constants(data)).append("""
                .visible .entry loads(.param .u64 data, .param .u64 out)
                {
                    .reg .b64 %data, %out, %shared, %local, %const, %policy;
                    .shared .align 32 .b8 shared[64];
                    .local .align 32 .b8 depot[64];
                    ld.param.u64 %data, [data];
                    ld.param.u64 %out, [out];
                    mov.u64 %shared, shared;
                    mov.u64 %local, depot;
                    mov.u64 %const, constants;
                    createpolicy.fractional.L2::evict_last.b64 %policy;
                    .reg .b64 %copy;
                """);
        for (int i = 0; i < DATA; i += 8) {
            text.append("    ld.global.b64 %%copy, [%%data+%d];\n    st.shared.b64 [%%shared+%d], %%copy;\n"
                    .formatted(i, i));
            text.append("    st.local.b64 [%%local+%d], %%copy;\n".formatted(i));
        }
        for (int i = 0; i < forms.size(); i++) {
            load(forms.get(i), i * SLOT, text);
        }
        return text.append("    ret;\n}\n").toString();
    }

    private static String registers(MemoryForm form, List<String> names, StringBuilder text) {
        for (int i = 0; i < form.lanes(); i++) {
            names.add("r" + i);
        }
        text.append("    {\n    .reg .b%d %s;\n".formatted(form.registerBits(), String.join(", ", names)));
        return form.operandOf(names);
    }

    private static String address(MemoryForm form, String global) {
        return switch (form.space()) {
            case "shared" -> "[%shared]";
            case "local" -> "[%local]";
            case "const" -> "[%const]";
            default -> global;
        };
    }

    private static void load(MemoryForm form, int offset, StringBuilder text) {
        List<String> names = new ArrayList<>();
        String operand = registers(form, names, text);
        text.append("    %s %s, %s%s;\n".formatted(form.spelling(), operand, address(form, "[%data]"),
                form.takesPolicy() ? ", %policy" : ""));
        for (int i = 0; i < names.size(); i++) {
            int bits = form.registerBits();
            text.append("    st.global.b%d [%%out+%d], %s;\n".formatted(bits, offset + i * bits / 8, names.get(i)));
        }
        text.append("    }\n");
    }

    /** stores(data, out): each spelling stores the first elements of the data to memory of zeros in its space. */
    static String stores(List<MemoryForm> forms) {
        StringBuilder text = new StringBuilder(HEAD).append("""
                .visible .entry stores(.param .u64 data, .param .u64 out)
                {
                    .reg .b64 %data, %out, %shared, %local, %policy, %copy;
                    .shared .align 32 .b8 shared[64];
                    .local .align 32 .b8 depot[64];
                    ld.param.u64 %data, [data];
                    ld.param.u64 %out, [out];
                    mov.u64 %shared, shared;
                    mov.u64 %local, depot;
                    createpolicy.fractional.L2::evict_first.b64 %policy, 0f3F000000;
                """);
        for (int i = 0; i < forms.size(); i++) {
            store(forms.get(i), i * SLOT, text);
        }
        return text.append("    ret;\n}\n").toString();
    }

    private static void store(MemoryForm form, int offset, StringBuilder text) {
        List<String> names = new ArrayList<>();
        String operand = registers(form, names, text);
        for (int i = 0; i < names.size(); i++) {
            int bits = form.registerBits();
            text.append("    ld.global.b%d %s, [%%data+%d];\n".formatted(bits, names.get(i), i * bits / 8));
        }
        boolean inside = form.space().equals("shared") || form.space().equals("local");
        for (int i = 0; inside && i < SLOT; i += 8) {
            text.append("    st.%s.b64 [%%%s+%d], 0;\n".formatted(form.space(), form.space(), i));
        }
        text.append("    %s %s, %s%s;\n".formatted(form.spelling(), address(form, "[%out+" + offset + "]"), operand,
                form.takesPolicy() ? ", %policy" : ""));
        for (int i = 0; inside && i < SLOT; i += 8) {
            text.append("    ld.%s.b64 %%copy, [%%%s+%d];\n".formatted(form.space(), form.space(), i));
            text.append("    st.global.b64 [%%out+%d], %%copy;\n".formatted(offset + i));
        }
        text.append("    }\n");
    }

    /**
     * atomics(in, out): a thread has cells of 16 bytes: old, value and second value in, new and returned out. Each spelling works on its
     * own; those of shared memory work on a copy there.
     */
    static String atomics(List<MemoryForm> forms) {
        StringBuilder text = new StringBuilder(HEAD).append("""
                .visible .entry atomics(.param .u64 in, .param .u64 out)
                {
                    .reg .b64 %%in, %%out, %%shared, %%step, %%cell;
                    .reg .b32 %%thread;
                    .shared .align 16 .b8 shared[%d];
                    ld.param.u64 %%in, [in];
                    ld.param.u64 %%out, [out];
                    mov.u32 %%thread, %%tid.x;
                    mul.wide.u32 %%step, %%thread, %d;
                    add.s64 %%in, %%in, %%step;
                    mul.wide.u32 %%step, %%thread, %d;
                    add.s64 %%out, %%out, %%step;
                    mov.u64 %%shared, shared;
                    mul.wide.u32 %%step, %%thread, 16;
                    add.s64 %%shared, %%shared, %%step;
                """.formatted(16 * THREADS, 48 * forms.size(), 32 * forms.size()));
        for (int i = 0; i < forms.size(); i++) {
            atomic(forms.get(i), 48 * i, 32 * i, text);
        }
        return text.append("    ret;\n}\n").toString();
    }

    private static void atomic(MemoryForm form, int in, int out, StringBuilder text) {
        int bits = Types.bits(form.type());
        boolean shared = form.space().equals("shared");
        boolean returns = form.form().operands().get(0).isDestination();
        int values = form.form().operands().size() - (returns ? 2 : 1);
        String cell = shared ? "[%shared]" : "[%out+" + out + "]";
        text.append("    {\n    .reg .b%d old, a, b, given;\n".formatted(bits));
        text.append("    ld.global.b%d old, [%%in+%d];\n".formatted(bits, in));
        text.append("    ld.global.b%d a, [%%in+%d];\n".formatted(bits, in + 16));
        text.append("    ld.global.b%d b, [%%in+%d];\n".formatted(bits, in + 32));
        text.append("    st.%s.b%d %s, old;\n".formatted(shared ? "shared" : "global", bits, cell));
        text.append("    %s %s%s, a%s;\n".formatted(form.spelling(), returns ? "given, " : "", cell,
                values > 1 ? ", b" : ""));
        if (returns) {
            text.append("    st.global.b%d [%%out+%d], given;\n".formatted(bits, out + 16));
        }
        if (shared) {
            text.append("    ld.shared.b%d old, [%%shared];\n    st.global.b%d [%%out+%d], old;\n".formatted(bits, bits,
                    out));
        }
        text.append("    }\n");
    }
}
