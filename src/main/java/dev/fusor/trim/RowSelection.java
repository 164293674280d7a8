package dev.fusor.trim;

import dev.fusor.simd.Scratch;
import dev.fusor.tensor.Tensor;
import dev.fusor.trim.MagnitudeSelection.Ties;
import java.util.BitSet;

/** What trimming keeps of a task vector row by row. */
public final class RowSelection {
    private RowSelection() {}

    /**
     * {@return which elements stay: of each row so many of the largest magnitudes, but not so many of the very largest} Ties and
     * NaN are as {@link MagnitudeSelection} has them. The calling thread selects, and takes 8 bytes of heap for each element of a
     * row and a bit for each element.
     *
     * @param base the base model's rows, or null to look at {@code x} itself
     * @param x the model's rows, of as many elements and any arithmetic type
     * @param row elements of a row; the number of elements is a multiple of it
     * @param atLeast how many of the largest; the length of a row or more for all
     * @param tooLarge how many of those go
     * @param ties what becomes of equals at either cut
     * @throws IllegalArgumentException if rows are not whole, lengths differ, a type is not arithmetic or a count is negative
     */
    public static BitSet kept(Tensor base, Tensor x, int row, long atLeast, long tooLarge, Ties ties) {
        int length = Math.toIntExact(x.elements());
        if (row < 1 || length % row != 0 || atLeast < 0 || tooLarge < 0 || !x.dtype().isArithmetic()
                || base != null && (base.elements() != length || !base.dtype().isArithmetic())) {
            throw new IllegalArgumentException(
                    "rows of %d, of which %d stay but for %d, take whole rows of a model and a base of arithmetic types and equal length, got %s and %s"
                            .formatted(row, atLeast, tooLarge, x, base == null ? "no base" : base));
        }
        BitSet kept = new BitSet(length);
        int[] keys = new int[row];
        for (int start = 0; start < length; start += row) {
            loadKeys(base, x, start, keys);
            MagnitudeBand band = new MagnitudeBand(cut(keys, atLeast, ties), cut(keys, tooLarge, ties));
            for (int i = 0; i < row; i++) {
                kept.set(start + i, keys[i] >= band.leastKey(i) && keys[i] < band.limitKey(i));
            }
        }
        return kept;
    }

    private static MagnitudeCut cut(int[] keys, long k, Ties ties) {
        if (k == 0) {
            return MagnitudeCut.NONE;
        }
        if (k >= keys.length) {
            return MagnitudeCut.ALL;
        }
        int key = Keys.kthLargest(keys.clone(), keys.length, k);
        if (ties == Ties.ALL_TIES) {
            return new MagnitudeCut(key, Long.MAX_VALUE);
        }
        long left = k;
        for (int other : keys) {
            left -= other > key ? 1 : 0;
        }
        int last = -1;
        while (left > 0) {
            left -= keys[++last] == key ? 1 : 0;
        }
        return new MagnitudeCut(key, last);
    }

    private static void loadKeys(Tensor base, Tensor x, int start, int[] keys) {
        float[] delta = Scratch.mine().floats(0);
        for (int from = 0; from < keys.length; from += Scratch.ELEMENTS) {
            int count = Math.min(Scratch.ELEMENTS, keys.length - from);
            TaskVector.load(base, x, start + from, delta, count);
            for (int i = 0; i < count; i++) {
                keys[from + i] = MagnitudeCut.keyOf(delta[i]);
            }
        }
    }
}
