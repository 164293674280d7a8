package dev.fusor.trim;

import dev.fusor.device.CpuDevice;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Use;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import dev.fusor.trim.PartTiles.Range;
import java.util.List;
import java.util.stream.IntStream;

/** Uses cuts before they are sure, and again where they were wrong. */
final class Speculation {
    private final CpuDevice device;
    private final PartTiles tiles;
    private final List<Wanted> wanted;
    /** For each that is wanted, or null where nothing has to be searched for. */
    private final List<KeySearch> searches;
    private final Ties ties;
    private final Use use;
    private boolean used;

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

    /** Makes the first pass of all searches by using everything, if each has a likely cut. */
    void run() {
        List<KeySearch> open = searches.stream().filter(search -> search != null).toList();
        used = open.stream().allMatch(KeySearch::isLikely);
        if (!used) {
            return;
        }
        open.forEach(KeySearch::begin);
        device.run(tiles.count(), tile -> {
            int[] larger = new int[wanted.size()];
            int[] equal = new int[wanted.size()];
            use((int) tile, likelyCuts((int) tile), larger, equal);
            for (int w = 0; w < wanted.size(); w++) {
                if (searches.get(w) != null) {
                    searches.get(w).counted((int) tile, larger[w], equal[w]);
                }
            }
        });
        open.forEach(search -> search.end(device));
    }

    /**
     * Uses again what was used by a wrong cut, or not yet.
     *
     * @param cuts for each that is wanted, one for each part
     */
    void settle(List<List<MagnitudeCut>> cuts) {
        device.run(tiles.count(), tile -> {
            Range range = tiles.tile((int) tile);
            List<MagnitudeCut> sure = cuts.stream().map(ofParts -> ofParts.get(range.part())).toList();
            if (!used || !alike(likelyCuts((int) tile), sure, range)) {
                use((int) tile, sure, null, null);
            }
        });
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

    private void use(int tile, List<MagnitudeCut> cuts, int[] larger, int[] equal) {
        Range range = tiles.tile(tile);
        tiles.readElsewhere(range);
        use.run(range.part(), range.from(), range.count(), cuts, larger, equal);
    }
}
