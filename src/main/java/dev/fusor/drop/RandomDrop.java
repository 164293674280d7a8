package dev.fusor.drop;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * DARE (Yu et al. 2023, arXiv 2311.03099): every element of a task vector is kept with the same probability.
 *
 * <p>Element i of model m is kept if word i mod 4 of the {@link Philox} block number i div 4 of stream m is, as an unsigned
 * integer, less than the {@link #threshold} of the density. The flat index, the model's number among those that are merged,
 * the tensor's name and the seed decide, and nothing else: not the device, the threads, or how the tensor is cut into ranges
 * and files. Densities of 0 and 1 are exact; of two densities the larger one keeps all that the smaller one keeps.
 *
 * @param key the tensor's, from {@link Philox#key}
 * @param model the model's number, from 0
 * @param density the probability to be kept, from 0 to 1
 * @param rescale whether what is kept is multiplied by 1 / density, in float64 and then rounded to float32
 */
public record RandomDrop(long key, int model, double density, boolean rescale) implements DropFactors {
    private static final ValueLayout.OfLong PAIR = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final long LOW = 0xFFFFFFFFL;

    /** A run of blocks may start up to three elements early: what is not asked for goes here with the rest. */
    private static final ThreadLocal<MemorySegment> EARLY = ThreadLocal
            .withInitial(() -> Arena.ofAuto().allocate(16L * Philox.BLOCKS, 64));

    /** Checks the ranges. */
    public RandomDrop {
        threshold(density);
        if (model < 0) {
            throw new IllegalArgumentException("models are numbered from 0, got " + model);
        }
    }

    /**
     * {@return how many of the 2^32 words keep an element: density times 2^32, which is exact in float64, rounded to the
     * nearest integer, ties to even}
     *
     * @param density a probability from 0 to 1
     * @throws IllegalArgumentException if the density is outside its range or NaN
     */
    public static long threshold(double density) {
        if (!(density >= 0 && density <= 1)) {
            throw new IllegalArgumentException("density is a fraction from 0 to 1, got " + density);
        }
        return (long) Math.rint(density * 0x1p32);
    }

    @Override
    public void load(long from, int count, MemorySegment factors) {
        int early = (int) (from & 3);
        int blocks = early + count + 3 >>> 2;
        Philox philox = Philox.mine();
        philox.fill(key, model, from >>> 2, blocks);
        long threshold = threshold(density);
        long kept = Float.floatToRawIntBits(rescale ? (float) (1 / density) : 1f);
        select(philox.words[0], philox.words[1], blocks, threshold, kept);
        select(philox.words[2], philox.words[3], blocks, threshold, kept);
        MemorySegment target = early == 0 ? factors : EARLY.get();
        for (int b = 0; b < blocks; b++) {
            target.set(PAIR, 16L * b, philox.words[0][b]);
            target.set(PAIR, 16L * b + 8, philox.words[2][b]);
        }
        if (early != 0) {
            MemorySegment.copy(target, 4L * early, factors, 0, 4L * count);
        }
    }

    /** Turns the words of two neighbouring places into a pair of factors, without a branch. */
    private static void select(long[] first, long[] second, int count, long threshold, long kept) {
        long dropped = Float.floatToRawIntBits(DROPPED);
        for (int b = 0; b < count; b++) {
            long one = (first[b] & LOW) - threshold >> 63;
            long two = (second[b] & LOW) - threshold >> 63;
            first[b] = (one & kept | ~one & dropped) | (two & kept | ~two & dropped) << 32;
        }
    }
}
