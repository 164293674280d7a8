package dev.fusor.trim;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.FoundKeysCuda.Found;
import dev.fusor.trim.KeyBracket.Look;
import dev.fusor.trim.KeyScansCuda.Asked;
import dev.fusor.trim.KeyScansCuda.Item;
import dev.fusor.trim.KeyScansCuda.Tie;
import dev.fusor.trim.MagnitudeSelection.Part;
import dev.fusor.trim.MagnitudeSelection.Selected;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import dev.fusor.trim.PartTiles.Range;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Selection of k-th magnitudes on a CUDA device, of a tensor or of all tensors of a model, whether they lie in device memory or are
 * brought there range by range. The cuts are those that {@link MagnitudeSelection} defines.
 *
 * <p>A sample brackets each k-th magnitude; one pass over the tensors counts what lies above the bracket and gathers what lies
 * inside, for all that is wanted at a time, and reads a base model that several models share once. Where a bracket has too much to
 * gather (from some billion elements on, divided by the number of cuts) a pass of histograms goes before; where it missed, up to
 * five more passes find the key. Device memory: 64 MiB for keys and their places, or 512 KiB for each cut if that is more, with
 * 16 KiB for each cut and 4 bytes for each 32768 elements and cut; before that, 4 MiB at most for the sample of each model.
 *
 * <p>It waits for the stream; it belongs to the thread that opened the stream.
 */
public final class MagnitudeSelectionCuda {
    /** Up to this many elements every key is gathered. */
    private static final long SMALL = 1 << 16;

    /** Keys that all searches gather at most. */
    private static final long MOST_GATHERED = 1 << 23;

    /** Elements of a launch: bins count fewer than 2^32. */
    private static final long MOST_OF_LAUNCH = 1L << 30;

    private final CudaStream stream;
    private final long mostGathered;
    private final long mostOfLaunch;

    /**
     * For tests, which have fewer elements.
     *
     * @param mostGathered keys that all searches gather at most, if each may gather {@value #SMALL} all the same
     * @param mostOfLaunch elements of a launch, a multiple of {@link KeyScansCuda#TILE}
     */
    MagnitudeSelectionCuda(CudaStream stream, long mostGathered, long mostOfLaunch) {
        this.stream = stream;
        this.mostGathered = mostGathered;
        this.mostOfLaunch = mostOfLaunch;
    }

    /**
     * {@return the primitive on a device}
     *
     * @param stream runs it
     */
    public static MagnitudeSelectionCuda on(CudaStream stream) {
        return new MagnitudeSelectionCuda(stream, MOST_GATHERED, MOST_OF_LAUNCH);
    }

    /** Brings tensors that are elsewhere into device memory, range by range. */
    @FunctionalInterface
    public interface Feed {
        /**
         * Hands every element over once.
         *
         * @param parts the tensors; {@link TensorSource}s out of those of the selection
         * @param receiver takes the ranges, in any order
         */
        void each(List<Part> parts, Receiver receiver);
    }

    /** Takes ranges of tensors. */
    @FunctionalInterface
    public interface Receiver {
        /**
         * Enqueues what reads a range, on the selection's stream.
         *
         * @param part the number of the part
         * @param from the flat index of the range's first element
         * @param base the base model's range in device memory, or null for none
         * @param models each model's range in device memory, of the base's element count and type
         */
        void take(int part, long from, Tensor base, List<Tensor> models);
    }

    /** What the cuts of a tensor are needed for. All of it is enqueued on the selection's stream. */
    public interface Use {
        /** {@return whether it can use likely cuts, and see keys on the way} */
        boolean watches();

        /**
         * Uses likely cuts for all elements, and sees on the way what the keys near them are.
         *
         * @param likely for each that is wanted
         * @param watch where what is seen is written
         */
        void run(List<MagnitudeCut> likely, KeyWatchCuda watch);

        /**
         * Uses cuts for the elements of a range.
         *
         * @param from the flat index of the first
         * @param count how many
         * @param cuts for each that is wanted
         */
        void run(long from, long count, List<MagnitudeCut> cuts);

        /**
         * Uses cuts once more for those of the listed elements that the likely cut of the same model treats otherwise.
         *
         * @param cuts for each that is wanted
         * @return how many elements it used them for
         */
        long mend(List<MagnitudeCut> cuts);
    }

    /**
     * Selects from the models of a tensor as {@link #select(List, List, Ties)} and uses the cuts, both in one pass where a sample says
     * enough of them: by cuts that are likely, and again for what these got wrong. Else everything is used when the cuts are known. Either
     * way the last use of each element is by the cuts that are returned.
     *
     * @param part a tensor in device memory
     * @param kept how many elements are to be kept of each model
     * @param ties what becomes of equals
     * @param use what is done with the cuts, which are one for each model; it changes no tensor of the part
     * @return the cuts, and what was read for them and their use
     * @throws IllegalArgumentException if lengths or types differ, a type is not supported, memory is not the device's, a number to keep
     * is negative, or there are not as many as models
     * @throws dev.fusor.device.cuda.CudaException if the driver fails, for want of memory among others
     */
    public Selected select(Part part, List<Long> kept, Ties ties, Use use) {
        List<Wanted> wanted = IntStream.range(0, kept.size()).mapToObj(m -> new Wanted(m, kept.get(m))).toList();
        check(List.of(part), wanted);
        if (kept.size() != part.models().size()) {
            throw new IllegalArgumentException("a number of elements is kept of each of %d models, got %d numbers"
                    .formatted(part.models().size(), kept.size()));
        }
        requirePlaced(part);
        return new Selection(List.of(part), wanted, null).select(wanted, ties, use);
    }

    /**
     * {@return the cut that keeps the k largest magnitudes of one tensor}
     *
     * @param base the base model in device memory, or null to look at {@code x} itself
     * @param x the model in device memory, of the base's type, one of {@link CudaFormats#ALL}, and as many elements
     * @param k how many to keep; 0 keeps none, the number of elements or more keeps all
     * @param ties what becomes of equals
     * @throws IllegalArgumentException if lengths or types differ, a type is not supported, memory is not the device's or k is
     * negative
     * @throws dev.fusor.device.cuda.CudaException if the driver fails, for want of memory among others
     */
    public MagnitudeCut select(Tensor base, Tensor x, long k, Ties ties) {
        return select(List.of(new Part(base, List.of(x))), List.of(new Wanted(0, k)), ties).cuts().getFirst()
                .getFirst();
    }

    /**
     * {@return for each that is wanted, and for each part, the cut that keeps the k largest magnitudes of all parts of its model}
     * The bytes are those of whole passes, in which a tensor counts once, and of what is looked at beside them.
     *
     * @param parts tensors in device memory, in the order in which ties are kept; each of as many models, and of one of
     * {@link CudaFormats#ALL}
     * @param wanted what is to be kept of which models; a model may be named twice
     * @param ties what becomes of equals
     * @throws IllegalArgumentException if lengths or types differ in a part, a type is not supported, memory is not the device's,
     * parts have different numbers of models, a model is not there or a k is negative
     * @throws dev.fusor.device.cuda.CudaException if the driver fails, for want of memory among others
     */
    public Selected select(List<Part> parts, List<Wanted> wanted, Ties ties) {
        check(parts, wanted);
        parts.forEach(MagnitudeSelectionCuda::requirePlaced);
        return new Selection(parts, wanted, null).select(wanted, ties, null);
    }

    private static void requirePlaced(Part part) {
        tensors(part).forEach(tensor -> {
            if (!(tensor instanceof Tensor there)) {
                throw new IllegalArgumentException(
                        "a selection without a feed takes tensors in device memory, got a source of %s %s"
                                .formatted(tensor.dtype(), tensor.shape()));
            }
            CudaFormats.requirePlaced(there);
        });
    }

    /**
     * {@return the same of tensors that are not in device memory} They are brought there in each pass; some of their elements are
     * looked at where they are.
     *
     * @param parts tensors on the host
     * @param wanted what is to be kept of which models; a model may be named twice
     * @param ties what becomes of equals
     * @param feed brings them
     * @throws IllegalArgumentException if lengths or types differ in a part, a type is not supported, parts have different numbers
     * of models, a model is not there or a k is negative
     * @throws dev.fusor.device.cuda.CudaException if the driver fails, for want of memory among others
     */
    public Selected select(List<Part> parts, List<Wanted> wanted, Ties ties, Feed feed) {
        check(parts, wanted);
        return new Selection(parts, wanted, feed).select(wanted, ties, null);
    }

    /**
     * {@return how many elements are not 0} NaN is not.
     *
     * @param base the base model in device memory, or null to look at {@code x} itself
     * @param x the model in device memory, of the base's type, one of {@link CudaFormats#ALL}, and as many elements
     * @throws IllegalArgumentException if lengths or types differ, a type is not supported, or memory is not the device's
     * @throws dev.fusor.device.cuda.CudaException if the driver fails, for want of memory among others
     */
    public long nonZero(Tensor base, Tensor x) {
        List<Part> parts = List.of(new Part(base, List.of(x)));
        check(parts, List.of());
        requirePlaced(parts.getFirst());
        return new Selection(parts, List.of(), null).nonZero();
    }

    /**
     * {@return whether the kernels take a part: a model or more and a base, if there is one, of one type of
     * {@link CudaFormats#ALL}}
     *
     * @param part tensors of equal length
     */
    public static boolean supports(Part part) {
        DType type = part.models().isEmpty() ? DType.F64 : part.models().getFirst().dtype();
        return CudaFormats.supports(type) && tensors(part).allMatch(tensor -> tensor.dtype() == type);
    }

    static Stream<TensorSource> tensors(Part part) {
        return Stream.concat(Stream.ofNullable(part.base()), part.models().stream());
    }

    private static void check(List<Part> parts, List<Wanted> wanted) {
        MagnitudeSelectionCpu.check(parts, wanted);
        for (Part part : parts) {
            if (!supports(part)) {
                throw new IllegalArgumentException(
                        "a selection on a device takes models and a base of one type of %s, got %s".formatted(
                                CudaFormats.ALL,
                                tensors(part).map(tensor -> tensor.dtype() + " " + tensor.shape()).toList()));
            }
        }
    }

    private final class Selection {
        private final List<Part> parts;
        private final Feed feed;
        private final PartTiles all;
        private final long length;
        private final long capacity;
        /** One for each that is wanted; null where nothing has to be looked for. */
        private final List<KeyBracket> searches = new ArrayList<>();
        /** The number of each part's first tile, and that of tiles. */
        private final long[] firstTiles;
        private final List<List<MagnitudeCut>> cuts = new ArrayList<>();
        private long bytesOfPasses;
        private SpeculationCuda speculation; // null if nobody uses the cuts

        Selection(List<Part> parts, List<Wanted> wanted, Feed feed) {
            this.parts = parts;
            this.feed = feed;
            this.all = new PartTiles(parts);
            this.length = all.length();
            for (Wanted one : wanted) {
                boolean searched = one.k() > 0 && one.k() < length;
                searches.add(searched ? new KeyBracket(one.model(), one.k(), length) : null);
                cuts.add(Collections.nCopies(parts.size(), MagnitudeSelectionCpu.simple(one)));
            }
            long searched = searches.stream().filter(search -> search != null).count();
            this.capacity = Math.min(length, Math.max(SMALL, mostGathered / Math.max(1, searched)));
            this.firstTiles = new long[parts.size() + 1];
            for (int p = 0; p < parts.size(); p++) {
                firstTiles[p + 1] = firstTiles[p] + tiles(elements(p));
            }
        }

        private static long tiles(long elements) {
            return (elements + KeyScansCuda.TILE - 1) / KeyScansCuda.TILE;
        }

        private long elements(int part) {
            return parts.get(part).models().getFirst().elements();
        }

        Selected select(List<Wanted> wanted, Ties ties, Use use) {
            speculation = use == null ? null : new SpeculationCuda(wanted, searches, ties, use, length);
            List<Integer> open = new ArrayList<>(
                    IntStream.range(0, wanted.size()).filter(w -> searches.get(w) != null).boxed().toList());
            if (!open.isEmpty()) {
                if (length > SMALL) {
                    sample();
                }
                try (KeyScansCuda scans = new KeyScansCuda(stream, open.size(), firstTiles[parts.size()],
                        capacity)) {
                    while (!open.isEmpty()) {
                        open.removeAll(pass(scans, open, ties));
                    }
                    settle();
                }
            } else {
                settle();
            }
            int passes = searches.stream().filter(search -> search != null).mapToInt(KeyBracket::passes).max()
                    .orElse(0);
            return new Selected(cuts, all.bytesRead() + bytesOfPasses, passes);
        }

        private void settle() {
            if (speculation != null) {
                long used = speculation.settle(cuts.stream().map(List::getFirst).toList());
                tensors(parts.getFirst()).forEach(tensor -> bytesOfPasses += tensor.bytesOf(used));
            }
        }

        long nonZero() {
            try (KeyScansCuda scans = new KeyScansCuda(stream, 1, firstTiles[parts.size()], 0)) {
                scans.begin(List.of(new Asked(0, 1, new Look(0, 0, true))), List.of());
                lookAtAll(scans, new int[]{0});
                return scans.found(Ties.ALL_TIES).getFirst().above();
            }
        }

        /** Takes a sample of each model that is searched, where its tensors are. */
        private void sample() {
            List<KeyBracket> sampled = searches.stream().filter(search -> search != null).toList();
            int[] models = models(sampled.stream());
            int runs = MagnitudeSample.runs(length, capacity);
            if (feed == null) {
                sampleThere(sampled, models, runs);
            } else {
                sampleHere(sampled, models, runs);
            }
        }

        private void sampleThere(List<KeyBracket> sampled, int[] models, int runs) {
            try (MagnitudeSampleCuda samples = new MagnitudeSampleCuda(stream, looked(models), runs)) {
                List<KeyEstimate> estimates = samples.estimates(sampled.stream()
                        .map(search -> new MagnitudeSampleCuda.Asked(Arrays.binarySearch(models, search.model()),
                                (double) search.k() / length))
                        .toList());
                for (int i = 0; i < sampled.size(); i++) {
                    sampled.get(i).expect(estimates.get(i), capacity);
                }
                bytesOfPasses += samples.bytesRead();
            }
        }

        private void sampleHere(List<KeyBracket> sampled, int[] models, int runs) {
            int[][][] keys = new int[models.length][runs][];
            int[] room = new int[MagnitudeSample.RUN + Specialised.MOST_LANES];
            for (int run = 0; run < runs; run++) {
                Range range = all.run(MagnitudeSample.start(run, length / runs), MagnitudeSample.RUN);
                Tensor base = all.base(range);
                for (int m = 0; m < models.length; m++) {
                    KeyScan.scan(base, all.model(range, models[m]), 0, Keys.LARGEST, room);
                    keys[m][run] = Arrays.copyOf(room, range.count());
                }
            }
            for (KeyBracket search : sampled) {
                int[][] ofModel = keys[Arrays.binarySearch(models, search.model())];
                search.expect(new MagnitudeSample(ofModel, search.k(), length).estimate(), capacity);
            }
        }

        private static int[] models(Stream<KeyBracket> searched) {
            return searched.mapToInt(KeyBracket::model).distinct().sorted().toArray();
        }

        /** One look at all that models are searched for. {@return the searches that have ended} */
        private List<Integer> pass(KeyScansCuda scans, List<Integer> open, Ties ties) {
            int[] models = models(open.stream().map(searches::get));
            List<Integer> gathering = new ArrayList<>();
            List<Integer> counting = new ArrayList<>();
            List<Asked> asked = new ArrayList<>();
            List<Asked> counted = new ArrayList<>();
            for (int w : open) {
                KeyBracket search = searches.get(w);
                Look look = search.begin(capacity);
                (look.gathers() ? gathering : counting).add(w);
                (look.gathers() ? asked : counted)
                        .add(new Asked(Arrays.binarySearch(models, search.model()), search.k(), look));
            }
            scans.begin(asked, counted);
            if (speculation != null && speculation.run(scans, places(gathering))) {
                tensors(parts.getFirst()).forEach(tensor -> bytesOfPasses += tensor.bytesOf(length));
            } else {
                lookAtAll(scans, models);
            }
            List<Ended> ended = ended(gathering, counting, scans.found(ties));
            if (ended.isEmpty()) {
                return List.of();
            }
            if (ties == Ties.EXACT_K) {
                cutAtLastTies(ended);
            } else {
                ended.forEach(one -> cuts.set(one.wanted, Collections.nCopies(parts.size(),
                        new MagnitudeCut(one.found.key(), Long.MAX_VALUE))));
            }
            return ended.stream().map(Ended::wanted).toList();
        }

        /** What was found for one of those that are wanted. */
        private record Ended(int wanted, Found found) {}

        /** Tells the searches what was found. {@return those that have ended} */
        private List<Ended> ended(List<Integer> gathering, List<Integer> counting, List<Found> found) {
            for (int i = 0; i < counting.size(); i++) {
                KeyBracket search = searches.get(counting.get(i));
                Found one = found.get(gathering.size() + i);
                if (search.end(one.above(), one.inside())) {
                    search.choose(one.bins());
                }
            }
            List<Ended> ended = new ArrayList<>();
            for (int i = 0; i < gathering.size(); i++) {
                KeyBracket search = searches.get(gathering.get(i));
                Found one = found.get(i);
                if (search.end(one.above(), one.inside()) && (search.isOneKey() || one.inside() <= capacity)) {
                    ended.add(new Ended(gathering.get(i), one));
                }
            }
            return ended;
        }

        /** Which of the searches that gather is that of each that is wanted. */
        private int[] places(List<Integer> gathering) {
            return IntStream.range(0, searches.size()).map(gathering::indexOf).toArray();
        }

        /** What is read for some models. */
        private List<Part> looked(int[] models) {
            return parts.stream().map(
                    part -> new Part(part.base(), Arrays.stream(models).mapToObj(part.models()::get).toList()))
                    .toList();
        }

        /** Hands every range to the kernels. */
        private void lookAtAll(KeyScansCuda scans, int[] models) {
            List<Part> looked = looked(models);
            looked.stream().flatMap(MagnitudeSelectionCuda::tensors)
                    .forEach(tensor -> bytesOfPasses += tensor.bytesOf(tensor.elements()));
            if (feed == null) {
                Launches launches = new Launches(scans);
                for (int part = 0; part < parts.size(); part++) {
                    Tensor base = (Tensor) looked.get(part).base();
                    launches.add(part, 0, base,
                            looked.get(part).models().stream().map(model -> (Tensor) model).toList());
                }
                launches.end();
            } else {
                feed.each(looked, (part, from, base, ranges) -> {
                    Launches launches = new Launches(scans);
                    launches.add(part, from, base, ranges);
                    launches.end();
                });
            }
        }

        /** Ranges that go into one launch until they are too many, or of another type. */
        private final class Launches {
            private final KeyScansCuda scans;
            private final List<Item> items = new ArrayList<>();
            private long elements;

            Launches(KeyScansCuda scans) {
                this.scans = scans;
            }

            void add(int part, long first, Tensor base, List<Tensor> models) {
                long count = models.getFirst().elements();
                if (!items.isEmpty() && items.getFirst().models().getFirst().dtype() != models.getFirst().dtype()) {
                    end();
                }
                for (long from = 0; from < count;) {
                    // To the end of a tile, or of several.
                    long toTile = KeyScansCuda.TILE - (first + from) % KeyScansCuda.TILE;
                    long room = mostOfLaunch - elements;
                    long n = Math.min(count - from, toTile < KeyScansCuda.TILE ? toTile : room);
                    long at = from;
                    items.add(new Item(firstTiles[part] + (first + from) / KeyScansCuda.TILE,
                            base == null ? null : base.slice(at, n),
                            models.stream().map(model -> model.slice(at, n)).toList()));
                    from += n;
                    elements += (n + KeyScansCuda.TILE - 1) / KeyScansCuda.TILE * KeyScansCuda.TILE;
                    if (elements >= mostOfLaunch) {
                        end();
                    }
                }
            }

            void end() {
                if (!items.isEmpty()) {
                    scans.look(items);
                    items.clear();
                    elements = 0;
                }
            }
        }

        /** Where the last ties are that are kept, by the tiles that have them. */
        private void cutAtLastTies(List<Ended> ended) {
            List<Range> ranges = ended.stream().map(one -> tile(one.found.tile())).toList();
            List<Tie> ties = new ArrayList<>();
            for (int i = 0; i < ended.size(); i++) {
                Found found = ended.get(i).found;
                Tensor x = all.model(ranges.get(i), searches.get(ended.get(i).wanted).model());
                ties.add(new Tie(all.base(ranges.get(i)), x, found.key(), found.tieOfTile()));
            }
            long[] places = feed == null
                    ? KeyScansCuda.places(stream, ties)
                    : ties.stream().mapToLong(
                            tie -> MagnitudeSelectionCpu.placeOfTie(tie.base(), tie.x(), tie.key(), tie.number()))
                            .toArray();
            for (int i = 0; i < ended.size(); i++) {
                Range range = ranges.get(i);
                cuts.set(ended.get(i).wanted, MagnitudeSelectionCpu.cutsUpTo(ties.get(i).key(), range.part(),
                        range.from() + places[i], parts.size()));
            }
        }

        private Range tile(int number) {
            int part = 0;
            while (firstTiles[part + 1] <= number) {
                part++;
            }
            long from = (number - firstTiles[part]) * KeyScansCuda.TILE;
            return new Range(part, from, (int) Math.min(KeyScansCuda.TILE, elements(part) - from));
        }
    }
}
