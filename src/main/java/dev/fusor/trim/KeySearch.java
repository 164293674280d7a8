package dev.fusor.trim;

import dev.fusor.device.CpuDevice;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.Tensor;
import dev.fusor.trim.MagnitudeSelection.Ties;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;

/**
 * The search for the k-th largest of many magnitude keys, in passes over them all that it plans one after the other.
 *
 * <p>The first pass looks at the bracket that a sample gives. It gathers the keys there, if they are not too many, and counts
 * them in bins, so that afterwards the k-th key is among at most 2^15 whatever was gathered. Keys that many elements of the
 * sample have are not gathered but counted, tile by tile: task vectors of BF16 models have few different magnitudes. If the
 * sample was wrong, the second pass counts all keys on the side where the k-th is. The last pass gathers what is left, or
 * counts each key on its own, in each of {@value #STRIPES} stripes of tiles, which then tell where ties are. So three passes
 * always do.
 */
final class KeySearch {
    /** Groups of neighbouring tiles in which the last pass counts ties apart. */
    static final int STRIPES = 32;

    private static final ThreadLocal<int[]> ROOM = ThreadLocal
            .withInitial(() -> new int[PartTiles.LARGEST + Specialised.MOST_LANES]);

    /** Bins, where they are as fine as {@link #SINGLE_BITS} asks, or gathered keys will do. */
    private static final int BIN_BITS = 11;

    /** Bins otherwise. */
    private static final int MOST_BIN_BITS = 16;

    /** So many keys are counted each on its own. */
    private static final int SINGLE_BITS = 15;

    private final int model;
    private final long k;
    private final int tiles;
    private final long share;

    /** The k-th key is one of these, which are so many, and among them this one from the top. */
    private int low = 0;
    private int high = Keys.LARGEST;
    private long among;
    private long rank;

    private int likely = -1;
    /** In the middle of the bracket. */
    private int guess;
    /** How many keys are expected in the bracket. */
    private double expected;
    /** The likely number of the first tile of which no tie is kept. */
    private int likelyTile;
    private int sureLow;
    private int sureHigh = -1;
    private int[] heavy = {};

    private Pass pass;
    private int passes;
    private Found found;

    /**
     * Begins.
     *
     * @param model whose keys
     * @param k from 1 to the number of keys
     * @param keys how many there are
     * @param tiles in which they come
     * @param share how many it may gather
     */
    KeySearch(int model, long k, long keys, int tiles, long share) {
        this.model = model;
        this.k = k;
        this.tiles = tiles;
        this.share = share;
        this.among = keys;
        this.rank = k;
    }

    /**
     * The k-th key and where its equals are.
     *
     * @param key the k-th
     * @param ties how many of its equals are among the k
     * @param firstTile of those in which the last of these may be
     * @param equal how many equals each tile from there on has; null if that is not known
     * @param endTile after the last of those tiles
     * @param all every key of each tile, if they are known; else null
     */
    record Found(int key, long ties, int firstTile, int endTile, int[] equal, int[][] all) {}

    int model() {
        return model;
    }

    int passes() {
        return passes;
    }

    /** Null while there is more to do. */
    Found found() {
        return found;
    }

    /** Takes a sample of the keys, run by run, as a hint. */
    void expect(int[][] runs) {
        MagnitudeSample sample = new MagnitudeSample(runs, k, among);
        KeyEstimate estimate = sample.estimate();
        sureLow = estimate.least();
        sureHigh = estimate.most();
        likely = estimate.likely();
        likelyTile = (int) Math.rint(tiles * estimate.tiesKept());
        heavy = sample.heavy();
        guess = estimate.key();
        expected = among * estimate.inDoubt();
    }

    /**
     * A cut to use before the right one is known, and the keys that tell the right one.
     *
     * @param key of the cut
     * @param endOfTies the first tile of which it keeps no ties
     * @param least the first key that is watched
     * @param most the last one
     */
    record Guess(int key, int endOfTies, int least, int most) {
        /** The cut in a tile, all of whose ties are kept or none. */
        MagnitudeCut cut(int tile, Ties ties) {
            return new MagnitudeCut(key, ties == Ties.ALL_TIES || tile < endOfTies ? Long.MAX_VALUE : -1);
        }
    }

    /** The guess that the first pass can prove by counting one key; null if by the sample there is no such key, or later. */
    Guess countable() {
        return passes == 0 && likely >= 0 && likely < MagnitudeCut.NAN_KEY
                ? new Guess(likely, likelyTile, likely, likely)
                : null;
    }

    /** The guess that the next pass can mend by listing elements, of which it keeps all ties; null if they may be too many. */
    Guess listable() {
        if (passes > 0) {
            return among <= share ? new Guess(low + (high - low) / 2, tiles, low, high) : null;
        }
        return sureHigh >= 0 && likely < 0 && heavy.length == 0 && expected <= share
                ? new Guess(guess, tiles, sureLow, sureHigh)
                : null;
    }

    /** Plans a pass: every tile is then to be looked at once. */
    void begin() {
        passes++;
        boolean hinted = passes == 1 && sureHigh >= 0;
        if (low == high) {
            pass = new Pass(low, low, 1, 0, false);
        } else if (hinted && likely >= 0) {
            pass = new Pass(likely, likely, 1, 0, false);
        } else if (hinted) {
            pass = new Pass(sureLow, sureHigh, sureLow, sureHigh, false);
        } else if (among <= share) {
            pass = new Pass(low, high, low, high, false);
        } else {
            pass = new Pass(low, high, Math.max(low, sureLow), Math.min(high, sureHigh),
                    high - low >>> SINGLE_BITS == 0);
        }
    }

    /** Looks at a tile; tiles may be looked at by several threads at the same time. */
    void look(int tile, Tensor base, Tensor x) {
        pass.look(tile, base, x);
    }

    /** Takes what somebody else saw of a tile by the cut of a guess, in the place of {@link #look}. */
    void counted(int tile, int kept, int equal, MagnitudeCut cut) {
        pass.counted(tile, kept - (cut.lastTie() < 0 ? 0 : equal), equal);
    }

    /** Likewise if keys were listed. */
    void listed(int tile, int kept, int[] keys, Guess guess) {
        int larger = kept - Keys.count(keys, guess.key, Keys.LARGEST);
        if (guess.least == guess.most) {
            pass.counted(tile, larger, keys.length);
        } else {
            pass.gathered(tile, larger, keys, keys.length);
        }
    }

    /** Draws the conclusions when every tile has been looked at. */
    void end(CpuDevice device) {
        long over = pass.over.sum();
        long inside = pass.inside.sum();
        long left = k - over;
        if (left < 1) {
            among = over - (k - rank);
            low = pass.high + 1;
        } else if (left > inside) {
            among -= rank - (left - inside);
            rank = left - inside;
            high = pass.low - 1;
        } else {
            rank = left;
            pass.hit(device);
        }
        pass = null;
    }

    /** Narrows the keys down to the bin that holds the k-th. */
    private void choose(long[] bins, int least, int most, int shift) {
        int bin = bins.length - 1;
        while (rank > bins[bin]) {
            rank -= bins[bin--];
        }
        among = bins[bin];
        low = least + (bin << shift);
        high = Math.min(most, low + (1 << shift) - 1);
    }

    private static int shift(int low, int high, int bits) {
        return Math.max(0, Integer.SIZE - Integer.numberOfLeadingZeros(high - low) - bits);
    }

    private static long[] bins(int low, int high, int shift) {
        return new long[(high - low >>> shift) + 1];
    }

    /** Adds to each bin how many of the keys are in it; keys outside them all are left out. */
    private static void count(int[] keys, int count, int least, int shift, long[] bins) {
        int[] mine = new int[bins.length + 1];
        for (int i = 0; i < count; i++) {
            // Without a branch: a key below the first bin is a very large number here, and goes where those above go.
            mine[Math.min((keys[i] - least & Integer.MAX_VALUE) >>> shift, bins.length)]++;
        }
        synchronized (bins) {
            for (int i = 0; i < bins.length; i++) {
                bins[i] += mine[i];
            }
        }
    }

    private int firstTile(int stripe) {
        return (int) (((long) stripe * tiles + STRIPES - 1) / STRIPES);
    }

    /** One look at all keys. */
    private final class Pass {
        private final int low;
        private final int high;
        private final int gatherLow;
        private final int gatherHigh;
        private final int shift;
        private final LongAdder over = new LongAdder();
        private final LongAdder inside = new LongAdder();
        private final AtomicLong held = new AtomicLong();
        /** Counts of the one key in each tile. */
        private final int[] equal;
        /** Or bins, of the whole or of each stripe. */
        private final long[][] bins;
        /** And the keys that were gathered of each tile, without the heavy ones. */
        private final int[][] keys;
        /** How many of each heavy key each tile has. */
        private final int[][] heavyOf;

        /**
         * A pass.
         *
         * @param low counts keys from here
         * @param high to here
         * @param gatherLow gathers those of them from here
         * @param gatherHigh to here, or none
         * @param single whether each key is counted on its own, and stripe by stripe
         */
        Pass(int low, int high, int gatherLow, int gatherHigh, boolean single) {
            this.low = low;
            this.high = high;
            this.gatherLow = gatherLow;
            this.gatherHigh = gatherHigh;
            boolean gathersAll = among <= share && gatherLow == low && gatherHigh == high;
            int least = shift(low, high, BIN_BITS);
            this.shift = single ? 0 : gathersAll || least <= SINGLE_BITS ? least : shift(low, high, MOST_BIN_BITS);
            this.equal = low == high ? new int[tiles] : null;
            this.keys = gatherLow <= gatherHigh ? new int[tiles][] : null;
            this.heavyOf = new int[heavy.length][tiles];
            this.bins = new long[single ? STRIPES : 1][];
            Arrays.setAll(bins, stripe -> KeySearch.bins(low, high, shift));
        }

        void look(int tile, Tensor base, Tensor x) {
            int[] room = equal == null ? ROOM.get() : null;
            long counts = KeyScan.scan(base, x, low, high, room);
            int count = KeyScan.inside(counts);
            if (equal != null) {
                counted(tile, KeyScan.above(counts), count);
                return;
            }
            gathered(tile, KeyScan.above(counts), room, count);
        }

        /** Takes the keys in the bracket. */
        void gathered(int tile, int larger, int[] room, int count) {
            over.add(larger);
            inside.add(count);
            KeySearch.count(room, count, low, shift, bins[(int) ((long) tile * bins.length / tiles)]);
            if (keys != null) {
                int kept = kept(tile, room, count);
                if (held.addAndGet(kept) <= share) {
                    keys[tile] = Arrays.copyOf(room, kept);
                }
            }
        }

        void counted(int tile, int larger, int same) {
            over.add(larger);
            inside.add(same);
            equal[tile] = same;
        }

        /** Counts the heavy keys and moves the others that are gathered to the front. */
        private int kept(int tile, int[] room, int count) {
            if (heavy.length == 0 && gatherLow == low && gatherHigh == high) {
                return count;
            }
            int[] ofHeavy = new int[heavy.length];
            int kept = 0;
            for (int i = 0; i < count; i++) {
                int key = room[i];
                int number = 0;
                while (number < heavy.length && heavy[number] != key) {
                    number++;
                }
                if (number < heavy.length) {
                    ofHeavy[number]++;
                } else if (key >= gatherLow && key <= gatherHigh) {
                    room[kept++] = key;
                }
            }
            for (int number = 0; number < heavy.length; number++) {
                heavyOf[number][tile] = ofHeavy[number];
            }
            return kept;
        }

        /** The k-th key is among those counted. */
        void hit(CpuDevice device) {
            if (equal != null) {
                found = new Found(low, rank, 0, tiles, equal, null);
                KeySearch.this.low = low;
                KeySearch.this.high = low;
                among = inside.sum();
                return;
            }
            long[] sum = new long[bins[0].length];
            for (long[] stripe : bins) {
                Arrays.setAll(sum, bin -> sum[bin] + stripe[bin]);
            }
            choose(sum, low, high, shift);
            if (keys != null && held.get() <= share && gatherLow <= KeySearch.this.low
                    && KeySearch.this.high <= gatherHigh) {
                chooseAmongGathered(device);
            } else if (bins.length > 1) {
                chooseStripe();
            }
        }

        private void chooseAmongGathered(CpuDevice device) {
            int[][] left = new int[tiles][];
            int least = KeySearch.this.low;
            int most = KeySearch.this.high;
            device.run(tiles, tile -> left[(int) tile] = Keys.within(keys[(int) tile], least, most));
            while (KeySearch.this.low < KeySearch.this.high) {
                narrow(left);
            }
            int key = KeySearch.this.low;
            int number = Arrays.binarySearch(heavy, key);
            int[] ofTile = new int[tiles];
            for (int tile = 0; tile < tiles; tile++) {
                ofTile[tile] = Keys.count(left[tile], key, key) + (number < 0 ? 0 : heavyOf[number][tile]);
            }
            boolean all = gatherLow == 0 && gatherHigh == Keys.LARGEST && heavy.length == 0;
            found = new Found(key, rank, 0, tiles, ofTile, all ? keys : null);
        }

        /** Counts the keys that are left in finer bins, and chooses the one that holds the k-th. */
        private void narrow(int[][] left) {
            int least = KeySearch.this.low;
            int most = KeySearch.this.high;
            int finer = shift(least, most, BIN_BITS);
            long[] counts = KeySearch.bins(least, most, finer);
            for (int[] ofTile : left) {
                for (int key : Keys.within(ofTile, least, most)) {
                    counts[key - least >>> finer]++;
                }
            }
            for (int number = 0; number < heavy.length; number++) {
                if (heavy[number] >= least && heavy[number] <= most) {
                    counts[heavy[number] - least >>> finer] += Arrays.stream(heavyOf[number]).asLongStream().sum();
                }
            }
            choose(counts, least, most, finer);
        }

        private void chooseStripe() {
            int bin = KeySearch.this.low - low;
            int stripe = 0;
            long ties = rank;
            while (ties > bins[stripe][bin]) {
                ties -= bins[stripe++][bin];
            }
            int first = firstTile(stripe);
            int end = firstTile(stripe + 1);
            int[] ofTile = end - first == 1 ? new int[]{Math.toIntExact(bins[stripe][bin])} : null;
            found = new Found(KeySearch.this.low, ties, first, end, ofTile, null);
        }
    }
}
