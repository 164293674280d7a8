package dev.fusor.simd;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** {@link Elements} for up to {@link Scratch#ELEMENTS} at a time, by vectors where they are there: the same bits. */
public final class Floats {
    private static final int SLOT = 0;
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);

    private Floats() {}

    /**
     * Widens elements to binary32; F64 is rounded to it.
     *
     * @param source of an arithmetic type
     * @param from the first flat index
     * @param values receives {@code count} numbers from index 0
     * @param count how many, at most {@link Scratch#ELEMENTS}
     */
    public static void load(Tensor source, long from, float[] values, int count) {
        if (source.dtype() == DType.F32 || !byVectors(source.dtype(), count)) {
            Elements.load(source, from, values, count);
            return;
        }
        MemorySegment buffer = Scratch.mine().buffer(SLOT);
        Convert.widen(source, from, buffer, count);
        MemorySegment.copy(buffer, ValueLayout.JAVA_FLOAT, 0, values, 0, count);
    }

    /**
     * Widens elements to binary32 in off-heap memory; F64 is rounded to it.
     *
     * @param source of an arithmetic type
     * @param from the first flat index
     * @param target receives {@code count} numbers from its start
     * @param count how many
     */
    public static void load(Tensor source, long from, MemorySegment target, int count) {
        int whole = 0;
        if (Specialised.available() && Lanes.supports(source.dtype())) {
            whole = count / Lanes.LENGTH * Lanes.LENGTH;
            Convert.widen(source, from, target, whole);
        }
        for (int i = whole; i < count; i++) {
            target.set(FLOAT, 4L * i, (float) Elements.get(source, from + i));
        }
    }

    /**
     * Rounds numbers into a tensor.
     *
     * @param values the numbers, from index 0
     * @param target of an arithmetic type
     * @param at the first flat index
     * @param count how many, at most {@link Scratch#ELEMENTS}
     */
    public static void store(float[] values, Tensor target, long at, int count) {
        if (!byVectors(target.dtype(), count)) {
            Elements.store(values, target, at, count);
            return;
        }
        MemorySegment buffer = Scratch.mine().buffer(SLOT);
        MemorySegment.copy(values, 0, buffer, ValueLayout.JAVA_FLOAT, 0, count);
        Convert.round(buffer, target, at, count);
    }

    private static boolean byVectors(DType type, int count) {
        return Specialised.available() && Lanes.supports(type) && count % Lanes.LENGTH == 0;
    }
}
