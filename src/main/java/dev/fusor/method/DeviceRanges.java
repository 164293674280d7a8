package dev.fusor.method;

import dev.fusor.tensor.TensorSource;
import java.util.List;
import java.util.stream.Stream;

/**
 * A merge whose ranges may be made on another device as well, to the same bits: all it reads of a range is that range of its
 * inputs.
 */
public sealed interface DeviceRanges extends RangeMerge
        permits WeightedRanges, DisjointRanges, FusedRanges, VaryingRanges {
    /** {@return the base model, or null for none} */
    TensorSource base();

    /** {@return at least one} */
    List<TensorSource> models();

    /** {@return all tensors that are read, the base first if there is one} */
    default List<TensorSource> inputs() {
        return Stream.concat(Stream.ofNullable(base()), models().stream()).toList();
    }
}
