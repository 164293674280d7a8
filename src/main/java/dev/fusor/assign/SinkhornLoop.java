package dev.fusor.assign;

import java.lang.foreign.MemorySegment;

/** The loops along a row of costs, with x_j = fma(c_j, scale, potential) for j from {@code from} to {@code to}. */
interface SinkhornLoop {
    /** Raises {@code greatest[j]} to x_j. */
    void raise(MemorySegment costs, long at, float scale, float potential, float[] greatest, int from, int to);

    /** Adds exp(x_j - greatest[j]) to {@code sums[j]}. */
    void add(MemorySegment costs, long at, float scale, float potential, float[] greatest, float[] sums, int from,
            int to);

    /** Writes exp(x_j + others[j]). */
    void plan(MemorySegment costs, long at, float scale, float potential, float[] others, MemorySegment plan, int from,
            int to);
}
