package dev.fusor.simulator.ptx;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Writes a call: pointers to the caller's parameter space, results first. */
final class CallWriter {
    private final ModuleWriter module;
    private final Statement.Instruction instruction;
    private final Scope scope;
    private final Set<String> called;

    CallWriter(ModuleWriter module, Statement.Instruction instruction, Scope scope, Set<String> called) {
        this.module = module;
        this.instruction = instruction;
        this.scope = scope;
        this.called = called;
    }

    String write() {
        List<Operand> rest = new ArrayList<>(instruction.operands());
        boolean plain = instruction.modifiers().isEmpty() || instruction.modifiers().equals(List.of("uni"));
        List<String> results = !rest.isEmpty() && rest.get(0) instanceof Operand.Arguments first ? first.names() : null;
        if (results != null) {
            rest.remove(0);
        }
        boolean shaped = !rest.isEmpty() && rest.size() <= 2
                && (rest.size() == 1 || rest.get(1) instanceof Operand.Arguments);
        if (!plain || !shaped || !(rest.get(0) instanceof Operand.Name name)) {
            throw instruction.refuse("only direct calls are supported");
        }
        List<String> arguments = rest.size() == 2 ? ((Operand.Arguments) rest.get(1)).names() : List.of();
        if (name.text().equals("__assertfail") && arguments.size() == 5) {
            return "assertionFailed(thread, %s, %s);".formatted(pointers(arguments.subList(0, 4).stream()),
                    module.site(instruction));
        }
        return call(name.text(), results == null ? List.of() : results, arguments);
    }

    private String call(String name, List<String> results, List<String> arguments) {
        Function function = module.function(name);
        if (function == null || function.body() == null) {
            throw instruction.refuse("function '%s' is not defined in this module".formatted(name));
        }
        check(function.results(), results, name);
        check(function.parameters(), arguments, name);
        called.add(name);
        String pointers = pointers(Stream.concat(results.stream(), arguments.stream()));
        return "%s(thread%s);".formatted(module.functionName(name), pointers.isEmpty() ? "" : ", " + pointers);
    }

    private void check(List<Variable> wanted, List<String> given, String name) {
        boolean same = wanted.size() == given.size();
        for (int i = 0; same && i < given.size(); i++) {
            Symbol symbol = scope.find(given.get(i));
            same = symbol != null && symbol.space().equals("param") && symbol.bytes() >= wanted.get(i).bytes();
        }
        if (!same) {
            throw instruction.refuse("the arguments do not fit the parameters of '%s'".formatted(name));
        }
    }

    private String pointers(Stream<String> names) {
        return names.map(name -> {
            Symbol symbol = scope.find(name);
            if (symbol == null || !symbol.space().equals("param")) {
                throw instruction.refuse("argument '%s' is not in .param".formatted(name));
            }
            return symbol.expression();
        }).collect(Collectors.joining(", "));
    }
}
