package dev.fusor.trim;

import dev.fusor.device.CpuDevice;
import dev.fusor.simd.Scratch;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.KeySearch.Found;
import dev.fusor.trim.PartTiles.Range;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.IntStream;

/** Makes the passes that searches for keys plan, all searches in the same passes, and then finds the last ties. */
final class MagnitudeSelectionCpu implements MagnitudeSelection {
    /** Up to this many elements every key is gathered: a sample would not pay. */
    private static final long SMALL = PartTiles.LARGEST;

    /** Keys that all searches gather at most, 16 MiB: beyond it one more pass is the better way. */
    private static final int MOST_GATHERED = 1 << 22;

    private final CpuDevice device;

    MagnitudeSelectionCpu(CpuDevice device) {
        this.device = device;
    }

    @Override
    public Selected select(List<Part> parts, List<Wanted> wanted, Ties ties, Use use) {
        check(parts, wanted);
        PartTiles tiles = new PartTiles(parts);
        long length = tiles.length();
        long found = wanted.stream().filter(one -> one.k() > 0 && one.k() < length).count();
        long share = Math.max(SMALL, MOST_GATHERED / Math.max(1, found));
        List<KeySearch> searches = new ArrayList<>();
        for (Wanted one : wanted) {
            boolean searched = one.k() > 0 && one.k() < length;
            searches.add(searched ? new KeySearch(one.model(), one.k(), length, tiles.count(), share) : null);
        }
        Search search = new Search(tiles, searches.stream().filter(one -> one != null)
                .sorted(Comparator.comparingInt(KeySearch::model)).toList());
        if (tiles.length() > SMALL && !search.searches.isEmpty()) {
            search.sample(share);
        }
        Speculation speculation = use == null ? null : new Speculation(device, tiles, wanted, searches, ties, use);
        search.run(speculation);
        List<List<MagnitudeCut>> cuts = new ArrayList<>();
        for (int w = 0; w < wanted.size(); w++) {
            cuts.add(searches.get(w) == null
                    ? Collections.nCopies(parts.size(), simple(wanted.get(w)))
                    : search.cuts(searches.get(w), parts.size(), ties));
        }
        if (speculation != null) {
            speculation.settle(cuts);
        }
        return new Selected(cuts, tiles.bytesRead(), search.passes());
    }

    /** The cut that keeps nothing or all. */
    static MagnitudeCut simple(Wanted one) {
        return one.k() == 0 ? MagnitudeCut.NONE : MagnitudeCut.ALL;
    }

    static void check(List<Part> parts, List<Wanted> wanted) {
        if (parts.isEmpty()) {
            throw new IllegalArgumentException("a selection takes at least 1 part, got none");
        }
        int models = parts.getFirst().models().size();
        for (Part part : parts) {
            if (part.models().size() != models) {
                throw new IllegalArgumentException("every part has a tensor of each model, got %d and %d models"
                        .formatted(models, part.models().size()));
            }
            part.models().forEach(x -> check(part.base(), x));
        }
        for (Wanted one : wanted) {
            if (one.model() < 0 || one.model() >= models) {
                throw new IllegalArgumentException(
                        "models are numbered from 0 to %d, got %d".formatted(models - 1, one.model()));
            }
            if (one.k() < 0) {
                throw new IllegalArgumentException("the number of elements to keep is 0 or more, got " + one.k());
            }
        }
    }

    private static void check(TensorSource base, TensorSource x) {
        if (base != null && base.elements() != x.elements() || !x.dtype().isArithmetic()
                || base != null && !base.dtype().isArithmetic()) {
            throw new IllegalArgumentException(
                    "a selection takes a model and a base of arithmetic types and equal length, got %s %s and %s"
                            .formatted(x.dtype(), x.shape(),
                                    base == null ? "none" : base.dtype() + " " + base.shape()));
        }
    }

    @Override
    public long nonZero(TensorSource base, TensorSource x) {
        check(base, x);
        PartTiles tiles = new PartTiles(List.of(new Part(base, List.of(x))));
        LongAdder found = new LongAdder();
        device.run(tiles.count(), number -> {
            Range tile = tiles.tile((int) number);
            found.add(KeyScan.inside(KeyScan.scan(tiles.base(tile), tiles.model(tile, 0), 1, Keys.LARGEST, null)));
        });
        return found.sum();
    }

    /** The cuts of all parts at a key whose last tie that is kept is an element of one of them. */
    static List<MagnitudeCut> cutsUpTo(int key, int lastPart, long lastTie, int parts) {
        return IntStream.range(0, parts).mapToObj(part -> new MagnitudeCut(key,
                part < lastPart ? Long.MAX_VALUE : part == lastPart ? lastTie : -1)).toList();
    }

    /** The index of the so-manyth element of a key, which has to be there. */
    static int placeOfTie(Tensor base, Tensor x, int key, long number) {
        long wanted = number;
        float[] delta = Scratch.mine().floats(0);
        for (int from = 0;; from += Scratch.ELEMENTS) {
            int n = (int) Math.min(Scratch.ELEMENTS, x.elements() - from);
            TaskVector.load(base, x, from, delta, n);
            for (int i = 0; i < n; i++) {
                if (MagnitudeCut.keyOf(delta[i]) == key && --wanted == 0) {
                    return from + i;
                }
            }
        }
    }

    private final class Search {
        private final PartTiles tiles;
        /** In the order of their models. */
        private final List<KeySearch> searches;

        Search(PartTiles tiles, List<KeySearch> searches) {
            this.tiles = tiles;
            this.searches = searches;
        }

        /** Finds all, by passes that use everything, if there is a speculation that can. */
        void run(Speculation speculation) {
            for (List<KeySearch> open = open(); !open.isEmpty(); open = open()) {
                if (speculation == null || !speculation.pass()) {
                    pass(open);
                }
            }
        }

        private List<KeySearch> open() {
            return searches.stream().filter(search -> search.found() == null).toList();
        }

        int passes() {
            return searches.stream().mapToInt(KeySearch::passes).max().orElse(0);
        }

        private void pass(List<KeySearch> open) {
            open.forEach(KeySearch::begin);
            device.run(tiles.count(), number -> {
                Range tile = tiles.tile((int) number);
                Tensor base = tiles.base(tile);
                Tensor x = null;
                int model = -1;
                for (KeySearch search : open) {
                    if (search.model() != model) {
                        model = search.model();
                        x = tiles.model(tile, model);
                    }
                    search.look((int) number, base, x);
                }
            });
            open.forEach(search -> search.end(device));
        }

        /** Runs of neighbours, one in each of as many stretches. */
        private void sample(long share) {
            long length = tiles.length();
            int count = MagnitudeSample.runs(length, share);
            long stretch = length / count;
            int[] models = searches.stream().mapToInt(KeySearch::model).distinct().toArray();
            int[][][] keys = new int[models.length][count][];
            device.run(count, run -> {
                Range range = tiles.run(MagnitudeSample.start(run, stretch), MagnitudeSample.RUN);
                int[] room = new int[MagnitudeSample.RUN + Specialised.MOST_LANES];
                Tensor base = tiles.base(range);
                for (int m = 0; m < models.length; m++) {
                    KeyScan.scan(base, tiles.model(range, models[m]), 0, Keys.LARGEST, room);
                    keys[m][(int) run] = Arrays.copyOf(room, range.count());
                }
            });
            device.run(searches.size(), number -> {
                KeySearch search = searches.get((int) number);
                search.expect(keys[Arrays.binarySearch(models, search.model())]);
            });
        }

        List<MagnitudeCut> cuts(KeySearch search, int parts, Ties ties) {
            Found found = search.found();
            if (ties == Ties.ALL_TIES) {
                return Collections.nCopies(parts, new MagnitudeCut(found.key(), Long.MAX_VALUE));
            }
            Range last = lastTie(search.model(), found);
            return cutsUpTo(found.key(), last.part(), last.from(), parts);
        }

        private Range lastTie(int model, Found found) {
            int[] equal = found.equal() == null ? recount(model, found) : found.equal();
            long wanted = found.ties();
            int tile = 0;
            while (wanted > equal[tile]) {
                wanted -= equal[tile++];
            }
            Range range = tiles.tile(found.firstTile() + tile);
            int place = found.all() != null
                    ? place(found.all()[tile], found.key(), wanted)
                    : placeOfTie(tiles.base(range), tiles.model(range, model), found.key(), wanted);
            return new Range(range.part(), range.from() + place, 1);
        }

        private static int place(int[] keys, int key, long number) {
            int place = -1;
            for (long wanted = number; wanted > 0; wanted -= keys[place] == key ? 1 : 0) {
                place++;
            }
            return place;
        }

        /** The equals of each tile of a stripe. */
        private int[] recount(int model, Found found) {
            int[] equal = new int[found.endTile() - found.firstTile()];
            device.run(equal.length, number -> {
                Range tile = tiles.tile(found.firstTile() + (int) number);
                equal[(int) number] = KeyScan.inside(
                        KeyScan.scan(tiles.base(tile), tiles.model(tile, model), found.key(), found.key(), null));
            });
            return equal;
        }
    }
}
