package dev.fusor.linalg;

import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;

/**
 * A tensor as a matrix with a row for each unit. A unit has {@code block} neighbouring entries of one axis; its columns are all
 * elements with these entries, in row-major order.
 *
 * @param source the tensor, whose other axes may be permuted
 * @param axis the axis of the units
 * @param start the entry where the first unit starts
 * @param count how many units there are
 * @param block entries of one unit
 */
public record Units(PermutedView source, int axis, long start, int count, long block) {
    /**
     * Checks that the units lie in their tensor.
     *
     * @throws IllegalArgumentException if they do not, or if their own axis is permuted
     */
    public Units {
        Shape shape = source.tensor().shape();
        if (axis < 0 || axis >= shape.rank() || start < 0 || count < 0 || block < 0
                || start > shape.extent(axis) || count > 0 && block > (shape.extent(axis) - start) / count) {
            throw new IllegalArgumentException("%d units of %d entries each from entry %d of axis %d do not lie in %s"
                    .formatted(count, block, start, axis, source.tensor()));
        }
        if (!source.inPlace(axis)) {
            throw new IllegalArgumentException("units lie along axis %d of %s, which therefore is not permuted"
                    .formatted(axis, source.tensor()));
        }
    }

    /**
     * {@return the entries of an axis as units of one entry}
     *
     * @param tensor the tensor
     * @param axis the axis
     */
    public static Units along(Tensor tensor, int axis) {
        return new Units(PermutedView.of(tensor), axis, 0, Math.toIntExact(tensor.shape().extent(axis)), 1);
    }

    /** {@return the elements of one unit} */
    public long columns() {
        long columns = 1;
        for (int other = 0; other < source.tensor().shape().rank(); other++) {
            columns *= extent(other);
        }
        return columns;
    }

    /** {@return the sum of the squares of each unit's elements} Float64, in the order of the columns. */
    public double[] sumsOfSquares() {
        double[] sums = new double[count];
        long[] offsets = new long[UnitSimilarity.CHUNK];
        long columns = columns();
        for (long from = 0; from < columns; from += offsets.length) {
            int chunk = (int) Math.min(offsets.length, columns - from);
            offsets(from, chunk, offsets);
            for (int unit = 0; unit < count; unit++) {
                for (int k = 0; k < chunk; k++) {
                    double element = Elements.get(source.tensor(), base(unit) + offsets[k]);
                    sums[unit] += element * element;
                }
            }
        }
        return sums;
    }

    /** {@return whether neighbouring units are neighbours in memory} */
    boolean interleaved() {
        return block == 1 && source.offset(axis, 1) == 1;
    }

    /** {@return the flat index of a unit's first element, before the offset of the column} */
    long base(long unit) {
        return source.offset(axis, start + unit * block);
    }

    /** Writes what columns add to {@link #base}. */
    void offsets(long from, int columns, long[] offsets) {
        int rank = source.tensor().shape().rank();
        long[] index = new long[rank];
        long at = 0;
        long left = from;
        for (int i = rank - 1; i >= 0; i--) {
            index[i] = left % extent(i);
            left /= extent(i);
            at += source.offset(i, index[i]);
        }
        for (int column = 0; column < columns; column++) {
            offsets[column] = at;
            int i = rank - 1;
            for (; i >= 0 && index[i] == extent(i) - 1; i--) {
                at += source.offset(i, 0) - source.offset(i, index[i]);
                index[i] = 0;
            }
            if (i >= 0) {
                at += source.offset(i, index[i] + 1) - source.offset(i, index[i]);
                index[i]++;
            }
        }
    }

    /** {@return the entries of an axis that a unit has} */
    long extent(int other) {
        return other == axis ? block : source.tensor().shape().extent(other);
    }
}
