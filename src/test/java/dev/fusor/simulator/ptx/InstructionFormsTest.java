package dev.fusor.simulator.ptx;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Every form of every instruction that computes from registers, translated, compiled and run over edge values, against a definition
 * written from the manual.
 */
class InstructionFormsTest {
    private static final long SEED = Long.getLong("fusor.seed", 20261121L);
    private static final int MODULES = 4;
    private static final int INSTANCES = 40;
    private static final int MOST_FAILURES = 20;

    private final List<String> failures = new ArrayList<>();
    private long checks;

    @Test
    void everyFormComputesWhatTheManualSays() {
        ModuleRunner.require();
        List<FormKernel> kernels = kernels();
        List<List<FormKernel>> parts = IntStream.range(0, MODULES).mapToObj(
                part -> IntStream.range(0, kernels.size()).filter(i -> i % MODULES == part).mapToObj(kernels::get)
                        .toList())
                .toList();
        List<Path> modules = IntStream.range(0, MODULES).parallel()
                .mapToObj(part -> ModuleRunner.build(FormKernel.module(parts.get(part), "sm_100"), "forms" + part))
                .toList();
        for (int part = 0; part < MODULES; part++) {
            for (FormKernel kernel : parts.get(part)) {
                run(kernel, modules.get(part));
            }
        }
        System.out.printf("%d forms of %d rows: %d results equal their definitions (fusor.seed=%d)%n",
                kernels.stream().mapToInt(kernel -> kernel.instances().size()).sum(),
                FormTable.ALL.forms().stream().filter(FormInstance::isPure).count(), checks, SEED);
        assertThat(failures).isEmpty();
    }

    /** The most frequent mistake in such a definition, or in a table, is a modifier that changes nothing. */
    @Test
    void everyFormHasADefinitionThatHeedsAllModifiers() {
        TreeSet<String> problems = new TreeSet<>();
        for (FormInstance instance : FormInstance.all()) {
            Invocation invocation = instance.invocation(new long[FormKernel.WORDS], true);
            List<Outcome> outcomes = Definitions.define(invocation);
            if (outcomes == null || outcomes.size() < destinations(instance)) {
                problems.add(instance.spelling() + " has no definition");
            } else if (!invocation.ignored().isEmpty()) {
                problems.add("the definition of %s ignores %s".formatted(instance.spelling(), invocation.ignored()));
            }
        }
        assertThat(problems).isEmpty();
    }

    @Test
    void noSpellingIsOfTwoRows() {
        for (FormInstance instance : FormInstance.all()) {
            long rows = FormTable.ALL.forms().stream()
                    .filter(form -> form.opcodes().contains(instance.opcode())
                            && form.match(instance.modifiers()) != null
                            && form.operands().size() == instance.form().operands().size()
                            && lanes(form, instance).equals(lanes(instance.form(), instance)))
                    .count();
            assertThat(rows).as(instance.spelling()).isEqualTo(1);
        }
    }

    private static List<Integer> lanes(Form form, FormInstance instance) {
        return form.operands().stream().map(spec -> spec.laneCount(instance.chosen())).toList();
    }

    private static int destinations(FormInstance instance) {
        return instance.destination().second() != null || instance.givesCarry() ? 2 : 1;
    }

    private static List<FormKernel> kernels() {
        Map<List<String>, List<FormInstance>> groups = new LinkedHashMap<>();
        FormInstance.all().forEach(
                instance -> groups.computeIfAbsent(instance.sourceTypes(), _ -> new ArrayList<>()).add(instance));
        List<FormKernel> kernels = new ArrayList<>();
        groups.forEach((types, instances) -> {
            for (int start = 0; start < instances.size(); start += INSTANCES) {
                List<FormInstance> some = instances.subList(start, Math.min(start + INSTANCES, instances.size()));
                kernels.add(FormKernel.of("forms_" + kernels.size(), types, some, SEED + kernels.size()));
            }
        });
        return kernels;
    }

    private void run(FormKernel kernel, Path module) {
        long[] output = new long[kernel.outputWords()];
        ModuleRunner.Result result = ModuleRunner.run(module, kernel.name(),
                ModuleRunner.Shape.of(1, FormKernel.TUPLES), 0,
                kernel.input().clone(), output);
        assertThat(result.fault()).as(result.report()).isZero();
        for (int i = 0; i < kernel.instances().size(); i++) {
            check(kernel, i, output);
        }
    }

    private void check(FormKernel kernel, int index, long[] output) {
        FormInstance instance = kernel.instances().get(index);
        for (int tuple = 0; tuple < FormKernel.TUPLES; tuple++) {
            int start = tuple * FormKernel.WORDS;
            long[] operands = Arrays.copyOfRange(kernel.input(), start, start + kernel.types().size());
            Invocation invocation = instance.invocation(operands, kernel.input()[start + FormKernel.WORDS - 1] != 0);
            List<Outcome> outcomes = Definitions.define(invocation);
            for (int word = 0; word < destinations(instance); word++) {
                long got = output[kernel.outputIndex(index, tuple, word)];
                checks++;
                if (!outcomes.get(word).accepts(got)) {
                    if (failures.size() < MOST_FAILURES) {
                        failures.add("%s of %s: result %d should be %s, is 0x%x".formatted(instance.spelling(),
                                Arrays.stream(invocation.operands()).mapToObj("0x%x"::formatted).toList(), word,
                                outcomes.get(word), got));
                    }
                    return;
                }
            }
        }
    }
}
