package dev.fusor.linalg;

import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;

/**
 * A tensor whose axes are read in another order: entry {@code i} of an axis is entry {@code order[i]} of the same axis of the
 * tensor. Nothing is moved.
 */
public final class PermutedView {
    private final Tensor tensor;
    private final int[][] orders;
    private final long[] strides;

    private PermutedView(Tensor tensor, int[][] orders) {
        this.tensor = tensor;
        this.orders = orders;
        this.strides = new long[orders.length];
        long stride = 1;
        for (int axis = orders.length - 1; axis >= 0; axis--) {
            strides[axis] = stride;
            stride *= tensor.shape().extent(axis);
        }
    }

    /**
     * {@return a tensor as it is}
     *
     * @param tensor any
     */
    public static PermutedView of(Tensor tensor) {
        return new PermutedView(tensor, new int[tensor.shape().rank()][]);
    }

    /**
     * {@return a tensor with its axes in another order}
     *
     * @param tensor any
     * @param orders one for each axis, each entry once; null leaves an axis as it is
     * @throws IllegalArgumentException if there are more or fewer than axes, or if one is not a permutation of its axis
     */
    public static PermutedView of(Tensor tensor, int[]... orders) {
        Shape shape = tensor.shape();
        if (orders.length != shape.rank()) {
            throw new IllegalArgumentException(
                    "%s takes %d orders, one for each axis, got %d".formatted(tensor, shape.rank(), orders.length));
        }
        int[][] copies = new int[orders.length][];
        for (int axis = 0; axis < orders.length; axis++) {
            if (orders[axis] != null) {
                copies[axis] = orders[axis].clone();
                check(tensor, axis, copies[axis]);
            }
        }
        return new PermutedView(tensor, copies);
    }

    private static void check(Tensor tensor, int axis, int[] order) {
        if (order.length != tensor.shape().extent(axis)) {
            throw new IllegalArgumentException(
                    "axis %d of %s takes an order of its extent, got %d entries".formatted(axis, tensor, order.length));
        }
        boolean[] seen = new boolean[order.length];
        for (int i = 0; i < order.length; i++) {
            int entry = order[i];
            if (entry < 0 || entry >= order.length || seen[entry]) {
                throw new IllegalArgumentException(
                        "an order of axis %d of %s holds each of its entries once, got %d at %d".formatted(axis, tensor,
                                entry, i));
            }
            seen[entry] = true;
        }
    }

    /** {@return the tensor as it lies in memory; its type and shape are those of the permuted one} */
    public Tensor tensor() {
        return tensor;
    }

    /** {@return whether an axis is read as it lies} */
    boolean inPlace(int axis) {
        return orders[axis] == null;
    }

    /** {@return the entries of an axis in their order, or null where it is read as it lies} Not a copy. */
    int[] order(int axis) {
        return orders[axis];
    }

    /** {@return how far neighbouring entries of an axis are apart, in elements} */
    long stride(int axis) {
        return strides[axis];
    }

    /** {@return what an entry of an axis adds to the flat index} */
    long offset(int axis, long entry) {
        return strides[axis] * (orders[axis] == null ? entry : orders[axis][(int) entry]);
    }
}
