package dev.fusor.ensemble;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** The best classes of a row and their numbers, NaN above all, the lowest of equal ones first. */
final class TopClasses {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);

    private final int[] classes;
    private final float[] values;
    private int held;

    TopClasses(int wanted) {
        this.classes = new int[wanted];
        this.values = new float[wanted];
    }

    /** Begins a row. */
    void clear() {
        held = 0;
    }

    /**
     * Takes the next chunk; chunks come in order.
     *
     * @param x the numbers
     * @param at the byte where they start
     * @param count how many
     * @param first the class of the first
     * @param max the largest of them
     */
    void offer(MemorySegment x, long at, int count, int first, float max) {
        if (held == values.length && !better(max, values[held - 1])) {
            return;
        }
        for (int i = 0; i < count; i++) {
            float value = x.get(FLOAT, at + 4L * i);
            if (held < values.length || better(value, values[held - 1])) {
                insert(value, first + i);
            }
        }
    }

    private void insert(float value, int number) {
        int place = held < values.length ? held++ : held - 1;
        while (place > 0 && better(value, values[place - 1])) {
            values[place] = values[place - 1];
            classes[place] = classes[place - 1];
            place--;
        }
        values[place] = value;
        classes[place] = number;
    }

    private static boolean better(float value, float other) {
        return value > other || value != value && other == other;
    }

    /** {@return whether nothing up to a number can be among the best any more} */
    boolean isBeyond(float largest) {
        return held == values.length && largest < values[held - 1];
    }

    /** {@return how many are wanted} */
    int size() {
        return values.length;
    }

    /** {@return the class of a rank, from 0} */
    int number(int rank) {
        return classes[rank];
    }

    /** {@return the number of that class} */
    float value(int rank) {
        return values[rank];
    }
}
