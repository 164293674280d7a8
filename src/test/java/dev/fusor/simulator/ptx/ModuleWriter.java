package dev.fusor.simulator.ptx;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.StringJoiner;

/** Writes the C++ of a module: what module.h wants it to export, and its functions. */
final class ModuleWriter {
    private final PtxModule ptx;
    private final String name;
    private final String sha256;
    private final Scope scope = Scope.ofModule();
    private final SharedLayout common = new SharedLayout();
    private final List<Variable> variables = new ArrayList<>();
    private final Map<String, Function> functions = new LinkedHashMap<>();
    private final Map<String, String> functionNames = new LinkedHashMap<>();
    private final Map<String, FunctionWriter> written = new LinkedHashMap<>();
    private final Map<String, SharedLayout> layouts = new LinkedHashMap<>();
    private final List<String> sites = new ArrayList<>();
    private String currentFile;
    private int currentLine;

    ModuleWriter(PtxModule ptx, String name, String sha256) {
        this.ptx = ptx;
        this.name = name;
        this.sha256 = sha256;
    }

    String file(int number) {
        return ptx.files().get(number);
    }

    /** From here on, instructions come from this line. */
    void at(String file, int line) {
        currentFile = file;
        currentLine = line;
    }

    /** A constant that says where an instruction stands; each call makes another one. */
    String site(Statement.Instruction instruction) {
        String file = currentFile == null ? name : currentFile;
        int line = currentFile == null ? instruction.line() : currentLine;
        sites.add("    {%s, %d, %d, %s},\n".formatted(quoted(file), line, instruction.line(),
                quoted(instruction.text())));
        return "kSites[%d]".formatted(sites.size() - 1);
    }

    /** The symbol of a .global or .const variable, which gets its place in the module's table here. */
    Symbol variable(Variable variable) {
        if (variable.external()) {
            throw variable.refuse("variable '%s' of another module is not supported".formatted(variable.name()));
        }
        variables.add(variable);
        return new Symbol(variable.space(), "thread.variables[%d]".formatted(variables.size() - 1), 0,
                variable.bytes());
    }

    Function function(String function) {
        return functions.get(function);
    }

    String functionName(String function) {
        return functionNames.get(function);
    }

    String write() {
        for (Variable variable : ptx.variables()) {
            Symbol symbol = variable.space().equals("shared") ? common.place(variable) : variable(variable);
            if (!scope.declare(variable.name(), symbol)) {
                throw variable.refuse("'%s' is declared twice".formatted(variable.name()));
            }
        }
        for (Function function : ptx.functions()) {
            Function known = functions.get(function.name());
            if (known == null || known.body() == null) {
                functions.put(function.name(), function);
            }
            functionNames.computeIfAbsent(function.name(),
                    text -> scope.unique(function.entry() ? "entry_" : "func_", text));
        }
        StringBuilder bodies = new StringBuilder();
        StringBuilder prototypes = new StringBuilder();
        for (boolean entries : new boolean[]{false, true}) {
            functions.values().stream().filter(function -> function.entry() == entries && function.body() != null)
                    .forEach(function -> function(function, prototypes, bodies));
        }
        return head() + prototypes + "\n" + siteTable() + tables() + "\n" + bodies
                + "\n}  // namespace\n}  // namespace fusor::sim\n\n"
                + module();
    }

    private void function(Function function, StringBuilder prototypes, StringBuilder bodies) {
        currentFile = null;
        SharedLayout layout = function.entry() ? new SharedLayout(common) : common;
        FunctionWriter writer = new FunctionWriter(this, function, layout);
        Scope inner = scope.function();
        String signature = signature(function, inner);
        String code = writer.write(inner);
        written.put(function.name(), writer);
        layouts.put(function.name(), layout);
        prototypes.append(signature).append(";\n");
        bodies.append("#line %d %s\n".formatted(function.line(), quoted(name))).append(signature).append(' ')
                .append(code).append('\n');
    }

    private String signature(Function function, Scope inner) {
        String unique = functionNames.get(function.name());
        if (function.entry()) {
            long offset = 0;
            for (Variable parameter : function.parameters()) {
                offset = place(offset, parameter);
                inner.declare(parameter.name(),
                        new Symbol("param", offset == 0 ? "parameters" : "parameters + " + offset, 0,
                                parameter.bytes()));
                offset += parameter.bytes();
            }
            return "void %s(Thread& thread, [[maybe_unused]] const u8* parameters)".formatted(unique);
        }
        StringBuilder text = new StringBuilder("void %s([[maybe_unused]] Thread& thread".formatted(unique));
        for (Variable result : function.results()) {
            text.append(", [[maybe_unused]] u8* ").append(declared(result, inner));
        }
        for (Variable parameter : function.parameters()) {
            text.append(", [[maybe_unused]] u8* ").append(declared(parameter, inner));
        }
        return text.append(")").toString();
    }

    private static String declared(Variable parameter, Scope inner) {
        String unique = inner.unique("", parameter.name());
        inner.declare(parameter.name(), new Symbol("param", unique, 0, parameter.bytes()));
        return unique;
    }

    private static long place(long offset, Variable parameter) {
        long alignment = Math.max(1, parameter.alignment());
        return (offset + alignment - 1) / alignment * alignment;
    }

    private String head() {
        return """
                // Translated from PTX; not meant to be read, but fit to be stepped through.
                #include "collectives.h"
                #include "instructions.h"
                #include "machine.h"
                #include "module.h"
                #include "parameters.h"

                namespace fusor::sim {
                namespace {

                """;
    }

    private String siteTable() {
        return sites.isEmpty() ? "" : "constexpr Site kSites[] = {\n" + String.join("", sites) + "};\n";
    }

    private List<Function> entries() {
        return functions.values().stream().filter(function -> function.entry() && function.body() != null).toList();
    }

    private String tables() {
        StringBuilder text = new StringBuilder();
        for (Function entry : entries()) {
            tablesOf(entry, text);
        }
        text.append(variableTables());
        if (!entries().isEmpty()) {
            text.append("constexpr Entry kEntries[] = {\n");
            entries().forEach(entry -> text.append(entry(entry)));
            text.append("};\n");
        }
        return text.toString();
    }

    private void tablesOf(Function entry, StringBuilder text) {
        String unique = functionNames.get(entry.name());
        if (!entry.parameters().isEmpty()) {
            text.append("constexpr Parameter kParametersOf_%s[] = {".formatted(unique));
            long offset = 0;
            for (Variable parameter : entry.parameters()) {
                offset = place(offset, parameter);
                text.append("{%d, %d, %d}, ".formatted(offset, parameter.bytes(), parameter.alignment()));
                offset += parameter.bytes();
            }
            text.append("};\n");
        }
        List<SharedLayout.Placed> arrays = layouts.get(entry.name()).arrays();
        if (!arrays.isEmpty()) {
            text.append("constexpr SharedArray kSharedOf_%s[] = {".formatted(unique));
            arrays.forEach(array -> text
                    .append("{%s, %d, %d}, ".formatted(quoted(array.name()), array.offset(), array.bytes())));
            text.append("};\n");
        }
    }

    private String entry(Function entry) {
        String unique = functionNames.get(entry.name());
        SharedLayout layout = layouts.get(entry.name());
        long parameterBytes = 0;
        for (Variable parameter : entry.parameters()) {
            parameterBytes = place(parameterBytes, parameter) + parameter.bytes();
        }
        List<Integer> maximum = entry.directives().get("maxntid");
        int maximumThreads = maximum == null ? 0 : maximum.stream().reduce(1, (a, b) -> a * b);
        return "    {%s, %s, %s, %d, %d, %s, %d, %d, %d, %d, %s, %d, %s},\n".formatted(quoted(entry.name()), unique,
                entry.parameters().isEmpty() ? "nullptr" : "kParametersOf_" + unique, entry.parameters().size(),
                parameterBytes,
                layout.arrays().isEmpty() ? "nullptr" : "kSharedOf_" + unique, layout.arrays().size(),
                layout.layoutBytes(),
                layout.bytes(), localBytes(entry.name(), new LinkedHashSet<>()),
                three(entry.directives().get("reqntid")),
                maximumThreads, three(entry.directives().get("reqnctapercluster")));
    }

    /** With what the functions that it may call need, each counted once. */
    private long localBytes(String function, Set<String> seen) {
        if (!seen.add(function)) {
            return 0;
        }
        FunctionWriter writer = written.get(function);
        return writer.localBytes() + writer.called().stream().mapToLong(called -> localBytes(called, seen)).sum();
    }

    private static String three(List<Integer> values) {
        if (values == null) {
            return "{0, 0, 0}";
        }
        StringJoiner joiner = new StringJoiner(", ", "{", "}");
        for (int i = 0; i < 3; i++) {
            joiner.add(Integer.toString(i < values.size() ? values.get(i) : 1));
        }
        return joiner.toString();
    }

    private String variableTables() {
        StringBuilder text = new StringBuilder();
        StringBuilder rows = new StringBuilder();
        for (int i = 0; i < variables.size(); i++) {
            Variable variable = variables.get(i);
            String initial = "nullptr";
            if (variable.initial() != null) {
                initial = "kInitial" + i;
                StringJoiner bytes = new StringJoiner(", ");
                for (byte value : variable.initial()) {
                    bytes.add(Integer.toString(value & 0xFF));
                }
                text.append("constexpr u8 %s[] = {%s};\n".formatted(initial, bytes));
            }
            rows.append("    {%s, %d, %d, %s, %s},\n".formatted(quoted(variable.name()), variable.bytes(),
                    variable.alignment(),
                    variable.space().equals("const"), initial));
        }
        return rows.isEmpty() ? "" : text + "constexpr Variable kVariables[] = {\n" + rows + "};\n";
    }

    private String module() {
        return """
                extern "C" const fusor::sim::Module fusor_module = {fusor::sim::kModuleAbi, "%s", %s, %d, %d, %s, %d, %s, %d};
                """
                .formatted(sha256, quoted(ptx.target()), ptx.major(), ptx.minor(),
                        entries().isEmpty() ? "nullptr" : "fusor::sim::kEntries", entries().size(),
                        variables.isEmpty() ? "nullptr" : "fusor::sim::kVariables", variables.size());
    }

    static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("?", "\\?") + '"';
    }
}
