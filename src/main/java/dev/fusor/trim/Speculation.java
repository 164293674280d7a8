package dev.fusor.trim;

import dev.fusor.device.CpuDevice;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Use;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import dev.fusor.trim.PartTiles.Range;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;

/**
 * Uses cuts before they are sure, and again where they were wrong: ranges of elements if one key is likely for each cut, single
 * elements, out of a list of those in the brackets, if nearly all keys are different.
 */
final class Speculation {
    /** Elements that are listed at most. */
    private static final long MOST_LISTED = 1 << 22;

    private final CpuDevice device;
    private final PartTiles tiles;
    private final List<Wanted> wanted;
    /** For each that is wanted, or null where nothing has to be searched for. */
    private final List<KeySearch> searches;
    private final Ties ties;
    private final Use use;
    /** The keys that are watched. */
    private final int[] least;
    private final int[] spans;
    private boolean used;
    /** The listed elements of each tile, for each that is wanted; or null. */
    private Listed[][] lists;
    private final AtomicLong listed = new AtomicLong();

    /**
     * Begins.
     *
     * @param device runs it
     * @param tiles in which elements are used
     * @param wanted what cuts are to keep
     * @param searches for the cut of each, or null where it keeps nothing or all
     * @param ties what becomes of equals
     * @param use what is done with the cuts
     */
    Speculation(CpuDevice device, PartTiles tiles, List<Wanted> wanted, List<KeySearch> searches, Ties ties, Use use) {
        this.device = device;
        this.tiles = tiles;
        this.wanted = wanted;
        this.searches = searches;
        this.ties = ties;
        this.use = use;
        this.least = new int[wanted.size()];
        this.spans = new int[wanted.size()];
    }

    /** Elements that are near a cut. */
    private record Listed(int[] places, int[] keys) {
        /** Where keys are that one of two cuts, of keys in any order, may keep and the other may not. */
        int[] between(int key, int other) {
            return Keys.within(places, keys, Math.min(key, other), Math.max(key, other));
        }
    }

    /** Makes the first pass of all searches by using everything, if each has a likely cut. */
    void run() {
        List<KeySearch> open = searches.stream().filter(search -> search != null).toList();
        used = open.stream().allMatch(KeySearch::isLikely);
        if (!used && open.stream().allMatch(KeySearch::isListable)) {
            used = true;
            lists = new Listed[tiles.count()][least.length];
        }
        if (!used) {
            return;
        }
        for (int w = 0; w < least.length; w++) {
            if (searches.get(w) != null) {
                int most = searches.get(w).mostWatched();
                least[w] = searches.get(w).leastWatched();
                spans[w] = (most < MagnitudeCut.NAN_KEY ? most : Integer.MAX_VALUE) - least[w] + 1;
            }
        }
        open.forEach(KeySearch::begin);
        int longest = lists == null ? 0 : tiles.size();
        ThreadLocal<KeyWatch> watches = ThreadLocal.withInitial(() -> new KeyWatch(least, spans, longest));
        device.run(tiles.count(), tile -> watch((int) tile, watches.get()));
        open.forEach(search -> search.end(device));
    }

    private void watch(int tile, KeyWatch watch) {
        watch.clear();
        List<MagnitudeCut> likely = likelyCuts(tile);
        use(tile, likely, watch);
        for (int w = 0; w < least.length; w++) {
            int near = watch.near(w);
            if (searches.get(w) == null) {
                continue;
            }
            if (lists == null) {
                searches.get(w).watched(tile, watch.kept(w), near, likely.get(w));
            } else {
                int[] keys = Arrays.copyOf(watch.keys(w), near);
                searches.get(w).listed(tile, watch.kept(w), keys);
                if (listed.addAndGet(near) <= MOST_LISTED) {
                    lists[tile][w] = new Listed(Arrays.copyOf(watch.places(w), near), keys);
                }
            }
        }
    }

    /**
     * Uses again what was used by a wrong cut, or not yet.
     *
     * @param cuts for each that is wanted, one for each part
     */
    void settle(List<List<MagnitudeCut>> cuts) {
        boolean mends = lists != null && listed.get() <= MOST_LISTED && areNear(cuts);
        device.run(tiles.count(), number -> {
            int tile = (int) number;
            Range range = tiles.tile(tile);
            List<MagnitudeCut> sure = cuts.stream().map(ofParts -> ofParts.get(range.part())).toList();
            if (mends) {
                mend(tile, sure, range);
            } else if (lists != null || !used || !alike(likelyCuts(tile), sure, range)) {
                use(tile, sure, null);
            }
        });
    }

    /** Whether the keys of the cuts are among those that were watched. */
    private boolean areNear(List<List<MagnitudeCut>> cuts) {
        return IntStream.range(0, least.length).allMatch(w -> searches.get(w) == null || Integer
                .compareUnsigned(cuts.get(w).getFirst().key() - least[w], spans[w]) < 0);
    }

    /** Uses the listed elements again that sure cuts may treat otherwise than likely ones. */
    private void mend(int tile, List<MagnitudeCut> sure, Range range) {
        List<MagnitudeCut> likely = likelyCuts(tile);
        int[] wrong = {};
        for (int w = 0; w < least.length; w++) {
            if (lists[tile][w] != null) {
                int[] more = lists[tile][w].between(likely.get(w).key(), sure.get(w).key());
                wrong = Arrays.copyOf(wrong, wrong.length + more.length);
                System.arraycopy(more, 0, wrong, wrong.length - more.length, more.length);
            }
        }
        Arrays.sort(wrong);
        if (wrong.length > 0) {
            tiles.readElsewhere(new Range(range.part(), range.from(), wrong.length));
            use.mend(range.part(), range.from(), wrong, sure);
        }
    }

    private List<MagnitudeCut> likelyCuts(int tile) {
        return IntStream.range(0, wanted.size()).mapToObj(w -> searches.get(w) == null
                ? MagnitudeSelectionCpu.simple(wanted.get(w))
                : searches.get(w).likelyCut(tile, ties)).toList();
    }

    /** Whether likely cuts, which treat all of a range alike, keep what others keep there. */
    private static boolean alike(List<MagnitudeCut> likely, List<MagnitudeCut> sure, Range range) {
        return IntStream.range(0, sure.size())
                .allMatch(s -> likely.get(s).leastKey(range.from()) == sure.get(s).leastKey(range.from())
                        && sure.get(s).nextChange(range.from()) >= range.from() + range.count());
    }

    private void use(int tile, List<MagnitudeCut> cuts, KeyWatch watch) {
        Range range = tiles.tile(tile);
        tiles.readElsewhere(range);
        use.run(range.part(), range.from(), range.count(), cuts, watch);
    }
}
