package dev.fusor.drop;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Another drop, or none, all of whose factors are multiplied by one number, in float32.
 *
 * @param drop says what is dropped, or null for nothing
 * @param scale multiplies the factors; not NaN
 */
public record ScaledDrop(DropFactors drop, float scale) implements DropFactors {
    private static final ValueLayout.OfFloat FACTOR = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Checks the number. */
    public ScaledDrop {
        if (scale != scale) {
            throw new IllegalArgumentException("factors are multiplied by a number, got NaN");
        }
    }

    @Override
    public void load(long from, int count, MemorySegment factors) {
        if (drop != null) {
            drop.load(from, count, factors);
        }
        for (int i = 0; i < count; i++) {
            factors.setAtIndex(FACTOR, i, drop == null ? scale : scale * factors.getAtIndex(FACTOR, i));
        }
    }
}
