package dev.fusor.trim;

import java.util.Arrays;

/** Magnitude keys in arrays. The k-th largest is found by radix: three digits of 11, 11 and 9 bits from the top. */
final class Keys {
    /** No key is larger; that of NaN is smaller. */
    static final int LARGEST = Integer.MAX_VALUE - 1;

    private static final int[] SHIFTS = {20, 9, 0};
    private static final int[] BITS = {11, 11, 9};

    private Keys() {}

    /** Some keys out of others, in their order; without a branch, as nobody can tell which. */
    static int[] within(int[] keys, int least, int most) {
        return within(keys, keys, least, most);
    }

    /** Likewise out of what belongs to the keys. */
    static int[] within(int[] numbers, int[] keys, int least, int most) {
        int[] some = new int[count(keys, least, most) + 1]; // one that is left out may come after the last
        int count = 0;
        for (int i = 0; i < keys.length; i++) {
            some[count] = numbers[i];
            count += isWithin(keys[i], least, most);
        }
        return Arrays.copyOf(some, count);
    }

    /** How many keys are within bounds. */
    static int count(int[] keys, int least, int most) {
        int count = 0;
        for (int key : keys) {
            count += isWithin(key, least, most);
        }
        return count;
    }

    /** 1 or 0, from the sign of what is negative if one of the bounds is passed. */
    private static int isWithin(int key, int least, int most) {
        return 1 + ((key - least | most - key) >> 31);
    }

    /**
     * {@return the k-th largest key}
     *
     * @param keys the keys; overwritten
     * @param count how many of them, at least k
     * @param k from 1
     */
    static int kthLargest(int[] keys, int count, long k) {
        int left = count;
        long rank = k;
        int found = 0;
        for (int digit = 0; digit < SHIFTS.length; digit++) {
            int shift = SHIFTS[digit];
            int mask = (1 << BITS[digit]) - 1;
            int[] histogram = new int[mask + 1];
            for (int i = 0; i < left; i++) {
                histogram[keys[i] >>> shift & mask]++;
            }
            int bin = mask;
            while (rank > histogram[bin]) {
                rank -= histogram[bin--];
            }
            found |= bin << shift;
            int kept = 0;
            for (int i = 0; i < left; i++) {
                if ((keys[i] >>> shift & mask) == bin) {
                    keys[kept++] = keys[i];
                }
            }
            left = kept;
        }
        return found;
    }
}
