package dev.fusor.align;

import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * A permutation for each group of a spec: place {@code i} is taken by the unit that stood at {@code permutation[i]}.
 */
public final class Permutations {
    private final Map<PermutationGroup, int[]> permutations = new LinkedHashMap<>();

    /**
     * Permutations of groups.
     *
     * @param permutations for each group the number of the unit that takes each place; copied
     * @throws IllegalArgumentException if one does not hold every unit of its group once
     */
    public Permutations(Map<PermutationGroup, int[]> permutations) {
        permutations.forEach((group, units) -> {
            check(group, units);
            this.permutations.put(group, units.clone());
        });
    }

    private static void check(PermutationGroup group, int[] units) {
        if (units.length != group.units()) {
            throw new IllegalArgumentException("group '%s' has %d units, got a permutation of %d".formatted(
                    group.name(), group.units(), units.length));
        }
        boolean[] seen = new boolean[units.length];
        for (int place = 0; place < units.length; place++) {
            int unit = units[place];
            if (unit < 0 || unit >= units.length || seen[unit]) {
                throw new IllegalArgumentException(
                        "a permutation of group '%s' holds each of 0 to %d once, got %d at place %d%s".formatted(
                                group.name(), units.length - 1, unit, place,
                                unit < 0 || unit >= units.length ? "" : " again"));
            }
            seen[unit] = true;
        }
    }

    /**
     * {@return the permutations that leave every unit where it is}
     *
     * @param groups of a spec
     */
    public static Permutations identity(Collection<PermutationGroup> groups) {
        Map<PermutationGroup, int[]> identities = new LinkedHashMap<>();
        groups.forEach(group -> identities.put(group, IntStream.range(0, group.units()).toArray()));
        return new Permutations(identities);
    }

    /** {@return the groups, in the order given} */
    public Set<PermutationGroup> groups() {
        return Collections.unmodifiableSet(permutations.keySet());
    }

    /**
     * {@return a copy of the permutation of a group}
     *
     * @param group one of {@link #groups}
     * @throws IllegalArgumentException if there is none
     */
    public int[] of(PermutationGroup group) {
        int[] units = permutations.get(group);
        if (units == null) {
            throw new IllegalArgumentException("no permutation for " + group);
        }
        return units.clone();
    }

    /**
     * {@return these permutations with that of one group replaced}
     *
     * @param group the group
     * @param units the number of the unit that takes each place; copied
     * @throws IllegalArgumentException if it does not hold every unit of the group once
     */
    public Permutations with(PermutationGroup group, int[] units) {
        Map<PermutationGroup, int[]> replaced = new LinkedHashMap<>(permutations);
        replaced.put(group, units);
        return new Permutations(replaced);
    }

    /** {@return the permutations that undo these} */
    public Permutations inverse() {
        Map<PermutationGroup, int[]> inverses = new LinkedHashMap<>();
        permutations.forEach((group, units) -> {
            int[] inverse = new int[units.length];
            for (int place = 0; place < units.length; place++) {
                inverse[units[place]] = place;
            }
            inverses.put(group, inverse);
        });
        return new Permutations(inverses);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Permutations that && permutations.keySet().equals(that.permutations.keySet())
                && permutations.keySet().stream()
                        .allMatch(group -> Arrays.equals(permutations.get(group), that.permutations.get(group)));
    }

    @Override
    public int hashCode() {
        return permutations.keySet().hashCode();
    }
}
