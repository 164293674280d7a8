package dev.fusor.drop;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.BitSet;

/**
 * A drop that was settled before: a bit for each element, those that stay are set.
 *
 * @param first the flat index of the element that the lowest bit of the first byte is for
 * @param kept the bits; in device memory a merge on that device can use them, and no other
 */
public record MaskedDrop(long first, MemorySegment kept) implements DropFactors {
    private static final ValueLayout.OfFloat FACTOR = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);

    /**
     * A drop on the heap.
     *
     * @param first the flat index of the element that bit 0 is for
     * @param kept which elements stay; copied
     * @param elements how many it is for
     */
    public MaskedDrop(long first, BitSet kept, int elements) {
        this(first, MemorySegment.ofArray(Arrays.copyOf(kept.toByteArray(), (elements + 7) / 8)));
    }

    @Override
    public void load(long from, int count, MemorySegment factors) {
        for (int i = 0; i < count; i++) {
            long bit = from - first + i;
            boolean stays = (kept.get(ValueLayout.JAVA_BYTE, bit / 8) >> bit % 8 & 1) != 0;
            factors.setAtIndex(FACTOR, i, stays ? 1f : DROPPED);
        }
    }
}
