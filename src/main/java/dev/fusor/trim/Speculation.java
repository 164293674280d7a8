package dev.fusor.trim;

import dev.fusor.device.CpuDevice;
import dev.fusor.trim.KeySearch.Guess;
import dev.fusor.trim.MagnitudeSelection.Mending;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Use;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import dev.fusor.trim.PartTiles.Range;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * Uses cuts before they are sure, and again where they were wrong: ranges of elements if one key is likely for each cut, single
 * elements, out of a list of those in the brackets, if these are few.
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
    /** What was used last, for each that is wanted, or null where nothing has to be guessed; empty before. */
    private List<Guess> guesses = List.of();
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
    }

    /** Elements that are near a cut. */
    private record Listed(int[] places, int[] keys) {
        /** Where keys are that one of two cuts, of keys in any order, may keep and the other may not. */
        int[] between(int key, int other) {
            return Keys.within(places, keys, Math.min(key, other), Math.max(key, other));
        }
    }

    /**
     * Makes the next pass of the open searches by using everything, if each search has a guess.
     *
     * @return whether it did
     */
    boolean pass() {
        List<Guess> counted = guesses(KeySearch::countable);
        List<Guess> all = counted == null && use instanceof Mending ? guesses(KeySearch::listable) : counted;
        if (all == null) {
            return false;
        }
        guesses = all;
        listed.set(0);
        lists = counted == null ? new Listed[tiles.count()][all.size()] : null;
        List<KeySearch> open = searches.stream().filter(search -> search != null && search.found() == null).toList();
        open.forEach(KeySearch::begin);
        int longest = lists == null ? 0 : tiles.size();
        int[] least = all.stream().mapToInt(guess -> guess == null ? 0 : guess.least()).toArray();
        int[] spans = all.stream().mapToInt(guess -> guess == null ? 0 : span(guess)).toArray();
        ThreadLocal<KeyWatch> watches = ThreadLocal.withInitial(() -> new KeyWatch(least, spans, longest));
        device.run(tiles.count(), tile -> watch((int) tile, watches.get()));
        open.forEach(search -> search.end(device));
        return true;
    }

    /** One for each search, or null if one has none. */
    private List<Guess> guesses(Function<KeySearch, Guess> form) {
        List<Guess> all = new ArrayList<>();
        for (KeySearch search : searches) {
            Guess guess = search == null ? null : form.apply(search);
            if (search != null && guess == null) {
                return null;
            }
            all.add(guess);
        }
        return all;
    }

    /** How many keys are watched, unsigned. */
    private static int span(Guess guess) {
        return (guess.most() < MagnitudeCut.NAN_KEY ? guess.most() : Integer.MAX_VALUE) - guess.least() + 1;
    }

    private void watch(int tile, KeyWatch watch) {
        watch.clear();
        List<MagnitudeCut> likely = likelyCuts(tile);
        use(tile, likely, watch);
        for (int w = 0; w < guesses.size(); w++) {
            KeySearch search = searches.get(w);
            if (search == null) {
                continue;
            }
            int near = watch.near(w);
            if (lists == null) {
                search.counted(tile, watch.kept(w), near, likely.get(w));
                continue;
            }
            int[] keys = Arrays.copyOf(watch.keys(w), near);
            if (search.found() == null) {
                search.listed(tile, watch.kept(w), keys, guesses.get(w));
            }
            if (listed.addAndGet(near) <= MOST_LISTED) {
                lists[tile][w] = new Listed(Arrays.copyOf(watch.places(w), near), keys);
            }
        }
    }

    /**
     * Uses again what was used by a wrong cut, or not yet.
     *
     * @param cuts for each that is wanted, one for each part
     */
    void settle(List<List<MagnitudeCut>> cuts) {
        boolean used = !guesses.isEmpty();
        boolean mends = lists != null && listed.get() <= MOST_LISTED && areNear(cuts);
        device.run(tiles.count(), number -> {
            int tile = (int) number;
            Range range = tiles.tile(tile);
            List<MagnitudeCut> sure = cuts.stream().map(ofParts -> ofParts.get(range.part())).toList();
            if (mends && use instanceof Mending mending) {
                mend(tile, sure, range, mending);
            } else if (lists != null || !used || !alike(likelyCuts(tile), sure, range)) {
                use(tile, sure, null);
            }
        });
    }

    /** Whether the keys of the cuts are among those that were watched. */
    private boolean areNear(List<List<MagnitudeCut>> cuts) {
        return IntStream.range(0, guesses.size()).allMatch(w -> guesses.get(w) == null || Integer.compareUnsigned(
                cuts.get(w).getFirst().key() - guesses.get(w).least(), span(guesses.get(w))) < 0);
    }

    /** Uses the listed elements again that sure cuts may treat otherwise than likely ones. */
    private void mend(int tile, List<MagnitudeCut> sure, Range range, Mending mending) {
        List<MagnitudeCut> likely = likelyCuts(tile);
        int[] wrong = {};
        for (int w = 0; w < guesses.size(); w++) {
            if (lists[tile][w] != null) {
                int[] more = lists[tile][w].between(likely.get(w).key(), sure.get(w).key());
                wrong = Arrays.copyOf(wrong, wrong.length + more.length);
                System.arraycopy(more, 0, wrong, wrong.length - more.length, more.length);
            }
        }
        Arrays.sort(wrong);
        if (wrong.length > 0) {
            tiles.readElsewhere(new Range(range.part(), range.from(), wrong.length));
            mending.mend(range.part(), range.from(), wrong, sure);
        }
    }

    private List<MagnitudeCut> likelyCuts(int tile) {
        return IntStream.range(0, guesses.size()).mapToObj(w -> guesses.get(w) == null
                ? MagnitudeSelectionCpu.simple(wanted.get(w))
                : guesses.get(w).cut(tile, ties)).toList();
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
