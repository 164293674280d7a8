package dev.fusor.consensus;

import dev.fusor.consensus.DisjointMerge.Aggregation;
import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.consensus.DisjointMerge.Zero;
import dev.fusor.tensor.DType;
import java.lang.foreign.MemorySegment;

/**
 * The vector loop of the disjoint merge. Up to four models are read, elected and merged in registers; more come in groups
 * of four, first to vote and then to settle, with votes and sums in the cache between the two.
 */
interface DisjointMergeLoop {
    /** Models of one loop. */
    int GROUP = 4;

    /**
     * What is constant in the loop.
     *
     * @param input the type of models and base
     * @param output the type of the result
     * @param models how many, at most {@link #GROUP}
     * @param election whose votes count
     * @param aggregation what is made of them
     * @param zero what a sum of 0 elects
     * @param normalize whether the weights of those who count are divided by
     * @param drop whether there are factors
     * @param watch what those who vote do with their keys
     * @param step what is done with the models
     */
    record Form(DType input, DType output, int models, Election election, Aggregation aggregation, Zero zero,
            boolean normalize, boolean drop, Watch watch, Step step) {}

    /** What becomes of keys near a cut. */
    enum Watch {
        /** Nothing. */
        NONE,
        /** They are counted. */
        COUNT,
        /** Their elements are listed. */
        LIST
    }

    /**
     * What is done with the models of a group.
     *
     * @param vote whether their votes are formed and added to the mass, or were before
     * @param settle whether the votes that agree are added up
     * @param first whether they are the first to vote or settle, and nothing has been added up yet
     * @param last whether they are the last to settle, and the result is written
     */
    record Step(boolean vote, boolean settle, boolean first, boolean last) {}

    /**
     * Takes a step.
     *
     * @param group the models
     * @param sums of all models
     * @param base the elements of the base
     * @param baseAt the byte where the first starts
     * @param out receives the result
     * @param outAt the byte where the first goes
     * @param count how many elements, a multiple of the lanes
     */
    void run(Group group, Sums sums, MemorySegment base, long baseAt, MemorySegment out, long outAt, int count);

    /** The models of one loop; what belongs to a model that is not there is not looked at. */
    final class Group {
        final MemorySegment[] x = new MemorySegment[GROUP];
        /** The byte where the first element starts. */
        final long[] at = new long[GROUP];
        final float[] weight = new float[GROUP];
        /** The least key that is kept. */
        final int[] least = new int[GROUP];
        /** How many keys from there on are kept, unsigned. */
        final int[] width = new int[GROUP];
        /** The first of the keys that are watched, and how many these are, unsigned: 1 if they are only counted. */
        final int[] watched = new int[GROUP];
        final int[] span = new int[GROUP];
        /** Counters of elements that the band keeps, and of elements with a key that is watched. */
        final int[] kept = new int[GROUP];
        final int[] near = new int[GROUP];
        /** Where these elements are, their keys, and where the first element of the loop is; {@link #near} of them have been listed. */
        final int[][] places = new int[GROUP][];
        final int[][] keys = new int[GROUP][];
        int place;
        final MemorySegment[] factors = new MemorySegment[GROUP];
        final MemorySegment[] votes = new MemorySegment[GROUP];
    }

    /**
     * Sums over all models, float32.
     *
     * @param mass of the votes
     * @param agreeing of the magnitudes that agree
     * @param weights of the models that agree
     * @param allWeights of the models
     * @param lambda scales the result
     */
    record Sums(MemorySegment mass, MemorySegment agreeing, MemorySegment weights, float allWeights, float lambda) {}
}
