package dev.fusor.ensemble;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

import static dev.fusor.ensemble.LogitEnsemble.LANES;

/** The tree that sums go up: lanes of a chunk in halves, chunks in pairs of neighbours. */
final class LaneSums {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);

    private LaneSums() {}

    /**
     * {@return the sum of {@link LogitEnsemble#LANES} lanes}
     *
     * @param first the number of the first lane
     */
    static float fold(MemorySegment lanes, int first) {
        float[] sums = RowBuffers.floats(RowBuffers.FLOATS);
        MemorySegment.copy(lanes, FLOAT, 4L * first, sums, 0, LANES);
        for (int half = LANES / 2; half > 0; half /= 2) {
            for (int l = 0; l < half; l++) {
                sums[l] += sums[l + half];
            }
        }
        return sums[0];
    }

    /** {@return the sum of the chunks; the array is used up} */
    static double pairs(double[] sums, int count) {
        int left = count;
        while (left > 1) {
            for (int i = 0; i < left / 2; i++) {
                sums[i] = sums[2 * i] + sums[2 * i + 1];
            }
            if (left % 2 == 1) {
                sums[left / 2] = sums[left - 1];
            }
            left = (left + 1) / 2;
        }
        return sums[0];
    }
}
