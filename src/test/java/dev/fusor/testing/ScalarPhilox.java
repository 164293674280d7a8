package dev.fusor.testing;

/** Philox4x32-10 from its definition, one word at a time. */
public final class ScalarPhilox {
    private static final long LOW = 0xFFFFFFFFL;

    private ScalarPhilox() {}

    /** Word {@code index mod 4} of the block {@code index div 4} of a stream, as an unsigned number. */
    public static long word(long key, long stream, long index) {
        long block = index / 4;
        long[] c = {block & LOW, block >>> 32, stream & LOW, stream >>> 32};
        for (int round = 0; round < 10; round++) {
            long key0 = key + round * 0x9E3779B9L & LOW;
            long key1 = (key >>> 32) + round * 0xBB67AE85L & LOW;
            long left = 0xD2511F53L * c[0];
            long right = 0xCD9E8D57L * c[2];
            c = new long[]{right >>> 32 ^ c[1] ^ key0, right & LOW, left >>> 32 ^ c[3] ^ key1, left & LOW};
        }
        return c[(int) (index % 4)];
    }
}
