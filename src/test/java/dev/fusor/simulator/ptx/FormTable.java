package dev.fusor.simulator.ptx;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * All instructions that are known, as read from the {@code .forms} beside this class: rows of
 * {@code opcode and modifiers | operands | C++}. A row may go on in indented lines; {@code #} starts a comment.
 *
 * <ul>
 * <li>{@code .sat} has to stand there, {@code [.sat]} may; {@code (t:.u32/.s32)} is a choice by the name {@code t}, in brackets one that
 * may be missing. {@code let ints = .u32/.s32} names a list for {@code (t:ints)} and for further lists. {@code [~x:...]} is advice without meaning.
 * {@code anyorder} before a row lets modifiers stand in any order.
 * <li>Operands are named; {@code d} is the destination. Their type is that of slot {@code t}, or what follows a colon: a type, another slot,
 * {@code wide} for twice {@code t}, {@code imm} for a constant. {@code ~} takes wider registers, {@code *4} is a vector of four,
 * {@code d|p} a pair of destinations, {@code d|?p} one whose second may be missing, {@code [a]} an address:
 * {@code :shared} and {@code :param} of that space, {@code :generic} of shared memory by a generic address where slot {@code space} is empty.
 * <li>In the C++, {@code $a} is an operand, {@code $x} the modifier in slot {@code x} ({@code none} where there is none), {@code $?x}
 * whether there is one, {@code $#n} its number. {@code $raw} is the unsigned integer of the size of {@code t}, {@code $int} the same with
 * the sign of {@code t}; {@code $space}, {@code $order} and {@code $scope} are enumerators of machine.h. The expression goes to
 * {@code d}, unless it assigns to {@code $d} itself.
 * </ul>
 */
final class FormTable {
    private static final List<String> FILES = List.of("integer", "compare", "float", "half", "convert", "memory",
            "atomic", "thread",
            "async");
    private static final Pattern PART = Pattern.compile("\\.[\\w:]+|\\[[^\\]]*\\]|\\([^)]*\\)");

    static final FormTable ALL = new FormTable();

    private final Map<String, List<Form>> byOpcode = new LinkedHashMap<>();
    private final List<Form> forms = new ArrayList<>();

    private FormTable() {
        for (String file : FILES) {
            read(file + ".forms");
        }
    }

    List<Form> forms() {
        return forms;
    }

    /** A row and the modifiers chosen in it. */
    record Match(Form form, Map<String, String> chosen) {}

    Match find(Statement.Instruction instruction) {
        List<Form> candidates = byOpcode.get(instruction.opcode());
        if (candidates == null) {
            throw instruction.refuse("instruction '%s' is not supported".formatted(instruction.opcode()));
        }
        boolean known = false;
        for (Form form : candidates) {
            Map<String, String> chosen = form.match(instruction.modifiers());
            known |= chosen != null;
            if (chosen != null && form.takes(instruction.operands(), chosen)) {
                chosen.put("op", form.opcodes().size() > 1 ? instruction.opcode() : chosen.get("op"));
                return new Match(form, chosen);
            }
        }
        throw known
                ? instruction.refuse("'%s' does not take these operands".formatted(instruction.form()))
                : refuseModifiers(instruction, candidates);
    }

    private static PtxException refuseModifiers(Statement.Instruction instruction, List<Form> candidates) {
        for (String modifier : instruction.modifiers()) {
            boolean anywhere = candidates.stream().flatMap(form -> form.slots().stream())
                    .flatMap(slot -> slot.alternatives().stream())
                    .anyMatch(alternative -> alternative.contains(modifier));
            if (!anywhere) {
                return instruction
                        .refuse("modifier '.%s' of '%s' is not supported".formatted(modifier, instruction.opcode()));
            }
        }
        return instruction.refuse("'%s' is no supported combination of modifiers".formatted(instruction.form()));
    }

    private void read(String file) {
        Map<String, String> lists = new HashMap<>();
        StringBuilder row = new StringBuilder();
        int number = 0;
        int start = 0;
        for (String line : (text(file) + "\n#").lines().toList()) {
            number++;
            boolean continues = line.startsWith(" ") && !line.isBlank();
            if (continues) {
                row.append(' ').append(line.strip());
                continue;
            }
            if (!row.isEmpty()) {
                add(row.toString(), lists, file + ":" + start);
                row.setLength(0);
            }
            start = number;
            if (!line.isBlank() && !line.startsWith("#")) {
                row.append(line);
            }
        }
    }

    private void add(String row, Map<String, String> lists, String place) {
        if (row.startsWith("let ")) {
            String[] sides = row.substring(4).split("=");
            List<String> items = Stream.of(sides[1].replace(" ", "").split("/"))
                    .map(item -> lists.getOrDefault(item, item)).toList();
            lists.put(sides[0].strip(), String.join("/", items));
            return;
        }
        String[] columns = row.split("(?<=\\s)\\|(?=\\s)", 3);
        if (columns.length != 3) {
            throw new IllegalArgumentException("%s: wanted three columns: %s".formatted(place, row));
        }
        boolean anyOrder = columns[0].startsWith("anyorder ");
        String pattern = columns[0].substring(anyOrder ? "anyorder ".length() : 0).strip();
        int head = pattern.startsWith("(") ? pattern.indexOf(')') + 1 : headEnd(pattern);
        List<String> opcodes = List.of(pattern.substring(0, head).replaceAll("[()]|op:", "").split("/"));
        List<OperandSpec> operands = new ArrayList<>();
        for (String operand : columns[1].strip().split("\\s+")) {
            if (!operand.isEmpty()) {
                operands.add(OperandSpec.parse(operand));
            }
        }
        Form form = new Form(opcodes, slots(pattern.substring(head), lists, place), anyOrder, operands,
                columns[2].strip(), place);
        forms.add(form);
        opcodes.forEach(opcode -> byOpcode.computeIfAbsent(opcode, _ -> new ArrayList<>()).add(form));
    }

    private static int headEnd(String pattern) {
        Matcher matcher = Pattern.compile("[a-z0-9]+").matcher(pattern);
        if (!matcher.lookingAt()) {
            throw new IllegalArgumentException("no opcode: " + pattern);
        }
        return matcher.end();
    }

    private static List<Form.Slot> slots(String pattern, Map<String, String> lists, String place) {
        List<Form.Slot> slots = new ArrayList<>();
        Matcher parts = PART.matcher(pattern);
        int end = 0;
        while (parts.find()) {
            if (parts.start() != end && !pattern.substring(end, parts.start()).equals(".")) {
                throw new IllegalArgumentException("%s: cannot read %s".formatted(place, pattern.substring(end)));
            }
            end = parts.end();
            slots.add(slot(parts.group(), lists));
        }
        if (end != pattern.length()) {
            throw new IllegalArgumentException("%s: cannot read %s".formatted(place, pattern.substring(end)));
        }
        return slots;
    }

    private static Form.Slot slot(String part, Map<String, String> lists) {
        boolean optional = part.startsWith("[");
        String inner = part.startsWith(".") ? part : part.substring(1, part.length() - 1);
        boolean advice = inner.startsWith("~");
        int colon = inner.startsWith(".") ? -1 : inner.indexOf(':');
        String choices = lists.getOrDefault(inner.substring(colon + 1), inner.substring(colon + 1));
        String name = colon < 0 ? choices.substring(1) : inner.substring(advice ? 1 : 0, colon);
        List<List<String>> alternatives = new ArrayList<>();
        for (String choice : choices.split("/")) {
            alternatives.add(List.of(choice.substring(1).split("\\.")));
        }
        return new Form.Slot(name, alternatives, optional, advice);
    }

    private static String text(String file) {
        try (InputStream in = FormTable.class.getResourceAsStream(file)) {
            if (in == null) {
                throw new IllegalStateException(file + " is missing beside " + FormTable.class.getName());
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
