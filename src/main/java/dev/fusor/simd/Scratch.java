package dev.fusor.simd;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Small buffers of a thread, kept for its life so that primitives allocate nothing: what a tile needs while it stays in
 * the first-level cache.
 */
public final class Scratch {
    /** Elements of binary32 in one buffer. */
    public static final int ELEMENTS = 1024;

    private static final ThreadLocal<Scratch> MINE = ThreadLocal.withInitial(Scratch::new);

    private final List<MemorySegment> buffers = new ArrayList<>();
    private final List<float[]> floats = new ArrayList<>();
    private final List<double[]> doubles = new ArrayList<>();

    private Scratch() {}

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
        while (buffers.size() <= number) {
            buffers.add(Arena.ofAuto().allocate((long) ELEMENTS * Float.BYTES, 64));
        }
        return buffers.get(number);
    }

    /**
     * {@return an array of {@link #ELEMENTS} floats}
     *
     * @param number which, from 0
     */
    public float[] floats(int number) {
        while (floats.size() <= number) {
            floats.add(new float[ELEMENTS]);
        }
        return floats.get(number);
    }

    /**
     * {@return an array of {@link #ELEMENTS} doubles}
     *
     * @param number which, from 0
     */
    public double[] doubles(int number) {
        while (doubles.size() <= number) {
            doubles.add(new double[ELEMENTS]);
        }
        return doubles.get(number);
    }
}
