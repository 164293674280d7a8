package dev.fusor.recipe;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The layers of a model, found in the names of its tensors whatever its architecture: the first number that stands alone in
 * a name is a layer if, with the same text before it, all numbers from 0 on occur.
 *
 * @param prefixes the text before the number; more than one where a model has several stacks of that many layers
 * @param layers how many there are; 0 if the names tell of none
 */
record LayerStack(List<String> prefixes, int layers) {
    private static final int MOST_DIGITS = 7;

    /** A name such as {@code model.layers.12.mlp.weight}: {@code model.layers.}, 12 and {@code .mlp.weight}. */
    private record Numbered(String prefix, int number, String rest) {
        static Optional<Numbered> parse(String name) {
            int start = 0;
            while (start < name.length()) {
                int dot = name.indexOf('.', start);
                int end = dot < 0 ? name.length() : dot;
                if (isNumber(name, start, end)) {
                    return Optional.of(new Numbered(name.substring(0, start),
                            Integer.parseInt(name.substring(start, end)), name.substring(end)));
                }
                start = end + 1;
            }
            return Optional.empty();
        }

        private static boolean isNumber(String name, int start, int end) {
            boolean digits = name.substring(start, end).chars().allMatch(c -> c >= '0' && c <= '9');
            boolean canonical = end - start == 1 || end > start && name.charAt(start) != '0';
            return digits && canonical && end - start <= MOST_DIGITS;
        }
    }

    /** The stacks of as many layers as the configuration says; failing that, the tallest. */
    static LayerStack of(ModelInfo model) {
        Map<String, Set<Integer>> numbers = new TreeMap<>();
        for (String name : model.tensors().keySet()) {
            Numbered.parse(name).ifPresent(numbered -> numbers
                    .computeIfAbsent(numbered.prefix(), prefix -> new TreeSet<>()).add(numbered.number()));
        }
        numbers.values().removeIf(found -> !found.equals(upTo(found.size())));
        int tallest = numbers.values().stream().mapToInt(Set::size).max().orElse(0);
        int configured = model.layers().orElse(tallest);
        boolean exact = numbers.values().stream().anyMatch(found -> found.size() == configured);
        int height = exact ? configured : tallest;
        List<String> prefixes = numbers.keySet().stream().filter(prefix -> numbers.get(prefix).size() == height)
                .toList();
        return new LayerStack(prefixes, Math.min(height, configured));
    }

    private static Set<Integer> upTo(int size) {
        Set<Integer> all = new TreeSet<>();
        for (int i = 0; i < size; i++) {
            all.add(i);
        }
        return all;
    }

    /** The layer that a tensor belongs to. */
    OptionalInt layerOf(String name) {
        Optional<Numbered> numbered = Numbered.parse(name).filter(any -> prefixes.contains(any.prefix()));
        return numbered.isPresent() && numbered.get().number() < layers
                ? OptionalInt.of(numbered.get().number())
                : OptionalInt.empty();
    }

    /** The name with its layer moved. */
    static String renumber(String name, int layer) {
        Numbered numbered = Numbered.parse(name).orElseThrow();
        return numbered.prefix() + layer + numbered.rest();
    }
}
