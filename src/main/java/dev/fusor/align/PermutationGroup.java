package dev.fusor.align;

/**
 * Units of a network that may change places with each other: the neurons of a hidden layer, the channels of a convolution,
 * the heads of an attention layer. Wherever a group occurs, its units change places alike.
 *
 * @param name names the group in a spec
 * @param units how many, 1 or more
 */
public record PermutationGroup(String name, int units) {
    /**
     * A group.
     *
     * @throws IllegalArgumentException if it has no name or no units
     */
    public PermutationGroup {
        if (name.isEmpty()) {
            throw new IllegalArgumentException("a permutation group has a name, got none");
        }
        if (units < 1) {
            throw new IllegalArgumentException(
                    "permutation group '%s' has 1 or more units, got %d".formatted(name, units));
        }
    }
}
