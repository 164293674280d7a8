package dev.fusor.simulator.ptx;

import java.util.List;

/** What stands in the body of a function. */
sealed interface Statement {
    record Label(String name, int line) implements Statement {}

    /** An inner scope: names declared in it end with it. */
    record Block(List<Statement> statements) implements Statement {}

    record Registers(String type, List<String> names, int line) implements Statement {}

    record Declaration(Variable variable) implements Statement {}

    /** Where the following instructions come from; the file by its number. */
    record Location(int file, int line) implements Statement {}

    record BranchTargets(String name, List<String> labels, int line) implements Statement {}

    /** The guard is null where the instruction always runs; modifiers are without their dots. */
    record Instruction(String guard, boolean guardNegated, String opcode, List<String> modifiers,
            List<Operand> operands, int line,
            String text) implements Statement {
        String form() {
            return modifiers.isEmpty() ? opcode : opcode + "." + String.join(".", modifiers);
        }

        PtxException refuse(String problem) {
            return new PtxException(problem, line, text);
        }
    }
}
