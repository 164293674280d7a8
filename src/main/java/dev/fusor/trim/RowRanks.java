package dev.fusor.trim;

import dev.fusor.simd.Scratch;
import dev.fusor.tensor.Tensor;
import java.util.Arrays;

/** The places that the elements of a task vector take in their rows, by magnitude. */
public final class RowRanks {
    private static final long LOW = 0xFFFFFFFFL;

    /** Digits of the keys, from the lowest. */
    private static final int[] SHIFTS = {32, 43, 54};
    private static final int DIGIT = (1 << 11) - 1;

    /** Shorter rows are compared: counting digits would cost more than it saves. */
    private static final int SHORTEST_BY_DIGITS = 512;

    private RowRanks() {}

    /**
     * {@return for each element how many of its row are smaller by magnitude} Of equals that of lowest index counts as the
     * largest; NaN is above infinity. The calling thread sorts, and takes 16 bytes of heap for each element of a row.
     *
     * @param base the base model's rows, or null to look at {@code x} itself
     * @param x the model's rows, of as many elements and any arithmetic type
     * @param row elements of a row; the number of elements is a multiple of it
     * @throws IllegalArgumentException if it is not, the lengths differ, or a type is not arithmetic
     */
    public static int[] of(Tensor base, Tensor x, int row) {
        int length = Math.toIntExact(x.elements());
        if (row < 1 || length % row != 0 || !x.dtype().isArithmetic()
                || base != null && (base.elements() != length || !base.dtype().isArithmetic())) {
            throw new IllegalArgumentException(
                    "ranks in rows of %d take whole rows of a model and a base of arithmetic types and equal length, got %s and %s"
                            .formatted(row, x, base == null ? "no base" : base));
        }
        int[] ranks = new int[length];
        long[] keys = new long[row];
        long[] spare = new long[row];
        for (int start = 0; start < length; start += row) {
            loadKeys(base, x, start, keys);
            long[] sorted = sorted(keys, spare);
            for (int rank = 0; rank < row; rank++) {
                ranks[start + (int) (~sorted[rank] & LOW)] = rank;
            }
        }
        return ranks;
    }

    /** Sorts by the upper halves of numbers that are in the order of their lower halves; into one of the two arrays. */
    private static long[] sorted(long[] keys, long[] spare) {
        if (keys.length < SHORTEST_BY_DIGITS) {
            Arrays.sort(keys);
            return keys;
        }
        long[] from = keys;
        long[] to = spare;
        for (int shift : SHIFTS) {
            int[] places = new int[DIGIT + 2];
            for (long key : from) {
                places[1 + (int) (key >>> shift & DIGIT)]++;
            }
            for (int digit = 1; digit <= DIGIT; digit++) {
                places[digit] += places[digit - 1];
            }
            for (long key : from) {
                to[places[(int) (key >>> shift & DIGIT)]++] = key;
            }
            long[] swap = from;
            from = to;
            to = swap;
        }
        return from;
    }

    /**
     * Magnitude keys above the complements of the elements' places in the row, the last place first: all different, and sorted
     * as ranks are.
     */
    private static void loadKeys(Tensor base, Tensor x, int start, long[] keys) {
        float[] delta = Scratch.mine().floats(0);
        for (int from = 0; from < keys.length; from += Scratch.ELEMENTS) {
            int count = Math.min(Scratch.ELEMENTS, keys.length - from);
            TaskVector.load(base, x, start + from, delta, count);
            for (int i = 0; i < count; i++) {
                keys[keys.length - 1 - from - i] = (long) MagnitudeCut.keyOf(delta[i]) << 32 | ~(from + i) & LOW;
            }
        }
    }
}
