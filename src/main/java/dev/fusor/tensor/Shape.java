package dev.fusor.tensor;

import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * The extents of a dense, row-major tensor, outermost first. No extents at all is a scalar: one element.
 */
public final class Shape {
    private final long[] extents;
    private final long elements;

    private Shape(long[] extents) {
        this.extents = extents;
        this.elements = countElements(extents);
    }

    /**
     * {@return the shape with these extents}
     *
     * @param extents each 0 or more, outermost first
     * @throws IllegalArgumentException if one is negative, or if their product exceeds a signed 64-bit number
     */
    public static Shape of(long... extents) {
        return new Shape(extents.clone());
    }

    private static long countElements(long[] extents) {
        boolean empty = false;
        for (long extent : extents) {
            if (extent < 0) {
                throw new IllegalArgumentException(
                        "an extent of a shape is 0 or more, got " + Arrays.toString(extents));
            }
            empty |= extent == 0;
        }
        if (empty) {
            return 0;
        }
        long product = 1;
        for (long extent : extents) {
            if (Math.multiplyHigh(product, extent) != 0 || product * extent < 0) {
                throw new IllegalArgumentException(
                        "the shape " + Arrays.toString(extents) + " has more than 2^63 - 1 elements");
            }
            product *= extent;
        }
        return product;
    }

    /** {@return the number of extents, 0 for a scalar} */
    public int rank() {
        return extents.length;
    }

    /**
     * {@return the extent of one axis}
     *
     * @param axis from 0 (outermost) to {@code rank() - 1}
     */
    public long extent(int axis) {
        return extents[axis];
    }

    /** {@return the product of all extents; 1 for a scalar} */
    public long elements() {
        return elements;
    }

    /** {@return a copy of the extents} */
    public long[] toArray() {
        return extents.clone();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Shape that && Arrays.equals(extents, that.extents);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(extents);
    }

    /** {@return the shape as {@code [4096, 128]}} */
    @Override
    public String toString() {
        return Arrays.stream(extents).mapToObj(Long::toString).collect(Collectors.joining(", ", "[", "]"));
    }
}
