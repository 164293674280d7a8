package dev.fusor.ensemble;

import java.lang.foreign.MemorySegment;

/**
 * The loops over a chunk of classes, by vectors or plain. Numbers are float32 except where a loop says so. Counts are multiples
 * of {@link #width}: what is short of one has been filled up with -infinity, which changes neither a maximum nor a sum.
 */
interface LogitLoops {
    /** The most models that {@link #weigh} adds at once. */
    int GROUP = 4;

    /**
     * What is constant in the loops.
     *
     * @param models how many {@link #weigh} adds
     * @param moments whether {@link #exponentials} sums products as well
     */
    record Form(int models, boolean moments) {}

    /** {@return how many classes are done at once} */
    int width();

    /**
     * Adds models to the scores, which start at 0 unless {@code resume}; {@return the largest, as by {@link #max}}
     *
     * @param scores null to store none: then NaN is returned as well where finding the largest takes another look
     */
    float weigh(MemorySegment[] x, long[] at, float[] shares, boolean resume, MemorySegment scores, int count);

    /** Multiplies numbers by a factor. */
    void multiply(MemorySegment x, float factor, int count);

    /** Makes -infinity of classes that are not there; any count. */
    void limit(MemorySegment x, MemorySegment present, long at, int count);

    /**
     * Adds {@code share * (x - shift)} and the share itself where a class is there; any count.
     *
     * @param present a byte for each class, null if all are there
     */
    void weighPresent(MemorySegment x, long at, float share, float shift, MemorySegment present, long presentAt,
            MemorySegment sums, MemorySegment shares, int count);

    /** Divides sums by shares, -infinity where no share is. */
    void divide(MemorySegment sums, MemorySegment shares, MemorySegment out, int count);

    /** Raises scores to those of a model. */
    void raise(MemorySegment x, long at, MemorySegment scores, int count);

    /** {@return the largest, NaN if any is} */
    float max(MemorySegment x, long at, int count);

    /** Sums exp(d) in the lanes, and exp(d) d in the lanes behind them, from +0, where d is the difference to a maximum. */
    void exponentials(MemorySegment x, long at, float max, MemorySegment lanes, int count);

    /** Adds a model's probabilities, {@code scale * exp(d)}. */
    void mix(MemorySegment x, long at, float max, float scale, MemorySegment probabilities, int count);

    /** Makes log-probabilities of scores. */
    void logSoftmax(MemorySegment scores, float max, float logSum, MemorySegment out, int count);

    /** Makes logarithms of probabilities. */
    void logs(MemorySegment probabilities, MemorySegment out, int count);

    /** Multiplies numbers by factors; 0 stays 0 whatever its factor. */
    void scale(MemorySegment numbers, MemorySegment factors, int count);

    /** Adds {@code weight * (x - reference)} to the lanes, 0 where the weight is 0. */
    void products(MemorySegment weights, MemorySegment x, long at, float reference, MemorySegment lanes, int count);
}
