package dev.fusor.align;

import dev.fusor.tensor.Shape;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SequencedMap;
import java.util.Set;

/**
 * A permutation spec as it is written: names of groups and tensors may have indices, {@code layers.<i>.up.weight}, also
 * shifted, {@code hidden.<i-1>}, and stand for all names that the ranges of the indices make. It becomes a
 * {@link PermutationSpec} by the tensors of a checkpoint.
 */
public final class SpecTemplate {
    /** More names than any network has. */
    private static final int MOST_NAMES = 1 << 20;

    private final SequencedMap<String, Range> ranges;
    private final SequencedMap<String, Integer> groups;
    private final SequencedMap<String, List<List<Part>>> tensors;

    /**
     * The values of an index.
     *
     * @param start the first
     * @param end the one after the last
     */
    public record Range(int start, int end) {
        /**
         * A range.
         *
         * @throws IllegalArgumentException if it ends before it starts
         */
        public Range {
            if (end < start) {
                throw new IllegalArgumentException("a range ends after its start, got [%d, %d]".formatted(start, end));
            }
        }

        @Override
        public String toString() {
            return "[%d, %d]".formatted(start, end);
        }
    }

    /**
     * A part of an axis.
     *
     * @param group the group that permutes it, as it is written, or none if it stays as it is
     * @param length its entries; parts of an axis without a length share evenly what the others leave
     */
    public record Part(Optional<String> group, OptionalLong length) {
        /** A part that takes its even share. */
        public static final Part FIXED = new Part(Optional.empty(), OptionalLong.empty());

        /**
         * {@return a part that takes its even share}
         *
         * @param group the group that permutes it
         */
        public static Part of(String group) {
            return new Part(Optional.of(group), OptionalLong.empty());
        }
    }

    /**
     * A template.
     *
     * @param ranges the values of each index
     * @param groups the units of each group
     * @param tensors for each tensor the parts of each of its axes; no axes at all leave a tensor of any rank as it is
     * @throws SpecException if a name has an index without a range, or an axis one that its tensor has not; if a group has no
     * units; if a name stands for more than a million
     */
    public SpecTemplate(SequencedMap<String, Range> ranges, SequencedMap<String, Integer> groups,
            SequencedMap<String, List<List<Part>>> tensors) throws SpecException {
        this.ranges = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(ranges));
        this.groups = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(groups));
        this.tensors = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(tensors));
        for (Map.Entry<String, Integer> group : groups.entrySet()) {
            checkIndices(group.getKey());
            if (group.getValue() < 1) {
                throw new SpecException(group.getKey(),
                        "group '%s': wanted 1 or more units, got %d".formatted(group.getKey(), group.getValue()));
            }
        }
        for (Map.Entry<String, List<List<Part>>> tensor : tensors.entrySet()) {
            checkIndices(tensor.getKey());
            for (List<Part> axis : tensor.getValue()) {
                for (Part part : axis) {
                    checkIndices(tensor.getKey(), part);
                }
            }
        }
    }

    private void checkIndices(String name) throws SpecException {
        long names = 1;
        for (String index : new IndexedName(name).indices()) {
            Range range = ranges.get(index);
            if (range == null) {
                throw new SpecException(name, "'%s' has the index <%s>, which has no range; there are ranges of %s"
                        .formatted(name, index, ranges.isEmpty() ? "none" : String.join(", ", ranges.keySet())));
            }
            names *= (long) range.end() - range.start();
            if (names > MOST_NAMES) {
                throw new SpecException(name,
                        "'%s' stands for more than %d names; narrow the ranges".formatted(name, MOST_NAMES));
            }
        }
    }

    private static void checkIndices(String tensor, Part part) throws SpecException {
        for (String index : part.group().map(name -> new IndexedName(name).indices()).orElse(Set.of())) {
            if (!new IndexedName(tensor).indices().contains(index)) {
                throw new SpecException(tensor, "tensor '%s' has a group '%s', whose index <%s> it lacks"
                        .formatted(tensor, part.group().get(), index));
            }
        }
    }

    /** {@return the values of each index} */
    public SequencedMap<String, Range> ranges() {
        return ranges;
    }

    /** {@return the units of each group} */
    public SequencedMap<String, Integer> groups() {
        return groups;
    }

    /** {@return the parts of each axis of each tensor} */
    public SequencedMap<String, List<List<Part>>> tensors() {
        return tensors;
    }

    /**
     * {@return the spec of a checkpoint}
     *
     * @param checkpoint the shape of each of its tensors
     * @throws SpecException if a tensor of the checkpoint is not in the spec, or one of the spec not in the checkpoint; if an
     * axis is missing, too many, or of another size; if a group is not among the groups, or occurs nowhere; if two names
     * of the spec stand for the same
     */
    public PermutationSpec resolve(Map<String, Shape> checkpoint) throws SpecException {
        return new SpecResolver(this, checkpoint).resolve();
    }

    /** The names that a name stands for, each as the values of its indices. */
    List<Map<String, Integer>> instances(String name) {
        List<Map<String, Integer>> instances = List.of(Map.of());
        for (String index : new IndexedName(name).indices()) {
            List<Map<String, Integer>> longer = new ArrayList<>();
            for (Map<String, Integer> values : instances) {
                for (int value = ranges.get(index).start(); value < ranges.get(index).end(); value++) {
                    Map<String, Integer> more = new LinkedHashMap<>(values);
                    more.put(index, value);
                    longer.add(more);
                }
            }
            instances = longer;
        }
        return instances;
    }
}
