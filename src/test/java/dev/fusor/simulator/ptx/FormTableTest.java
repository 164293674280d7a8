package dev.fusor.simulator.ptx;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/** That no row of the tables is without a test that runs it. */
class FormTableTest {
    @Test
    void everyRowIsRunByATest() {
        Set<Form> run = new HashSet<>();
        FormInstance.all().forEach(instance -> run.add(instance.form()));
        int pure = run.size();
        MemoryForm.all("ld", form -> !MemoryForm.isParameter(form)).forEach(form -> run.add(form.form()));
        MemoryForm.all("st", form -> !MemoryForm.isParameter(form)).forEach(form -> run.add(form.form()));
        MemoryForm.all("atom", _ -> true).forEach(form -> run.add(form.form()));
        MemoryForm.all("red", _ -> true).forEach(form -> run.add(form.form()));
        int memory = run.size() - pure;
        for (LaneKernel kernel : kernels()) {
            for (Function function : Parser.parse(kernel.ptx("")).functions()) {
                collect(function.body(), run);
            }
        }
        System.out.printf("%d rows: %d of registers, %d of memory, %d by steps%n", FormTable.ALL.forms().size(), pure,
                memory,
                run.size() - pure - memory);
        assertThat(FormTable.ALL.forms().stream().filter(form -> !run.contains(form))
                .map(form -> form.place() + " " + form.opcodes()))
                .isEmpty();
    }

    private static List<LaneKernel> kernels() {
        WarpKernels warps = new WarpKernels(1);
        long[] two = new long[2 * BlockKernels.BLOCK];
        return List.of(warps.warps(), warps.floatReductions(), BlockKernels.barriers(warps.v),
                BlockKernels.clusters(two),
                BlockKernels.copies(warps.v), MbarrierKernels.mbarriers(warps.v), ThreadKernels.addresses(warps.v),
                ThreadKernels.fences(),
                ThreadKernels.calls(warps.v), ThreadKernels.branches(warps.v, warps.w), new MatrixKernels(1).products(),
                MatrixKernels.loads(), FaultsTest.trapping("trap"), FaultsTest.trapping("brkpt"));
    }

    private static void collect(List<Statement> statements, Set<Form> found) {
        for (Statement statement : statements) {
            switch (statement) {
                case Statement.Block block -> collect(block.statements(), found);
                case Statement.Instruction instruction when !List.of("bra", "brx", "call", "ret")
                        .contains(instruction.opcode()) ->
                    found
                            .add(FormTable.ALL.find(instruction).form());
                default -> {
                }
            }
        }
    }

    @Test
    void everySpellingIsFoundInItsOwnRow() {
        List<String> problems = new ArrayList<>();
        for (Form form : FormTable.ALL.forms()) {
            for (List<String> spelling : form.spellings("scope", "order")) {
                List<String> modifiers = spelling.subList(1, spelling.size());
                List<String> rows = FormTable.ALL.forms().stream()
                        .filter(other -> other.opcodes().contains(spelling.get(0)) && other.match(modifiers) != null
                                && sameOperands(form, other, modifiers))
                        .map(Form::place).toList();
                if (rows.size() != 1) {
                    problems.add(String.join(".", spelling) + " is in " + rows);
                }
            }
        }
        assertThat(problems).isEmpty();
    }

    private static boolean sameOperands(Form one, Form other, List<String> modifiers) {
        return shape(one, modifiers).equals(shape(other, modifiers));
    }

    private static List<String> shape(Form form, List<String> modifiers) {
        return form.operands().stream().map(spec -> spec.address() + " " + spec.laneCount(form.match(modifiers)))
                .toList();
    }
}
