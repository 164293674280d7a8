package dev.fusor.linalg;

import dev.fusor.simd.Floats;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;

/** Copies a chunk of columns of some units, widened to float32, to where the loops want them. */
final class UnitPacking {
    /** Units that are copied together: neighbours in a panel share lines of the cache. */
    private static final int GROUP = 16;

    /** Where runs of neighbouring elements are shorter on average, elements are gathered one by one. */
    private static final int SHORTEST_RUN = 16;

    private static final int CHUNK = UnitSimilarity.CHUNK;

    private final Units units;
    private final Tensor tensor;
    private final boolean interleaved;
    private final long[] offsets = new long[CHUNK];
    private final float[] buffer = new float[GROUP * CHUNK];
    private final float[] run = new float[CHUNK];

    UnitPacking(Units units) {
        this.units = units;
        this.tensor = units.source().tensor();
        this.interleaved = units.interleaved();
    }

    /**
     * Copies columns {@code from} to {@code from + columns} of some units.
     *
     * @param first the first unit
     * @param count how many units
     * @param packed receives element k of unit i at {@code at + i * unitStep + k * columnStep}
     */
    void pack(int first, int count, long from, int columns, float[] packed, int at, int unitStep, int columnStep) {
        units.offsets(from, columns, offsets);
        for (int group = 0; group < count; group += GROUP) {
            int size = Math.min(GROUP, count - group);
            int target = at + group * unitStep;
            if (interleaved) {
                loadColumns(first + group, size, columns);
                transpose(size, columns, 1, GROUP, packed, target, unitStep, columnStep);
            } else {
                loadRows(first + group, size, columns);
                transpose(size, columns, CHUNK, 1, packed, target, unitStep, columnStep);
            }
        }
    }

    private void loadColumns(int first, int size, int columns) {
        long base = units.base(first);
        for (int k = 0; k < columns; k++) {
            Floats.load(tensor, base + offsets[k], run, size);
            System.arraycopy(run, 0, buffer, k * GROUP, size);
        }
    }

    private void loadRows(int first, int size, int columns) {
        int runs = 1;
        for (int k = 1; k < columns; k++) {
            runs += continues(k) ? 0 : 1;
        }
        if (runs > 1 && runs * SHORTEST_RUN > columns) {
            for (int i = 0; i < size; i++) {
                Elements.gather(tensor, units.base(first + i), offsets, columns, buffer, i * CHUNK);
            }
            return;
        }
        for (int start = 0; start < columns;) {
            int end = start + 1;
            while (end < columns && continues(end)) {
                end++;
            }
            for (int i = 0; i < size; i++) {
                Floats.load(tensor, units.base(first + i) + offsets[start], run, end - start);
                System.arraycopy(run, 0, buffer, i * CHUNK + start, end - start);
            }
            start = end;
        }
    }

    private boolean continues(int column) {
        return offsets[column] == offsets[column - 1] + 1;
    }

    private void transpose(int size, int columns, int fromUnit, int fromColumn, float[] packed, int at, int unitStep,
            int columnStep) {
        if (fromColumn == 1 && columnStep == 1) {
            for (int i = 0; i < size; i++) {
                System.arraycopy(buffer, i * fromUnit, packed, at + i * unitStep, columns);
            }
            return;
        }
        for (int k = 0; k < columns; k++) {
            for (int i = 0; i < size; i++) {
                packed[at + i * unitStep + k * columnStep] = buffer[i * fromUnit + k * fromColumn];
            }
        }
    }
}
