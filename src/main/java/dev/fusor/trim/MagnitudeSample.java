package dev.fusor.trim;

import java.util.Arrays;
import java.util.stream.IntStream;

/** Where a sample of keys has the k-th of all: a guess that a pass over all of them proves or refutes. */
final class MagnitudeSample {
    /** Neighbours that are taken together. */
    static final int RUN = 128;

    /**
     * Width of a bracket on either side, in standard deviations of a sample of single elements; a run more is added. Runs of
     * neighbours are alike, so the sample is worth less than its size; a miss costs two more passes, never exactness.
     */
    static final double SURE = 8;

    /**
     * Task vectors of BF16 models have few different magnitudes: where the sample has the same key within this width, that
     * key is tried alone. Nothing is gathered then; a miss costs one more pass.
     */
    static final double LIKELY = 4;

    /** A key is heavy if one in so many elements of a sample has it. */
    private static final int HEAVY = 256;

    /** Of 2^64: its multiples, modulo that, are spread evenly. */
    private static final long GOLDEN_RATIO = 0x9E3779B97F4A7C15L;

    private MagnitudeSample() {}

    /** The first element of a run, which is anywhere in its stretch: so that no period in the elements is sampled at one phase. */
    static long start(long run, long stretch) {
        return run * stretch + Math.unsignedMultiplyHigh(run * GOLDEN_RATIO, stretch - RUN + 1);
    }

    /**
     * The k-th key as a sample has it.
     *
     * @param sample the keys
     * @param k from 1
     * @param length of how many keys
     * @param deviations how many standard deviations towards the larger ones; towards the smaller ones if negative
     * @param more how many keys of the sample further
     */
    static int kth(int[] sample, long k, long length, double deviations, int more) {
        double fraction = (double) k / length;
        double place = (fraction - deviations * Math.sqrt(fraction * (1 - fraction) / sample.length)) * sample.length;
        long rank = (long) (deviations > 0 ? Math.floor(place) - more : Math.ceil(place) + 1 + more);
        if (rank < 1) {
            return Keys.LARGEST;
        }
        return rank > sample.length ? 0 : Keys.kthLargest(sample.clone(), sample.length, rank);
    }

    /** The heavy keys from one to another, sorted. */
    static int[] heavy(int[] sample, int low, int high) {
        int[] inside = Arrays.stream(sample).filter(key -> key >= low && key <= high).sorted().toArray();
        int least = Math.max(2, sample.length / HEAVY);
        return IntStream.range(least - 1, inside.length).filter(i -> inside[i] == inside[i - least + 1])
                .map(i -> inside[i]).distinct().toArray();
    }
}
