package dev.fusor.consensus;

import java.lang.foreign.MemorySegment;

/**
 * The vector loops of the disjoint merge, one model at a time over binary32 in the cache: each small enough for the JIT to
 * keep its vectors in registers.
 */
interface DisjointMergeLoops {
    /**
     * What is constant in the loops.
     *
     * @param normalize whether the weights of those who agree are added up and divided by
     */
    record Form(boolean normalize) {}

    /** Turns a model into its votes, in place, and adds them to the mass; the first sets it. */
    void vote(MemorySegment model, MemorySegment base, float weight, int leastKey, MemorySegment mass, boolean first,
            int count);

    /** Adds the votes of the elected sign, as magnitudes, and their weights; the first sets both. */
    void agree(MemorySegment votes, MemorySegment mass, float weight, MemorySegment sum, MemorySegment weights,
            boolean first, int count);

    /** Divides, gives the sum its sign back, scales it and adds the base; the result is left in {@code sum}. */
    void finish(MemorySegment base, MemorySegment mass, MemorySegment sum, MemorySegment weights, float lambda,
            int count);
}
