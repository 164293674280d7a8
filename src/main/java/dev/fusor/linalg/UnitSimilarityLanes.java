package dev.fusor.linalg;

import dev.fusor.simd.Lanes;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;

/**
 * Template: four rows times two or four vectors, all sums in registers. Arrays instead of memory segments: an access takes a
 * fraction of the nodes, so that C2 inlines all of them.
 */
final class UnitSimilarityLanes implements ProductLoops {
    /** Sums for 32 registers, not for 16: a panel in one step. */
    record Form(boolean wide) {}

    private static final boolean WIDE = Specialised.constants(MethodHandles.lookup(), Form.class).wide();
    private static final int STEP = (WIDE ? 4 : 2) * Lanes.LENGTH;
    private static final int CHUNK = UnitSimilarity.CHUNK;

    private static final UnitSimilarityPlain REST = new UnitSimilarityPlain();

    UnitSimilarityLanes() {}

    @Override
    public void multiply(float[] rows, int rowsAt, float[] panel, int panelAt, int columns, float[] tile) {
        for (int from = 0; from < PANEL; from += STEP) {
            multiplyStep(rows, rowsAt, panel, panelAt + from, columns, tile, from);
        }
    }

    private static void multiplyStep(float[] rows, int rowsAt, float[] panel, int panelAt, int columns, float[] tile,
            int tileAt) {
        FloatVector zero = FloatVector.zero(Lanes.FLOAT);
        FloatVector s00 = zero;
        FloatVector s01 = zero;
        FloatVector s02 = zero;
        FloatVector s03 = zero;
        FloatVector s10 = zero;
        FloatVector s11 = zero;
        FloatVector s12 = zero;
        FloatVector s13 = zero;
        FloatVector s20 = zero;
        FloatVector s21 = zero;
        FloatVector s22 = zero;
        FloatVector s23 = zero;
        FloatVector s30 = zero;
        FloatVector s31 = zero;
        FloatVector s32 = zero;
        FloatVector s33 = zero;
        for (int k = 0; k < columns; k++) {
            int at = panelAt + k * PANEL;
            FloatVector y0 = FloatVector.fromArray(Lanes.FLOAT, panel, at);
            FloatVector y1 = FloatVector.fromArray(Lanes.FLOAT, panel, at + Lanes.LENGTH);
            FloatVector y2 = WIDE ? FloatVector.fromArray(Lanes.FLOAT, panel, at + 2 * Lanes.LENGTH) : y0;
            FloatVector y3 = WIDE ? FloatVector.fromArray(Lanes.FLOAT, panel, at + 3 * Lanes.LENGTH) : y1;
            FloatVector x = FloatVector.broadcast(Lanes.FLOAT, rows[rowsAt + k]);
            s00 = x.fma(y0, s00);
            s01 = x.fma(y1, s01);
            s02 = WIDE ? x.fma(y2, s02) : s02;
            s03 = WIDE ? x.fma(y3, s03) : s03;
            x = FloatVector.broadcast(Lanes.FLOAT, rows[rowsAt + k + CHUNK]);
            s10 = x.fma(y0, s10);
            s11 = x.fma(y1, s11);
            s12 = WIDE ? x.fma(y2, s12) : s12;
            s13 = WIDE ? x.fma(y3, s13) : s13;
            x = FloatVector.broadcast(Lanes.FLOAT, rows[rowsAt + k + 2 * CHUNK]);
            s20 = x.fma(y0, s20);
            s21 = x.fma(y1, s21);
            s22 = WIDE ? x.fma(y2, s22) : s22;
            s23 = WIDE ? x.fma(y3, s23) : s23;
            x = FloatVector.broadcast(Lanes.FLOAT, rows[rowsAt + k + 3 * CHUNK]);
            s30 = x.fma(y0, s30);
            s31 = x.fma(y1, s31);
            s32 = WIDE ? x.fma(y2, s32) : s32;
            s33 = WIDE ? x.fma(y3, s33) : s33;
        }
        store(s00, s01, s02, s03, tile, tileAt);
        store(s10, s11, s12, s13, tile, tileAt + PANEL);
        store(s20, s21, s22, s23, tile, tileAt + 2 * PANEL);
        store(s30, s31, s32, s33, tile, tileAt + 3 * PANEL);
    }

    private static void store(FloatVector s0, FloatVector s1, FloatVector s2, FloatVector s3, float[] tile, int at) {
        s0.intoArray(tile, at);
        s1.intoArray(tile, at + Lanes.LENGTH);
        if (WIDE) {
            s2.intoArray(tile, at + 2 * Lanes.LENGTH);
            s3.intoArray(tile, at + 3 * Lanes.LENGTH);
        }
    }

    @Override
    public void add(float[] tile, int at, MemorySegment sums, long sumsByte, int count) {
        int whole = count - count % Lanes.LENGTH;
        for (int j = 0; j < whole; j += Lanes.LENGTH) {
            long here = sumsByte + (long) j * Float.BYTES;
            FloatVector sum = Lanes.load(DType.F32, sums, here)
                    .add(FloatVector.fromArray(Lanes.FLOAT, tile, at + j));
            Lanes.store(DType.F32, sum, sums, here);
        }
        REST.add(tile, at + whole, sums, sumsByte + (long) whole * Float.BYTES, count - whole);
    }
}
