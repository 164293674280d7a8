package dev.fusor.align;

import dev.fusor.tensor.Shape;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * What belongs to the outputs of a module is permuted as its outputs are: {@code m.bias}, {@code m.running_mean} and
 * {@code m.running_var} as an axis of {@code m.weight}.
 */
final class ModuleCheck {
    private static final List<String> OF_OUTPUTS = List.of(".bias", ".running_mean", ".running_var");

    private final PermutationSpec spec;

    ModuleCheck(PermutationSpec spec) {
        this.spec = spec;
    }

    /** What one occurrence does to its axis. */
    private record Stretch(long start, PermutationGroup group, long block) {}

    /**
     * Checks every module.
     *
     * @param written how the spec writes the name of each tensor
     */
    void check(Map<String, String> written) throws SpecException {
        for (Map.Entry<String, Shape> tensor : spec.tensors().entrySet()) {
            for (String ending : OF_OUTPUTS) {
                String name = tensor.getKey();
                String weight = name.substring(0, Math.max(0, name.length() - ending.length())) + ".weight";
                if (name.endsWith(ending) && tensor.getValue().rank() == 1 && spec.tensors().containsKey(weight)) {
                    check(written.get(name), name, weight);
                }
            }
        }
    }

    private void check(String line, String name, String weight) throws SpecException {
        Shape shape = spec.tensors().get(weight);
        long outputs = spec.tensors().get(name).extent(0);
        int[] axes = IntStream.range(0, shape.rank()).filter(axis -> shape.extent(axis) == outputs).toArray();
        Set<Stretch> own = stretches(name, 0);
        if (axes.length > 0 && IntStream.of(axes).noneMatch(axis -> stretches(weight, axis).equals(own))) {
            throw new SpecException(line,
                    "tensor '%s' is permuted by %s, wanted %s as axis %d of '%s' is".formatted(name,
                            words(own), words(stretches(weight, axes[0])), axes[0], weight));
        }
    }

    private Set<Stretch> stretches(String tensor, int axis) {
        Set<Stretch> stretches = new HashSet<>();
        for (Occurrence occurrence : spec.in(tensor)) {
            if (occurrence.axis() == axis) {
                stretches.add(new Stretch(occurrence.start(), occurrence.group(), occurrence.block()));
            }
        }
        return stretches;
    }

    private static String words(Set<Stretch> stretches) {
        return stretches.isEmpty()
                ? "no group"
                : String.join(", ", stretches.stream().sorted(Comparator.comparingLong(Stretch::start))
                        .map(stretch -> "'" + stretch.group().name() + "'").toList());
    }
}
