package dev.fusor.align;

import dev.fusor.tensor.Shape;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Linear layers, convolutions and norms one after another. Modules whose names are the same but for a number are a family.
 * First comes the family with convolutions ({@code conv1} or {@code features.0}), then the one with linear layers alone, each
 * in the order of its numbers, last a linear layer without a number. A family of norms alone ({@code bn1}) stands behind the
 * layers of the same numbers. Names that leave any doubt make no sequence.
 */
final class SequenceSpec {
    private static final Pattern WEIGHT = Pattern.compile("(.*?)(\\d{1,6})?\\.weight");
    private static final Set<String> HEADS = Set.of("fc", "head", "classifier", "linear", "out", "output");

    private final List<Module> modules = new ArrayList<>();

    private SequenceSpec() {}

    /** One module; number -1 is none. */
    private record Module(String family, int number, Shape weight) {
        String name() {
            return family + (number < 0 ? "" : number);
        }

        boolean isNorm() {
            return weight.rank() == 1;
        }

        boolean isConvolution() {
            return weight.rank() > 2;
        }
    }

    static Optional<Draft> draft(Map<String, Shape> tensors, Map<String, Long> configuration) throws SpecException {
        SequenceSpec sequence = new SequenceSpec();
        for (Map.Entry<String, Shape> tensor : tensors.entrySet()) {
            Matcher name = WEIGHT.matcher(tensor.getKey());
            if (name.matches() && tensor.getValue().rank() > 0) {
                sequence.modules.add(new Module(name.group(1),
                        name.group(2) == null ? -1 : Integer.parseInt(name.group(2)), tensor.getValue()));
            }
        }
        return sequence.sort() ? sequence.write(tensors, configuration) : Optional.empty();
    }

    /** Puts the modules in their order, if they have one beyond doubt. */
    private boolean sort() {
        List<Module> numbered = modules.stream().filter(module -> module.number() >= 0).toList();
        List<Module> others = modules.stream().filter(module -> module.number() < 0).toList();
        Set<String> convolutions = families(numbered.stream().filter(Module::isConvolution).toList());
        Set<String> layers = families(numbered.stream().filter(module -> !module.isNorm()).toList());
        Set<String> linears = new HashSet<>(layers);
        linears.removeAll(convolutions);
        Set<String> norms = families(numbered);
        norms.removeAll(layers);
        Set<String> before = convolutions.isEmpty() ? linears : convolutions;
        boolean clear = convolutions.size() <= 1 && linears.size() <= 1 && norms.size() <= 1 && others.size() <= 1
                && others.stream().allMatch(head -> HEADS.contains(head.family()) && head.weight().rank() == 2)
                && numbered.stream().filter(norm -> norms.contains(norm.family()))
                        .allMatch(norm -> numbered.stream().anyMatch(layer -> before.contains(layer.family())
                                && layer.number() == norm.number()));
        modules.sort(Comparator.<Module>comparingInt(module -> module.number() < 0
                ? 2
                : before.contains(module.family()) || norms.contains(module.family()) ? 0 : 1)
                .thenComparingInt(Module::number).thenComparing(module -> norms.contains(module.family())));
        return clear && modules.stream().anyMatch(module -> !module.isNorm());
    }

    private static Set<String> families(List<Module> modules) {
        return modules.stream().map(Module::family).collect(Collectors.toSet());
    }

    private Optional<Draft> write(Map<String, Shape> tensors, Map<String, Long> configuration) throws SpecException {
        Draft draft = new Draft(
                "the sequence " + modules.stream().map(Module::name).collect(Collectors.joining(", ")), tensors,
                configuration);
        Module last = lastThatMixes();
        String group = null;
        Module layer = null;
        for (Module module : modules) {
            if (module.isNorm()) {
                boolean shared = module.weight().extent(0) == 1; // one slope of a PReLU for all channels
                if (!shared && layer != null && module.weight().extent(0) != layer.weight().extent(0)) {
                    return Optional.empty();
                }
                draft.addNorm(module.name(), shared ? null : group);
                continue;
            }
            if (!follows(module, layer)) {
                return Optional.empty();
            }
            String[] axes = new String[module.weight().rank()];
            if (!isDepthwise(module, layer)) {
                axes[1] = group;
                group = module == last ? null : module.name();
                if (group != null) {
                    draft.group(group, module.weight().extent(0));
                }
            }
            axes[0] = group;
            draft.add(module.name() + ".weight", axes);
            draft.add(module.name() + ".bias", group);
            layer = module;
        }
        return Optional.of(draft);
    }

    /** The last layer whose outputs are not its inputs one by one. */
    private Module lastThatMixes() {
        List<Module> layers = modules.stream().filter(module -> !module.isNorm()).toList();
        int last = layers.size() - 1;
        while (last > 0 && isDepthwise(layers.get(last), layers.get(last - 1))) {
            last--;
        }
        return layers.get(last);
    }

    /** Whether the inputs of a module are the outputs of the one before; a linear one may take flattened channels. */
    private static boolean follows(Module module, Module before) {
        if (before == null || isDepthwise(module, before)) {
            return true;
        }
        long inputs = module.weight().extent(1);
        long outputs = before.weight().extent(0);
        boolean flattened = before.isConvolution() && !module.isConvolution();
        return inputs == outputs || flattened && outputs > 0 && inputs % outputs == 0;
    }

    private static boolean isDepthwise(Module module, Module before) {
        return before != null && module.isConvolution() && module.weight().extent(1) == 1
                && before.weight().extent(0) > 1 && module.weight().extent(0) == before.weight().extent(0);
    }
}
