package dev.fusor.ensemble;

import dev.fusor.simd.Scratch;
import java.lang.foreign.MemorySegment;

import static dev.fusor.ensemble.LogitLoops.GROUP;

/** The scratch buffers in which a thread keeps what lies between the steps of a row, a chunk in each. Conversions take number 0. */
final class RowBuffers {
    static final int LANE_SUMS = 1;
    static final int FIRST_MODEL = 2;
    static final int RESULT = FIRST_MODEL + GROUP;
    static final int LOGS = RESULT + 1;
    static final int PRESENT_SUM = LOGS + 1;
    static final int PRESENT_SHARE = PRESENT_SUM + 1;
    static final int FIRST_SCORE = PRESENT_SHARE + 1;

    /** Arrays. */
    static final int FLOATS = 0;
    static final int TERMS = 1;

    private RowBuffers() {}

    static MemorySegment buffer(int number) {
        return Scratch.mine().buffer(number);
    }

    static float[] floats(int number) {
        return Scratch.mine().floats(number);
    }
}
