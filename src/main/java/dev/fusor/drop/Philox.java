package dev.fusor.drop;

import dev.fusor.simd.Lanes;
import dev.fusor.simd.Specialised;
import java.nio.charset.StandardCharsets;

/**
 * The random numbers of random drops: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
 *
 * <p>A block of four 32-bit words is a function of a key of 64 bits and a counter of 128, and nothing is remembered from one
 * block to the next: any range of a mask can be had on any thread or device. Key words are the key's lower and upper 32 bits;
 * counter words are the lower and upper 32 bits of the block's number, then of the stream.
 *
 * <p>An instance holds a run of blocks and belongs to one thread. The words lie apart by their place in the block, in longs
 * of which the upper half means nothing, so that plain loops go over them by vectors.
 */
public final class Philox {
    /** Blocks of one run at most: the words of {@link dev.fusor.simd.Scratch#ELEMENTS} elements that start anywhere. */
    public static final int BLOCKS = 257;

    static final int ROUNDS = 10;
    static final long LOW = 0xFFFFFFFFL;
    static final long MULTIPLIER_0 = 0xD2511F53L;
    static final long MULTIPLIER_1 = 0xCD9E8D57L;
    static final int WEYL_0 = 0x9E3779B9;
    static final int WEYL_1 = 0xBB67AE85;

    /** Below this width plain loops, which C2 makes vectors of too, are as fast. */
    private static final int WIDE_LANES = 16;

    private static final Rounds ROUND_LOOPS = Specialised.available() && Lanes.LENGTH >= WIDE_LANES
            ? new PhiloxLanes()
            : Philox::plainRounds;

    private static final long FNV_START = 0xCBF29CE484222325L;
    private static final long FNV_PRIME = 0x100000001B3L;

    private static final ThreadLocal<Philox> MINE = ThreadLocal.withInitial(Philox::new);

    /** The words of each place, of all blocks. */
    final long[][] words = new long[4][BLOCKS + Specialised.MOST_LANES];

    private Philox() {}

    /** {@return the calling thread's} */
    public static Philox mine() {
        return MINE.get();
    }

    /**
     * {@return the key of a tensor: the seed, exclusive-or the 64-bit FNV-1a hash of the name in UTF-8}
     *
     * @param seed chosen by the user, the same for all tensors
     * @param tensor the tensor's name
     */
    public static long key(long seed, String tensor) {
        long hash = FNV_START;
        for (byte unit : tensor.getBytes(StandardCharsets.UTF_8)) {
            hash = (hash ^ unit & 0xFF) * FNV_PRIME;
        }
        return seed ^ hash;
    }

    /**
     * Computes a run of blocks.
     *
     * @param key the key
     * @param stream the upper half of the counter
     * @param first the first block's number, the lower half of the counter
     * @param count how many, at most {@link #BLOCKS}
     */
    public void fill(long key, long stream, long first, int count) {
        for (int b = 0; b < count; b++) {
            words[0][b] = first + b;
            words[1][b] = first + b >>> 32;
            words[2][b] = stream;
            words[3][b] = stream >>> 32;
        }
        ROUND_LOOPS.run(words[0], words[1], words[2], words[3], (int) key, (int) (key >>> 32), count);
    }

    /** All rounds over all blocks; the words beyond the last one may be overwritten, to the length of a vector. */
    interface Rounds {
        void run(long[] x0, long[] x1, long[] x2, long[] x3, int key0, int key1, int count);
    }

    private static void plainRounds(long[] x0, long[] x1, long[] x2, long[] x3, int key0, int key1, int count) {
        for (int r = 0; r < ROUNDS; r++) {
            round(x0, x1, x2, x3, key0 + r * WEYL_0, key1 + r * WEYL_1, count);
        }
    }

    /** One round over all blocks: C2 makes no vectors of two at once. */
    private static void round(long[] x0, long[] x1, long[] x2, long[] x3, long key0, long key1, int count) {
        for (int b = 0; b < count; b++) {
            long product0 = MULTIPLIER_0 * (x0[b] & LOW);
            long product1 = MULTIPLIER_1 * (x2[b] & LOW);
            x0[b] = product1 >>> 32 ^ x1[b] ^ key0;
            x1[b] = product1;
            x2[b] = product0 >>> 32 ^ x3[b] ^ key1;
            x3[b] = product0;
        }
    }

    /**
     * {@return a word of the run}
     *
     * @param index four times the block's place in the run, plus the word's place in the block
     */
    public int word(int index) {
        return (int) words[index & 3][index >>> 2];
    }
}
