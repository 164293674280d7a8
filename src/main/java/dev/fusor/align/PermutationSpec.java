package dev.fusor.align;

import dev.fusor.tensor.Shape;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Which units of a network may change places: groups, the tensors of the network, and where the groups occur in them.
 *
 * <p>Permuting every occurrence of a group alike leaves the function of the network as it is, up to the order of sums.
 * Whether that holds is the spec's claim about the architecture; what this class checks is that blocks fit their tensors and
 * do not overlap. An entry of an axis in no occurrence stays where it is, and so does a tensor without occurrences. A group
 * may occur several times in a tensor, on one axis (queries, keys and values in one tensor) or on two (recurrent weights).
 */
public final class PermutationSpec {
    private final Map<String, PermutationGroup> groups = new LinkedHashMap<>();
    private final Map<String, Shape> tensors;
    private final Map<String, List<Occurrence>> inTensor;
    private final Map<PermutationGroup, List<Occurrence>> ofGroup;

    /**
     * A spec.
     *
     * @param groups each name once
     * @param tensors every tensor of the network, by name; their order is kept
     * @param occurrences where the groups occur, each group at least once; their order is kept
     * @throws IllegalArgumentException if two groups have one name; if an occurrence is of a group or a tensor that is not
     * given, does not fit its axis, or overlaps another; if a group occurs nowhere
     */
    public PermutationSpec(Collection<PermutationGroup> groups, Map<String, Shape> tensors,
            Collection<Occurrence> occurrences) {
        this.tensors = new LinkedHashMap<>(tensors);
        for (PermutationGroup group : groups) {
            if (this.groups.putIfAbsent(group.name(), group) != null) {
                throw new IllegalArgumentException("two permutation groups have the name '" + group.name() + "'");
            }
        }
        for (Occurrence occurrence : occurrences) {
            checkFits(occurrence);
        }
        inTensor = occurrences.stream()
                .collect(Collectors.groupingBy(Occurrence::tensor, Collectors.toUnmodifiableList()));
        ofGroup = occurrences.stream()
                .collect(Collectors.groupingBy(Occurrence::group, Collectors.toUnmodifiableList()));
        inTensor.values().forEach(PermutationSpec::checkApart);
        for (PermutationGroup group : groups) {
            if (!ofGroup.containsKey(group)) {
                throw new IllegalArgumentException(
                        "permutation group '%s' occurs in no tensor".formatted(group.name()));
            }
        }
    }

    private void checkFits(Occurrence occurrence) {
        if (!occurrence.group().equals(groups.get(occurrence.group().name()))) {
            throw new IllegalArgumentException("tensor '%s' has %s, which is not among the spec's groups"
                    .formatted(occurrence.tensor(), occurrence.group()));
        }
        Shape shape = tensors.get(occurrence.tensor());
        if (shape == null) {
            throw new IllegalArgumentException("group '%s' occurs in tensor '%s', which is not among the spec's tensors"
                    .formatted(occurrence.group().name(), occurrence.tensor()));
        }
        if (occurrence.axis() >= shape.rank() || occurrence.end() > shape.extent(occurrence.axis())) {
            throw new IllegalArgumentException(
                    "group '%s' takes entries %d to %d of axis %d of tensor '%s', whose shape is %s".formatted(
                            occurrence.group().name(), occurrence.start(), occurrence.end(), occurrence.axis(),
                            occurrence.tensor(), shape));
        }
    }

    private static void checkApart(List<Occurrence> inOneTensor) {
        List<Occurrence> sorted = inOneTensor.stream()
                .sorted(Comparator.comparingInt(Occurrence::axis).thenComparingLong(Occurrence::start)).toList();
        for (int i = 1; i < sorted.size(); i++) {
            Occurrence before = sorted.get(i - 1);
            Occurrence after = sorted.get(i);
            if (before.axis() == after.axis() && before.end() > after.start()) {
                throw new IllegalArgumentException(
                        "tensor '%s', axis %d: group '%s' ends at entry %d and group '%s' starts at %d; parts of an axis may not overlap"
                                .formatted(after.tensor(), after.axis(), before.group().name(), before.end(),
                                        after.group().name(), after.start()));
            }
        }
    }

    /** {@return the groups, in the order given} */
    public List<PermutationGroup> groups() {
        return List.copyOf(groups.values());
    }

    /**
     * {@return the group of a name}
     *
     * @param name one of the spec's
     * @throws IllegalArgumentException if there is none
     */
    public PermutationGroup group(String name) {
        PermutationGroup group = groups.get(name);
        if (group == null) {
            throw new IllegalArgumentException(
                    "no permutation group is named '%s'; there are %s".formatted(name, groups.keySet()));
        }
        return group;
    }

    /** {@return the shape of every tensor, in the order given} */
    public Map<String, Shape> tensors() {
        return Collections.unmodifiableMap(tensors);
    }

    /**
     * {@return what changes places in a tensor} Nothing if it stays as it is.
     *
     * @param tensor its name
     * @throws IllegalArgumentException if the spec has no such tensor
     */
    public List<Occurrence> in(String tensor) {
        if (!tensors.containsKey(tensor)) {
            throw new IllegalArgumentException("the spec has no tensor '%s'".formatted(tensor));
        }
        return inTensor.getOrDefault(tensor, List.of());
    }

    /**
     * {@return where a group occurs, at least once}
     *
     * @param group one of {@link #groups}
     * @throws IllegalArgumentException if it is not a group of this spec
     */
    public List<Occurrence> of(PermutationGroup group) {
        if (!ofGroup.containsKey(group)) {
            throw new IllegalArgumentException("the spec has no " + group);
        }
        return ofGroup.get(group);
    }
}
