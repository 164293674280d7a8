package dev.fusor.linalg;

import java.lang.foreign.MemorySegment;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/** The axes of axes.cuh, and the orders that they point to, written into a part of a table that goes to a device. */
final class AxisTable {
    /** Bytes of an axis. */
    static final int BYTES = 24;

    private final MemorySegment table;
    private final long address;
    private long axisAt;
    private long orderAt;

    /**
     * Begins to write.
     *
     * @param table what will be copied
     * @param address where it will lie on the device
     * @param axesAt where in the table the axes go
     * @param ordersAt where the orders go
     */
    AxisTable(MemorySegment table, long address, long axesAt, long ordersAt) {
        this.table = table;
        this.address = address;
        this.axisAt = axesAt;
        this.orderAt = ordersAt;
    }

    /** {@return the bytes of the orders of a view's first axes} */
    static long orderBytes(PermutedView view, int axes) {
        long entries = 0;
        for (int axis = 0; axis < axes; axis++) {
            entries += view.inPlace(axis) ? 0 : view.order(axis).length;
        }
        return entries * Integer.BYTES;
    }

    /** {@return the address of the axis that is added next} */
    long next() {
        return address + axisAt;
    }

    /** Adds an axis of a view with as many entries as are to be read. */
    void add(PermutedView view, int axis, long extent) {
        add(extent, view.stride(axis), view.order(axis));
    }

    /** Adds an axis by its extent, its stride and its order, or null. */
    void add(long extent, long stride, int[] order) {
        table.set(JAVA_LONG, axisAt, extent);
        table.set(JAVA_LONG, axisAt + 8, stride);
        table.set(JAVA_LONG, axisAt + 16, addOrder(order));
        axisAt += BYTES;
    }

    /** {@return the address of an order, or 0 of none} */
    long addOrder(int[] order) {
        if (order == null) {
            return 0;
        }
        long at = orderAt;
        MemorySegment.copy(order, 0, table, JAVA_INT, at, order.length);
        orderAt += (long) order.length * Integer.BYTES;
        return address + at;
    }
}
