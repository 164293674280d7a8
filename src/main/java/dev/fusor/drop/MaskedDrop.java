package dev.fusor.drop;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.BitSet;

/**
 * A drop that was settled before.
 *
 * @param first the flat index of the element that bit 0 is for
 * @param kept which elements stay
 */
public record MaskedDrop(long first, BitSet kept) implements DropFactors {
    private static final ValueLayout.OfFloat FACTOR = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);

    @Override
    public void load(long from, int count, MemorySegment factors) {
        for (int i = 0; i < count; i++) {
            factors.setAtIndex(FACTOR, i, kept.get((int) (from - first) + i) ? 1f : DROPPED);
        }
    }
}
