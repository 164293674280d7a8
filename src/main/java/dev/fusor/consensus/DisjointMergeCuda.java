package dev.fusor.consensus;

import dev.fusor.consensus.DisjointMerge.Aggregation;
import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.consensus.DisjointMerge.Voter;
import dev.fusor.consensus.DisjointMerge.Zero;
import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.device.cuda.CudaTiles;
import dev.fusor.drop.DropFactors;
import dev.fusor.drop.MaskedDrop;
import dev.fusor.drop.RandomDrop;
import dev.fusor.drop.ScaledDrop;
import dev.fusor.drop.StoredDrop;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.trim.MagnitudeBand;
import dev.fusor.trim.MagnitudeCut;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.Stream;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/**
 * The disjoint merge on a CUDA device: many tensors in one launch, each input read once, the masks of random drops computed
 * where they are needed. The bits are those that {@link DisjointMerge} defines.
 *
 * <p>What is prepared once is run as often as wanted; a run is one launch, which allocates nothing, copies nothing and waits for
 * nothing. All inputs of a launch are of one type, all outputs of one, each one of {@link CudaFormats#ALL}. Up to
 * {@value #SLOTS} models are read once, 16 bytes at a time where the addresses of an item differ by multiples of 16 bytes
 * and its first element's number is a multiple of 4; more models are read twice, element by element. Drops are
 * {@link RandomDrop}, which is computed, or {@link MaskedDrop} or {@link StoredDrop} in device memory, scaled or not.
 *
 * <p>It belongs to the thread that prepared it.
 */
public final class DisjointMergeCuda implements AutoCloseable {
    static final int THREADS = 256;

    /** Models that are read once. */
    static final int SLOTS = 8;

    private static final int VOTER_BYTES = 56;
    private static final int ITEM_BYTES = 16;
    private static final int DIVISOR_BYTES = 16;

    /** What says which elements are drawn, in the order of disjoint_merge.cuh. */
    private enum Draw {
        ALL, WORDS, BITS, FACTORS
    }

    private final CudaStream stream;
    private final CudaMemory tables;
    private final CudaLaunch launch;
    private final Operands operands;

    /** What every kernel that merges the items takes: the tables of all that is read, and how votes become results. */
    record Operands(MemorySegment addresses, MemorySegment voters, MemorySegment items, MemorySegment divisors,
            int models, Rule rule, DType out) {
        /** Sets as many parameters of a launch from one on. */
        CudaLaunch on(CudaLaunch launch, int at) {
            return launch.set(at, addresses).set(at + 1, voters).set(at + 2, items).set(at + 3, divisors)
                    .set(at + 4, models).set(at + 5, rule.election().ordinal())
                    .set(at + 6, rule.aggregation() == Aggregation.LARGEST ? 1 : 0)
                    .set(at + 7, rule.zero() == Zero.PLUS ? 1 : 0).set(at + 8, rule.normalize() ? 1 : 0)
                    .set(at + 9, CudaFormats.number(out));
        }
    }

    /**
     * A range of a tensor that is merged.
     *
     * @param base the base model's range
     * @param voters at least one; ranges of the base's element count
     * @param first the flat index of the range's first element in the whole tensor
     * @param out receives the range; may be one of the inputs
     */
    public record Item(Tensor base, List<Voter> voters, long first, Tensor out) {
        /** Keeps a copy of the list. */
        public Item {
            voters = List.copyOf(voters);
        }

        private List<Tensor> models() {
            return voters.stream().map(Voter::x).toList();
        }
    }

    /**
     * {@return whether the kernels take a drop}
     *
     * @param drop a voter's, or null for none
     */
    public static boolean supports(DropFactors drop) {
        return switch (drop) {
            case null -> true;
            case RandomDrop _ -> true;
            case MaskedDrop masked -> CudaMemory.isDevice(masked.kept());
            case StoredDrop stored -> CudaMemory.isDevice(stored.factors().data());
            case ScaledDrop scaled -> supports(scaled.drop());
            default -> false;
        };
    }

    /**
     * Prepares a launch, and enqueues the copy of its tables.
     *
     * @param stream where it will run
     * @param rule how votes become results
     * @param items at least one, all with as many voters
     * @return the launch
     * @throws IllegalArgumentException if counts, lengths or types differ, a type or a drop is not supported, or memory is not
     * the device's
     */
    public static DisjointMergeCuda prepare(CudaStream stream, Rule rule, List<Item> items) {
        check(items);
        return new DisjointMergeCuda(stream, rule, items);
    }

    static void check(List<Item> items) {
        if (items.isEmpty() || items.getFirst().voters().isEmpty()) {
            throw new IllegalArgumentException(
                    "a launch of disjoint merges takes at least 1 item and 1 model, got %s".formatted(items));
        }
        items.forEach(item -> check(item, items.getFirst()));
    }

    private static void check(Item item, Item first) {
        if (item.voters().size() != first.voters().size() || item.first() < 0) {
            throw new IllegalArgumentException(
                    "the items of a launch have as many models each, and begin with element 0 or a later one; got %d from element %d after %d"
                            .formatted(item.voters().size(), item.first(), first.voters().size()));
        }
        Stream.concat(item.models().stream(), Stream.of(item.base()))
                .forEach(tensor -> check(tensor, first.base().dtype(), item));
        check(item.out(), first.out().dtype(), item);
        item.voters().forEach(voter -> check(voter.drop(), item));
    }

    private static void check(DropFactors drop, Item item) {
        if (!supports(drop)) {
            throw new IllegalArgumentException(
                    "on a device drops are random ones, or bits or factors in its memory, scaled or not, got %s: merge on the CPU"
                            .formatted(drop));
        }
        switch (unscaled(drop)) {
            case MaskedDrop(long first, MemorySegment kept) -> checkRange(first, kept.byteSize() * Byte.SIZE, item);
            case StoredDrop(long first, Tensor factors) -> {
                CudaFormats.requirePlaced(factors);
                checkRange(first, factors.elements(), item);
            }
            case null, default -> {
            }
        }
    }

    private static void checkRange(long first, long count, Item item) {
        long elements = item.out().elements();
        if (first > item.first() || item.first() - first + elements > count) {
            throw new IllegalArgumentException(
                    "the bits or factors of a drop are for all elements that are merged, got %d from element %d for %d from element %d"
                            .formatted(count, first, elements, item.first()));
        }
    }

    private static void check(Tensor tensor, DType wanted, Item item) {
        CudaFormats.require("a disjoint merge", tensor, wanted, item.out().elements());
    }

    private DisjointMergeCuda(CudaStream stream, Rule rule, List<Item> items) {
        this.stream = stream;
        int models = items.getFirst().voters().size();
        boolean elects = rule.election() != Election.NONE;
        int divisors = elects && models <= SLOTS ? 1 << models : 1;
        CudaKernel kernel = CudaFormats.kernel(stream, "consensus", "disjoint_merge", items.getFirst().base().dtype(),
                "disjoint_merge_" + (models <= 4 ? 4 : SLOTS));
        CudaTiles tiles = new CudaTiles(
                items.stream().map(item -> new CudaTiles.Item(item.models(), item.base(), List.of(item.out())))
                        .toList());
        long votersAt = tiles.bytes();
        long itemsAt = votersAt + (long) items.size() * models * VOTER_BYTES;
        long divisorsAt = (itemsAt + (long) items.size() * ITEM_BYTES + 15) / 16 * 16;
        this.tables = CudaMemory.allocate(stream, divisorsAt + (long) items.size() * divisors * DIVISOR_BYTES);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(tables.segment().byteSize(), Long.BYTES);
            tiles.write(host);
            for (int i = 0; i < items.size(); i++) {
                Item item = items.get(i);
                for (int m = 0; m < models; m++) {
                    write(item.voters().get(m),
                            host.asSlice(votersAt + ((long) i * models + m) * VOTER_BYTES, VOTER_BYTES));
                }
                host.set(JAVA_LONG, itemsAt + (long) i * ITEM_BYTES, item.first());
                host.set(JAVA_FLOAT, itemsAt + (long) i * ITEM_BYTES + 8, (float) rule.lambda());
                for (int set = 0; set < divisors; set++) {
                    float divisor = elects ? weights(item, set) : allWeights(item);
                    long at = divisorsAt + ((long) i * divisors + set) * DIVISOR_BYTES;
                    host.set(JAVA_DOUBLE, at, 1.0 / divisor);
                    host.set(JAVA_FLOAT, at + 8, divisor);
                }
            }
            stream.upload(host, tables.segment());
            this.launch = kernel.prepare(8, 8, 4, 8, 8, 8, 8, 4, 4, 4, 4, 4, 4);
        } catch (RuntimeException e) {
            tables.close();
            throw e;
        }
        this.operands = new Operands(tables.segment().asSlice(tiles.addressesAt()), tables.segment().asSlice(votersAt),
                tables.segment().asSlice(itemsAt), tables.segment().asSlice(divisorsAt), models, rule,
                items.getFirst().out().dtype());
        launch.grid((int) Math.min(tiles.count(), kernel.residentBlocks(THREADS, 0))).block(THREADS, 0)
                .set(0, tables.segment()).set(1, tiles.count()).set(2, divisors);
        operands.on(launch, 3);
    }

    /** What other kernels need that merge the same; it is there until this is closed. */
    Operands operands() {
        return operands;
    }

    private static void write(Voter voter, MemorySegment row) {
        MagnitudeBand band = voter.band();
        DropFactors drop = unscaled(voter.drop());
        long kept = drop instanceof RandomDrop random ? RandomDrop.threshold(random.density()) : 1L << 32;
        // A threshold of 0 lets no word pass, which a largest word cannot say.
        MagnitudeCut atLeast = kept == 0 ? MagnitudeCut.NONE : band.atLeast();
        row.set(JAVA_LONG, 0, atLeast.lastTie());
        row.set(JAVA_LONG, 8, band.tooLarge().lastTie());
        row.set(JAVA_INT, 16, atLeast.key());
        row.set(JAVA_INT, 20, band.tooLarge().key());
        row.set(JAVA_FLOAT, 24, (float) voter.weight());
        row.set(JAVA_FLOAT, 28, factor(voter.drop()));
        Draw draw = Draw.ALL;
        if (drop instanceof RandomDrop random && kept > 0 && kept < 1L << 32) {
            draw = Draw.WORDS;
            row.set(JAVA_LONG, 32, random.key());
            row.set(JAVA_INT, 40, random.model());
            row.set(JAVA_INT, 44, (int) (kept - 1));
        } else if (drop instanceof MaskedDrop masked) {
            draw = Draw.BITS;
            row.set(JAVA_LONG, 32, Byte.SIZE * masked.kept().address() - masked.first());
        } else if (drop instanceof StoredDrop stored) {
            draw = Draw.FACTORS;
            row.set(JAVA_LONG, 32, stored.factors().data().address() - Float.BYTES * stored.first());
        }
        row.set(JAVA_INT, 48, draw.ordinal());
    }

    private static DropFactors unscaled(DropFactors drop) {
        return drop instanceof ScaledDrop scaled ? unscaled(scaled.drop()) : drop;
    }

    /** The factor of what is not dropped. */
    private static float factor(DropFactors drop) {
        return switch (drop) {
            case ScaledDrop scaled -> scaled.scale() * factor(scaled.drop());
            case RandomDrop random -> random.rescale() ? (float) (1 / random.density()) : 1;
            case null, default -> 1;
        };
    }

    private static float allWeights(Item item) {
        double sum = 0;
        for (Voter voter : item.voters()) {
            sum += (float) voter.weight();
        }
        return (float) sum;
    }

    /** The weights of a set of voters, in their order. */
    private static float weights(Item item, int set) {
        float sum = 0;
        for (int m = 0; m < item.voters().size(); m++) {
            sum += (set >> m & 1) == 1 ? (float) item.voters().get(m).weight() : 0;
        }
        return sum;
    }

    /**
     * Enqueues the launch.
     *
     * @throws dev.fusor.device.cuda.CudaException if the driver refuses it
     */
    public void run() {
        launch.on(stream);
    }

    /** Frees the tables, in order with what was enqueued. */
    @Override
    public void close() {
        launch.close();
        tables.close();
    }
}
