package dev.fusor.simd;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/** The loops of {@link Gathers}. Lanes of 32 bits are what processors gather: elements of 16 bits are widened before, and narrowed after. */
final class GatherLanes {
    private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ORDER);
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ORDER);

    private GatherLanes() {}

    static void gatherInts(MemorySegment in, long inByte, int length, int[] line, int[] sources, int from,
            MemorySegment out, long outByte, int count) {
        MemorySegment.copy(in, INT, inByte, line, 0, length);
        int i = 0;
        for (; i <= count - Lanes.LENGTH; i += Lanes.LENGTH) {
            IntVector.fromArray(Lanes.INT, line, 0, sources, from + i).intoMemorySegment(out, outByte + 4L * i, ORDER);
        }
        for (; i < count; i++) {
            out.set(INT, outByte + 4L * i, line[sources[from + i]]);
        }
    }

    static void gatherShorts(MemorySegment in, long inByte, int length, int[] line, int[] sources, int from,
            MemorySegment out, long outByte, int count) {
        int k = 0;
        for (; k <= length - Lanes.LENGTH; k += Lanes.LENGTH) {
            ShortVector.fromMemorySegment(Lanes.SHORT, in, inByte + 2L * k, ORDER)
                    .convertShape(VectorOperators.S2I, Lanes.INT, 0).reinterpretAsInts().intoArray(line, k);
        }
        for (; k < length; k++) {
            line[k] = in.get(SHORT, inByte + 2L * k);
        }
        int i = 0;
        for (; i <= count - Lanes.LENGTH; i += Lanes.LENGTH) {
            IntVector.fromArray(Lanes.INT, line, 0, sources, from + i)
                    .convertShape(VectorOperators.I2S, Lanes.SHORT, 0).reinterpretAsShorts()
                    .intoMemorySegment(out, outByte + 2L * i, ORDER);
        }
        for (; i < count; i++) {
            out.set(SHORT, outByte + 2L * i, (short) line[sources[from + i]]);
        }
    }
}
