package dev.fusor.consensus;

import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.tensor.DType;
import java.lang.foreign.MemorySegment;

/**
 * The vector loops of the disjoint merge, one model at a time over what the cache holds: each small enough for the JIT to
 * keep its vectors in registers.
 */
interface DisjointMergeLoops {
    /**
     * What is constant in the loops.
     *
     * @param input the type of models and base
     * @param output the type of the result
     * @param election whose votes count
     * @param normalize whether the weights of those who count are divided by
     * @param band whether differences may be too large to be kept
     * @param drop whether there are factors
     */
    record Form(DType input, DType output, Election election, boolean normalize, boolean band, boolean drop) {}

    /** Forms the votes of a model, from keys {@code leastKey} to below {@code limitKey}, and adds them to the mass. */
    void vote(MemorySegment model, long modelAt, MemorySegment base, long baseAt, float weight, int leastKey,
            int limitKey, MemorySegment factors, MemorySegment votes, MemorySegment mass, int count);

    /** Adds the votes of the elected sign, as magnitudes, and their weights. */
    void agree(MemorySegment votes, MemorySegment mass, float weight, MemorySegment sum, MemorySegment weights,
            int count);

    /** Divides, gives the sum its sign back, scales it, adds the base and rounds. */
    void finish(MemorySegment base, long baseAt, MemorySegment mass, MemorySegment sum, MemorySegment weights,
            float lambda, float allWeights, MemorySegment out, long outAt, int count);
}
