package dev.fusor.align;

import dev.fusor.align.SpecTemplate.Part;
import dev.fusor.align.SpecTemplate.Range;
import dev.fusor.tensor.Shape;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;

/** A spec that is being made: a line is added only if the checkpoint has its tensor. */
final class Draft {
    private static final List<String> OF_NORMS = List.of(".weight", ".bias", ".running_mean", ".running_var");

    private final String network;
    private final Map<String, Shape> tensors;
    private final Map<String, Long> configuration;
    private final SequencedMap<String, Range> ranges = new LinkedHashMap<>();
    private final SequencedMap<String, Integer> groups = new LinkedHashMap<>();
    private final SequencedMap<String, List<List<Part>>> lines = new LinkedHashMap<>();
    private final Set<String> covered = new HashSet<>();

    Draft(String network, Map<String, Shape> tensors, Map<String, Long> configuration) {
        this.network = network;
        this.tensors = tensors;
        this.configuration = configuration;
    }

    String network() {
        return network;
    }

    boolean covers(String tensor) {
        return covered.contains(tensor);
    }

    SpecTemplate template() throws SpecException {
        return new SpecTemplate(ranges, groups, lines);
    }

    /** The first of several numbers that the configuration has. */
    int configured(String... names) throws SpecException {
        for (String name : names) {
            Long value = configuration.get(name);
            if (value != null) {
                if (value < 1 || value > Integer.MAX_VALUE) {
                    throw new SpecException(null, "config.json: %s is 1 or more, got %d".formatted(name, value));
                }
                return value.intValue();
            }
        }
        throw new SpecException(null,
                "taken for %s, the checkpoint needs a config.json that gives %s; put it beside the weights, or write a spec"
                        .formatted(network, names[names.length - 1]));
    }

    /** The shape of a matrix that has to be there. */
    Shape matrix(String name) throws SpecException {
        Shape shape = tensors.get(name);
        if (shape == null || shape.rank() != 2) {
            throw new SpecException(null,
                    "taken for %s, the checkpoint needs a tensor '%s' of two axes, got %s; write a spec"
                            .formatted(network, name, shape == null ? "none" : shape));
        }
        return shape;
    }

    void range(String index, int start, int end) {
        ranges.put(index, new Range(start, end));
    }

    void group(String name, long units) throws SpecException {
        if (units > Integer.MAX_VALUE) {
            throw new SpecException(null, "group '%s' would have %d units; a spec has at most 2^31 - 1".formatted(name,
                    units));
        }
        groups.put(name, (int) units);
    }

    /** A tensor, with the group of each axis, or null where it stays; no groups at all if all of it stays. */
    void add(String name, String... axes) {
        addParts(name, Arrays.stream(axes).map(group -> List.of(group == null ? Part.FIXED : Part.of(group))).toList());
    }

    void addParts(String name, List<List<Part>> axes) {
        Set<String> found = new HashSet<>();
        String index = ranges.isEmpty() ? null : ranges.firstEntry().getKey();
        if (index == null || !new IndexedName(name).indices().contains(index)) {
            found.add(name);
        } else {
            Range range = ranges.get(index);
            for (int i = range.start(); i < range.end(); i++) {
                found.add(new IndexedName(name).at(Map.of(index, i)));
            }
        }
        if (found.stream().anyMatch(tensors::containsKey)) {
            lines.put(name, axes);
            covered.addAll(found);
        }
    }

    /** The affine parameters and statistics of a norm. */
    void addNorm(String module, String group) {
        for (String ending : OF_NORMS) {
            add(module + ending, group);
        }
        add(module + ".num_batches_tracked");
    }
}
