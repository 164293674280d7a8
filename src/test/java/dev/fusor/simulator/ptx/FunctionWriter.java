package dev.fusor.simulator.ptx;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Writes one function of PTX as one of C++: registers as unsigned integers, labels and goto for control flow. */
final class FunctionWriter {
    private final ModuleWriter module;
    private final Function function;
    private final SharedLayout shared;
    private final StringBuilder declarations = new StringBuilder();
    private final StringBuilder body = new StringBuilder();
    private final Set<String> called = new LinkedHashSet<>();
    private long localBytes;
    private boolean afterLabel;

    FunctionWriter(ModuleWriter module, Function function, SharedLayout shared) {
        this.module = module;
        this.function = function;
        this.shared = shared;
    }

    long localBytes() {
        return localBytes;
    }

    Set<String> called() {
        return called;
    }

    /** The function with its braces; what it is called with is the module's. */
    String write(Scope scope) {
        statements(function.body(), scope);
        if (afterLabel) {
            body.append("    ;\n");
        }
        return "{\n" + declarations
                + "    [[maybe_unused]] bool carry = false;\n    [[maybe_unused]] bool dropped1 = false;\n"
                + "    [[maybe_unused]] u32 dropped32 = 0;\n" + body + "}\n";
    }

    private void statements(List<Statement> statements, Scope scope) {
        declare(statements, scope);
        for (Statement statement : statements) {
            switch (statement) {
                case Statement.Label label -> {
                    body.append(scope.findLabel(label.name())).append(":\n");
                    afterLabel = true;
                }
                case Statement.Block block -> statements(block.statements(), scope.block());
                case Statement.Location location -> location(location);
                case Statement.Instruction instruction -> instruction(instruction, scope);
                default -> {
                }
            }
        }
    }

    /** Everything is declared at the top of the C++ function, since a goto must not jump over an initialisation. */
    private void declare(List<Statement> statements, Scope scope) {
        for (Statement statement : statements) {
            switch (statement) {
                case Statement.Registers registers -> registers(registers, scope);
                case Statement.Declaration declaration -> variable(declaration.variable(), scope);
                case Statement.Label label -> {
                    if (!scope.declareLabel(label.name())) {
                        throw new PtxException("label '%s' stands twice".formatted(label.name()), label.line(),
                                label.name() + ":");
                    }
                }
                case Statement.BranchTargets targets -> scope.declareTargets(targets);
                default -> {
                }
            }
        }
    }

    private void registers(Statement.Registers registers, Scope scope) {
        int bits = Types.bits(registers.type());
        String separator = "    " + Types.carrier(bits) + " ";
        int column = 0;
        for (String name : registers.names()) {
            String unique = scope.unique("", name);
            if (!scope.declare(name, new Symbol("reg", unique, bits, 0))) {
                throw new PtxException("register '%s' is declared twice".formatted(name), registers.line(),
                        ".reg " + name);
            }
            declarations.append(separator).append(unique).append(" = 0");
            column = column > 100 ? 0 : column + unique.length() + 6;
            separator = column == 0 ? ",\n        " : ", ";
        }
        if (!registers.names().isEmpty()) {
            declarations.append(";\n");
        }
    }

    private void variable(Variable variable, Scope scope) {
        Symbol symbol = switch (variable.space()) {
            case "shared" -> shared.place(variable);
            case "local" -> {
                localBytes += variable.bytes();
                String name = array(variable, scope, Math.max(variable.alignment(), 16));
                yield new Symbol("local", "hostAddress(" + name + ")", 0, variable.bytes());
            }
            case "param" -> new Symbol("param", array(variable, scope, 16), 0, variable.bytes());
            default -> module.variable(variable);
        };
        if (!scope.declare(variable.name(), symbol)) {
            throw variable.refuse("'%s' is declared twice".formatted(variable.name()));
        }
    }

    private String array(Variable variable, Scope scope, int alignment) {
        String name = scope.unique("", variable.name());
        declarations.append("    alignas(%d) u8 %s[%d];\n".formatted(alignment, name, Math.max(variable.bytes(), 1)));
        return name;
    }

    private void location(Statement.Location location) {
        String file = module.file(location.file());
        if (location.line() > 0 && file != null) {
            module.at(file, location.line());
            body.append("#line ").append(location.line()).append(' ').append(ModuleWriter.quoted(file)).append('\n');
        }
    }

    private void instruction(Statement.Instruction instruction, Scope scope) {
        afterLabel = false;
        String code = switch (instruction.opcode()) {
            case "bra" -> branch(instruction, scope);
            case "brx" -> branchByIndex(instruction, scope);
            case "ret" -> returned(instruction);
            case "call" -> new CallWriter(module, instruction, scope, called).write();
            default -> computed(instruction, scope);
        };
        body.append("    ");
        if (instruction.guard() != null) {
            Symbol guard = scope.find(instruction.guard());
            if (guard == null || guard.bits() != 1) {
                throw instruction.refuse("'%s' is no predicate".formatted(instruction.guard()));
            }
            body.append(instruction.guardNegated() ? "if (!" : "if (").append(guard.expression()).append(") ");
        }
        body.append(code).append('\n');
    }

    private static String branch(Statement.Instruction instruction, Scope scope) {
        boolean plain = instruction.modifiers().isEmpty() || instruction.modifiers().equals(List.of("uni"));
        if (!plain || instruction.operands().size() != 1) {
            throw instruction.refuse("'%s' is not supported".formatted(instruction.form()));
        }
        return "goto " + label(instruction, scope, instruction.operands().get(0)) + ";";
    }

    private static String label(Statement.Instruction instruction, Scope scope, Operand operand) {
        String label = operand instanceof Operand.Name name ? scope.findLabel(name.text()) : null;
        if (label == null) {
            throw instruction.refuse("the target of the branch is no label here");
        }
        return label;
    }

    /** An index beyond the list is undefined on the device, and a fault here. */
    private String branchByIndex(Statement.Instruction instruction, Scope scope) {
        List<Operand> operands = instruction.operands();
        boolean plain = instruction.modifiers().equals(List.of("idx"))
                || instruction.modifiers().equals(List.of("idx", "uni"));
        if (!plain || operands.size() != 2 || !(operands.get(1) instanceof Operand.Name list)
                || scope.findTargets(list.text()) == null) {
            throw instruction.refuse("'%s' takes an index and a list of labels".formatted(instruction.form()));
        }
        OperandSpec index = OperandSpec.parse("a:u32");
        StringBuilder code = new StringBuilder("switch (");
        code.append(new OperandWriter(instruction, scope, Map.of()).source(index, operands.get(0))).append(") {");
        List<String> labels = scope.findTargets(list.text()).labels();
        for (int i = 0; i < labels.size(); i++) {
            code.append(
                    " case %d: goto %s;".formatted(i, label(instruction, scope, new Operand.Name(labels.get(i), 0))));
        }
        return code.append(" default: trap(thread, \"the index of a branch is outside its list\", %s); }"
                .formatted(module.site(instruction))).toString();
    }

    private static String returned(Statement.Instruction instruction) {
        boolean plain = instruction.modifiers().isEmpty() || instruction.modifiers().equals(List.of("uni"));
        if (!plain || !instruction.operands().isEmpty()) {
            throw instruction.refuse("'%s' is not supported".formatted(instruction.form()));
        }
        return "return;";
    }

    private String computed(Statement.Instruction instruction, Scope scope) {
        FormTable.Match match = FormTable.ALL.find(instruction);
        Map<String, String> chosen = match.chosen();
        OperandWriter operands = new OperandWriter(instruction, scope, chosen);
        List<OperandSpec> specs = match.form().operands();
        boolean assigns = match.form().meaning().contains("$d") && specs.get(0).isDestination();
        String code = Template.fill(match.form().meaning(), chosen, name -> {
            for (int i = 0; i < specs.size(); i++) {
                Operand operand = instruction.operands().get(i);
                OperandSpec spec = specs.get(i);
                if (spec.isDestination()
                        && (spec.name().equals(name) || spec.second() != null && spec.second().name().equals(name))) {
                    return destination(operands, spec, operand, name);
                }
                if (!spec.isDestination() && spec.name().equals(name)) {
                    return operands.source(spec, operand);
                }
            }
            return null;
        });
        if (!specs.isEmpty() && specs.get(0).isDestination() && !assigns) {
            code = assigned(operands, specs.get(0), instruction.operands().get(0), code, chosen);
        } else if (assigns) {
            code = "{ " + code + "; }";
        } else {
            code += ";";
        }
        return code.contains("$site") ? code.replace("$site", module.site(instruction)) : code;
    }

    /** One of two destinations, as something to write to. */
    private static String destination(OperandWriter operands, OperandSpec spec, Operand operand, String name) {
        boolean first = spec.name().equals(name);
        OperandSpec wanted = first ? spec : spec.second();
        Operand one = operand instanceof Operand.Pair pair
                ? first ? pair.first() : pair.second()
                : first ? operand : null;
        Symbol symbol = one == null ? null : operands.destination(wanted, one);
        if (symbol == null) {
            return wanted.type().equals("pred") ? "dropped1" : "dropped32";
        }
        return symbol.expression();
    }

    private static String assigned(OperandWriter operands, OperandSpec spec, Operand operand, String code,
            Map<String, String> chosen) {
        if (operand instanceof Operand.Vector vector) {
            StringBuilder assignments = new StringBuilder("{ const auto values = ").append(code).append(";");
            List<String> targets = new ArrayList<>();
            for (int i = 0; i < vector.elements().size(); i++) {
                Symbol symbol = operands.destination(spec, vector.elements().get(i));
                if (symbol != null) {
                    String value = Template.fill("static_cast<$int>(values[%d])".formatted(i),
                            Map.of("t", spec.typeFor(chosen)), _ -> null);
                    targets.add(" %s = static_cast<%s>(%s);".formatted(symbol.expression(),
                            Types.carrier(symbol.bits()), value));
                }
            }
            targets.forEach(assignments::append);
            return assignments.append(" }").toString();
        }
        Symbol symbol = operands.destination(spec, operand);
        if (symbol == null) {
            return "static_cast<void>(%s);".formatted(code);
        }
        String value = "1".equals(spec.lanes()) ? "(" + code + ")[0]" : code;
        return symbol.bits() == 1
                ? "%s = %s;".formatted(symbol.expression(), value)
                : "%s = static_cast<%s>(%s);".formatted(symbol.expression(), Types.carrier(symbol.bits()), value);
    }
}
