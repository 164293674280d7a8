package dev.fusor.device.cuda;

import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/** The table that tells blocks which elements of which item they have: the tiles of tiles.cuh. */
public final class CudaTiles {
    /** Bytes of one tile in a table. */
    public static final int BYTES = 16;

    private static final int ELEMENTS = 1 << 15;
    private static final int VECTOR_BYTES = 16;

    private CudaTiles() {}

    /**
     * Cuts an item into tiles, the first so short that vectors of 16 bytes of input can begin after it.
     *
     * @param inputs the item's inputs, of one type
     * @param outputs the item's outputs, of one type
     * @param table receives the tiles, or null to count them
     * @param first the place of the item's first tile in the table
     * @param item its number
     * @return how many there are
     */
    public static long cut(List<Tensor> inputs, List<Tensor> outputs, MemorySegment table, long first, int item) {
        long count = 0;
        long end = outputs.getFirst().elements();
        int head = beforeAligned(inputs, outputs);
        for (long from = 0; from < end; count++) {
            long to = Math.min(end, from == 0 && head > 0 ? head : from + ELEMENTS);
            if (table != null) {
                long at = (first + count) * BYTES;
                table.set(JAVA_LONG, at, from);
                table.set(JAVA_INT, at + 8, (int) (to - from));
                table.set(JAVA_INT, at + 12, item);
            }
            from = to;
        }
        return count;
    }

    /** Elements before the first at which all addresses allow vectors; 0 if there is none. */
    private static int beforeAligned(List<Tensor> inputs, List<Tensor> outputs) {
        long inputBytes = inputs.getFirst().dtype().byteSize(1);
        long outputBytes = outputs.getFirst().dtype().byteSize(1);
        int vector = (int) (VECTOR_BYTES / inputBytes);
        long stored = Math.min(VECTOR_BYTES, vector * outputBytes);
        for (int i = 0; i < vector; i++) {
            long element = i;
            if (inputs.stream().allMatch(x -> (x.data().address() + element * inputBytes) % VECTOR_BYTES == 0)
                    && outputs.stream().allMatch(out -> (out.data().address() + element * outputBytes) % stored == 0)) {
                return i;
            }
        }
        return 0;
    }
}
