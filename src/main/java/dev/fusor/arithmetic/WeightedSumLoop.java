package dev.fusor.arithmetic;

import dev.fusor.tensor.DType;
import java.lang.foreign.MemorySegment;

/** One specialised loop of the weighted sum. */
interface WeightedSumLoop {
    /**
     * What is constant in a loop.
     *
     * @param input the type of models and base
     * @param output the type of the result
     * @param models how many, 1 to {@link WeightedSumCpu#GROUP}
     * @param base whether task vectors are summed
     * @param resume whether the loop adds to a sum begun before
     * @param finish whether it divides, adds the base and rounds
     */
    record Form(DType input, DType output, int models, boolean base, boolean resume, boolean finish) {}

    /**
     * Runs the loop.
     *
     * @param data the models from 0, the base last
     * @param at the byte where each starts
     * @param weights one for each model
     * @param divisor divides the finished sum
     * @param sum the sum begun before, binary32
     * @param out receives the result
     * @param outByte where it starts
     * @param count elements, a multiple of the lanes of a vector
     */
    void run(MemorySegment[] data, long[] at, float[] weights, float divisor, MemorySegment sum, MemorySegment out,
            long outByte, long count);
}
