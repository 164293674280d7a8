package dev.fusor.linalg;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/** The loops without vectors. */
final class UnitSimilarityPlain implements ProductLoops {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);

    @Override
    public void multiply(float[] rows, int rowsAt, float[] panel, int panelAt, int columns, float[] tile) {
        Arrays.fill(tile, 0f);
        for (int row = 0; row < ROWS; row++) {
            for (int k = 0; k < columns; k++) {
                float x = rows[rowsAt + row * UnitSimilarity.CHUNK + k];
                for (int j = 0; j < PANEL; j++) {
                    tile[row * PANEL + j] = Math.fma(x, panel[panelAt + k * PANEL + j], tile[row * PANEL + j]);
                }
            }
        }
    }

    @Override
    public void add(float[] tile, int at, MemorySegment sums, long sumsByte, int count) {
        for (int j = 0; j < count; j++) {
            long here = sumsByte + (long) j * Float.BYTES;
            float sum = sums.get(FLOAT, here) + tile[at + j];
            sums.set(FLOAT, here, sum != sum ? Float.NaN : sum);
        }
    }
}
