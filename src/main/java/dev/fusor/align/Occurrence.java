package dev.fusor.align;

/**
 * A stretch of one axis of one tensor that the units of a group share out among themselves, in order and evenly: unit
 * {@code u} has the entries from {@code start + u * block} to {@code start + (u + 1) * block}. They move together and stay
 * in order.
 *
 * <p>A neuron has a block of 1. A head of attention has a block of its dimension. Where key heads serve several query
 * heads (grouped-query attention), the unit is a key head with its query heads: its block is the head dimension in keys and
 * values, and as many head dimensions as it has query heads in queries and in the columns of the output projection. Query
 * heads so stay in order inside their unit, and pairs of rotary embeddings stay together because heads move whole.
 *
 * @param tensor the tensor's name
 * @param axis the axis, 0 is the outermost
 * @param start the first entry, 0 unless the axis has several parts, such as queries, keys and values in one tensor
 * @param group the units
 * @param block the entries of one unit, 1 or more
 */
public record Occurrence(String tensor, int axis, long start, PermutationGroup group, long block) {
    /**
     * An occurrence.
     *
     * @throws IllegalArgumentException if axis or start is negative, if block is less than 1, or if the end exceeds a signed
     * 64-bit number
     */
    public Occurrence {
        if (axis < 0 || start < 0 || block < 1 || block > (Long.MAX_VALUE - start) / group.units()) {
            throw new IllegalArgumentException(
                    "group '%s' in tensor '%s': wanted axis and start from 0 and a block from 1 that ends below 2^63, got axis %d, start %d, block %d"
                            .formatted(group.name(), tensor, axis, start, block));
        }
    }

    /** {@return the entries of all units} */
    public long length() {
        return group.units() * block;
    }

    /** {@return the entry after the last} */
    public long end() {
        return start + length();
    }
}
