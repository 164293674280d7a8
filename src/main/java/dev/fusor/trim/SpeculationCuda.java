package dev.fusor.trim;

import dev.fusor.trim.KeyWatchCuda.Near;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import dev.fusor.trim.MagnitudeSelectionCuda.Use;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Uses cuts of a tensor on a device before they are sure, and again where they were wrong: ranges of elements where one key is likely,
 * single elements out of the list of those near the cut where several are.
 */
final class SpeculationCuda {
    /** Indices of listed elements are 32 bits wide. */
    private static final long LONGEST = Integer.MAX_VALUE;

    /** Ranges begin and end where vectors of any type may. */
    private static final long ALIGNED = 32;

    private final List<Wanted> wanted;
    /** For each that is wanted, or null where nothing has to be searched for. */
    private final List<KeyBracket> searches;
    private final Ties ties;
    private final Use use;
    private final long length;
    /** What everything was used by on the way; null if it was not. */
    private List<MagnitudeCut> likely;
    private KeyWatchCuda watch;

    SpeculationCuda(List<Wanted> wanted, List<KeyBracket> searches, Ties ties, Use use, long length) {
        this.wanted = wanted;
        this.searches = searches;
        this.ties = ties;
        this.use = use;
        this.length = length;
    }

    /**
     * Makes the pass that has begun by using everything, if each search has a likely cut.
     *
     * @param scans takes what is seen
     * @param places of what is wanted among the searches of the pass; negative where nothing is searched for
     * @return whether it did
     */
    boolean run(KeyScansCuda scans, int[] places) {
        if (!use.watches() || length > LONGEST
                || !searches.stream().allMatch(search -> search == null || search.isLikely())) {
            return false;
        }
        likely = new ArrayList<>();
        List<Near> near = new ArrayList<>();
        for (int w = 0; w < places.length; w++) {
            KeyBracket search = searches.get(w);
            likely.add(search == null ? MagnitudeSelectionCpu.simple(wanted.get(w)) : search.likelyCut(ties));
            near.add(search == null ? Near.NONE : new Near(search.look().low(), search.look().high(), places[w]));
        }
        watch = scans.watch(near);
        use.run(likely, watch);
        return true;
    }

    /**
     * Uses again what was used by a wrong cut, or not yet.
     *
     * @param cuts for each that is wanted
     * @return of how many elements
     */
    long settle(List<MagnitudeCut> cuts) {
        if (likely == null || searches.stream().anyMatch(search -> search != null && search.passes() > 1)) {
            use.run(0, length, cuts);
            return length;
        }
        long used = 0;
        for (long[] range : ranges(cuts)) {
            use.run(range[0], range[1] - range[0], cuts);
            used += range[1] - range[0];
        }
        if (watch.near().stream().anyMatch(Near::lists)) {
            used += use.mend(cuts);
        }
        return used;
    }

    /** Where ties were treated otherwise, from and to: in order and apart. */
    private List<long[]> ranges(List<MagnitudeCut> cuts) {
        List<long[]> wrong = new ArrayList<>();
        for (int w = 0; w < cuts.size(); w++) {
            long sure = cuts.get(w).lastTie();
            long guessed = likely.get(w).lastTie();
            if (sure != guessed && !watch.near().get(w).lists()) {
                long from = (Math.min(sure, guessed) + 1) / ALIGNED * ALIGNED;
                wrong.add(new long[]{from, Math.min(length, (Math.max(sure, guessed) / ALIGNED + 1) * ALIGNED)});
            }
        }
        wrong.sort(Comparator.comparingLong(range -> range[0]));
        List<long[]> apart = new ArrayList<>();
        for (long[] range : wrong) {
            if (!apart.isEmpty() && range[0] <= apart.getLast()[1]) {
                apart.getLast()[1] = Math.max(apart.getLast()[1], range[1]);
            } else {
                apart.add(range);
            }
        }
        return apart;
    }
}
