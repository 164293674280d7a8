package dev.fusor.simd;

import dev.fusor.tensor.DType;
import java.lang.foreign.MemorySegment;

/** Elements of a line in another order, bit by bit: by vectors of lanes gathered from an array, which holds the line as ints. */
public final class Gathers {
    /** Elements that a line may have: as ints they stay in the second-level cache. */
    public static final int LONGEST = 1 << 16;

    private static final boolean SHORTS = Specialised.available() && Lanes.supports(DType.BF16);

    private static final ThreadLocal<int[]> LINE = ThreadLocal.withInitial(() -> new int[0]);

    private Gathers() {}

    /**
     * {@return whether elements of a size are gathered by vectors here}
     *
     * @param bytes of an element
     */
    public static boolean supports(int bytes) {
        return bytes == 4 ? Specialised.available() : bytes == 2 && SHORTS;
    }

    /**
     * Gathers elements: element i of the result is element {@code sources[from + i]} of the line.
     *
     * @param bytes of an element, {@linkplain #supports supported}
     * @param in has the line
     * @param inByte where it starts
     * @param length of the line, up to {@link #LONGEST}
     * @param sources indices into the line
     * @param from the first of these
     * @param out receives the elements
     * @param outByte where they start
     * @param count how many
     * @throws IndexOutOfBoundsException if a source is outside the line, or memory is too small
     */
    public static void gather(int bytes, MemorySegment in, long inByte, int length, int[] sources, int from,
            MemorySegment out, long outByte, int count) {
        int[] line = LINE.get();
        if (line.length < length) {
            line = new int[length];
            LINE.set(line);
        }
        if (bytes == 4) {
            GatherLanes.gatherInts(in, inByte, length, line, sources, from, out, outByte, count);
        } else {
            GatherLanes.gatherShorts(in, inByte, length, line, sources, from, out, outByte, count);
        }
    }
}
