package dev.fusor.simd;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Small buffers of a thread, kept for its life so that primitives allocate nothing: what a tile needs while it stays in
 * the first-level cache.
 */
public final class Scratch {
    /** Elements of binary32 in one buffer. */
    public static final int ELEMENTS = 1024;

    private static final int BUFFERS = 12;
    private static final ThreadLocal<Scratch> MINE = ThreadLocal.withInitial(Scratch::new);

    private final MemorySegment[] buffers = new MemorySegment[BUFFERS];
    private final float[][] floats = new float[BUFFERS][];
    private final double[][] doubles = new double[BUFFERS][];

    private Scratch() {
        MemorySegment all = Arena.ofAuto().allocate((long) BUFFERS * ELEMENTS * Float.BYTES, 64);
        for (int i = 0; i < BUFFERS; i++) {
            buffers[i] = all.asSlice((long) i * ELEMENTS * Float.BYTES, (long) ELEMENTS * Float.BYTES);
        }
    }

    /** {@return the buffers of the calling thread} */
    public static Scratch mine() {
        return MINE.get();
    }

    /**
     * {@return an off-heap buffer of {@link #ELEMENTS} binary32}
     *
     * @param number which, from 0
     */
    public MemorySegment buffer(int number) {
        return buffers[number];
    }

    /**
     * {@return an array of {@link #ELEMENTS} floats}
     *
     * @param number which, from 0
     */
    public float[] floats(int number) {
        return floats[number] != null ? floats[number] : (floats[number] = new float[ELEMENTS]);
    }

    /**
     * {@return an array of {@link #ELEMENTS} doubles}
     *
     * @param number which, from 0
     */
    public double[] doubles(int number) {
        return doubles[number] != null ? doubles[number] : (doubles[number] = new double[ELEMENTS]);
    }
}
