package dev.fusor.consensus;

import dev.fusor.consensus.DisjointMerge.Aggregation;
import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.consensus.DisjointMerge.Voter;
import dev.fusor.consensus.DisjointMerge.Zero;
import dev.fusor.consensus.DisjointMergeCuda.Item;
import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.drop.DropFactors;
import dev.fusor.drop.MaskedDrop;
import dev.fusor.drop.RandomDrop;
import dev.fusor.drop.RankedDrop;
import dev.fusor.drop.ScaledDrop;
import dev.fusor.drop.StoredDrop;
import dev.fusor.simulator.RequiresCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.CudaTensors;
import dev.fusor.testing.Tensors;
import dev.fusor.trim.MagnitudeBand;
import dev.fusor.trim.MagnitudeCut;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/** The kernels against the definition, bit for bit. */
@RequiresCuda
class DisjointMergeCudaTest extends CudaTensors {
    private static final Rule SUM = new Rule(Election.NONE, 1, false);

    /** A cut at the key of some element, which ties as far as a third of the range. */
    private static MagnitudeCut cut(Tensor base, Tensor x, int element, long first) {
        float delta = (float) Elements.get(x, element) - (float) Elements.get(base, element);
        return new MagnitudeCut(MagnitudeCut.keyOf(delta), first + x.elements() / 3);
    }

    /** Every kind of band and drop, in turn, the drops from one on. */
    private static Voter voter(Tensor base, Tensor x, int m, int kind, long first) {
        boolean some = x.elements() > 2;
        MagnitudeBand band = switch (some ? m % 4 : 0) {
            case 1 -> new MagnitudeBand(cut(base, x, 1, first), MagnitudeCut.NONE);
            case 2 -> new MagnitudeBand(MagnitudeCut.ALL, cut(base, x, 2, first));
            case 3 -> new MagnitudeBand(cut(base, x, 0, first), cut(base, x, 1, first));
            default -> MagnitudeBand.ALL;
        };
        DropFactors drop = switch ((kind + m) % 8) {
            case 1 -> new RandomDrop(Tensors.SEED, m, 0.6, true);
            case 2 -> new ScaledDrop(null, 1.25f);
            case 3 -> new ScaledDrop(new RandomDrop(Tensors.SEED, m, 0.3, false), 0.75f);
            case 4 -> new RandomDrop(Tensors.SEED, m, m % 2, true);
            case 5 -> mask(first, x.elements());
            case 6 -> new ScaledDrop(mask(first - Math.min(first, 3), x.elements() + 3), 0.75f);
            case 7 -> new ScaledDrop(factors(first - Math.min(first, 2), x.elements() + 2), 0.75f);
            default -> null;
        };
        return new Voter(x, m % 3 == 2 ? -0.4 : m == 5 ? 0 : 0.3 + 0.2 * m, band, drop);
    }

    private static MaskedDrop mask(long first, long elements) {
        byte[] bits = new byte[(int) (elements + 7) / 8];
        new Random(Tensors.SEED + first).nextBytes(bits);
        return new MaskedDrop(first, Arena.ofAuto().allocate(bits.length).copyFrom(MemorySegment.ofArray(bits)));
    }

    /** A third of them say that an element is dropped. */
    private static StoredDrop factors(long first, long elements) {
        Tensor factors = Tensors.random(DType.F32, elements, first, null, 2);
        for (long i = 0; i < elements; i += 3) {
            Elements.set(factors, i, Double.NaN);
        }
        return new StoredDrop(first, factors);
    }

    private Voter on(Voter voter, Tensor there) {
        return new Voter(there, voter.weight(), voter.band(), on(voter.drop()));
    }

    /** The bits of a mask from an odd address on, and factors from an address where no vector begins. */
    private DropFactors on(DropFactors drop) {
        return switch (drop) {
            case ScaledDrop scaled -> new ScaledDrop(on(scaled.drop()), scaled.scale());
            case MaskedDrop mask -> {
                Tensor bits = there(DType.U8, mask.kept().byteSize(), 1);
                stream.upload(mask.kept(), bits.data());
                yield new MaskedDrop(mask.first(), bits.data());
            }
            case StoredDrop stored -> new StoredDrop(stored.first(), there(stored.factors(), 1));
            case null, default -> drop;
        };
    }

    private void check(DType input, DType output, int models, Rule rule, int length, long first, boolean anyBits,
            int... shifts) {
        Tensor base = anyBits ? Tensors.anyBits(input, length, 1) : Tensors.random(input, length, 1, null, 0.5);
        Tensor baseThere = there(base, shifts[0]);
        List<Voter> voters = new ArrayList<>();
        List<Voter> votersThere = new ArrayList<>();
        for (int m = 0; m < models; m++) {
            Tensor x = anyBits
                    ? Tensors.anyBits(input, length, 2 + m)
                    : Tensors.random(input, length, 2 + m, base, 0.1);
            voters.add(voter(base, x, m, models, first));
            votersThere.add(on(voters.get(m), there(x, shifts[m % shifts.length])));
        }
        Tensor out = there(output, length, shifts[shifts.length - 1]);
        try (DisjointMergeCuda merge = DisjointMergeCuda.prepare(stream, rule,
                List.of(new Item(baseThere, votersThere, first, out)))) {
            merge.run();
        }
        assertThat(Tensors.bytes(back(out)))
                .as("%d of %s to %s, %s, %d elements from %d, any bits %s, shifts %s, seed %d", models, input, output,
                        rule, length, first, anyBits, Arrays.toString(shifts), Tensors.SEED)
                .isEqualTo(Tensors.bytes(define(base, voters, first, rule, output)));
    }

    private static Tensor define(Tensor base, List<Voter> voters, long first, Rule rule, DType output) {
        Tensor wanted = Tensors.zeros(output, base.elements());
        for (int i = 0; i < base.elements(); i++) {
            Elements.set(wanted, i, DisjointMergeTest.define(base, voters, i, first, rule));
        }
        return wanted;
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
    void agreesWithTheDefinitionForEveryTypeElectionAndNumberOfModels(DType input) {
        for (Election election : Election.values()) {
            for (int models : new int[]{1, 2, 3, 4, 5, 6, 7, 8, 9, 17}) {
                check(input, input, models, new Rule(election, 0.9, models % 2 == 0), 300, 0, false, 0);
                check(input, input, models, new Rule(election, -1.1, true), 300, 0, true, 0);
            }
        }
    }

    @Test
    void theLargestVoteMayStandForAllAndZerosMayElectMinus() {
        for (Election election : List.of(Election.WEIGHTED, Election.UNWEIGHTED, Election.COUNT)) {
            for (Aggregation aggregation : Aggregation.values()) {
                for (int models : new int[]{1, 2, 4, 7, 11}) {
                    Rule rule = new Rule(election, aggregation, Zero.MINUS, 0.9, models % 2 == 0);
                    check(DType.BF16, DType.BF16, models, rule, 300, 0, false, 0);
                    check(DType.F8_E5M2, DType.F32, models, rule, 300, 0, true, 0);
                }
            }
        }
    }

    @Test
    void theOutputMayBeOfAnyType() {
        for (DType input : CudaFormats.ALL) {
            for (DType output : CudaFormats.ALL) {
                check(input, output, 3, new Rule(Election.WEIGHTED, 0.7, true), 500, 0, false, 0);
                check(input, output, 8, new Rule(Election.WEIGHTED, 0.7, true), 500, 0, true, 0);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 7, 8, 9, 15, 16, 17, 255, 256, 257, 4095, 4096, 4097, 32_767, 32_768, 32_769, 65_544})
    void agreesWithTheDefinitionAtAwkwardLengths(int length) {
        check(DType.BF16, DType.BF16, 3, new Rule(Election.WEIGHTED, 1, true), length, 0, false, 0);
        check(DType.F32, DType.F16, 2, new Rule(Election.UNWEIGHTED, 1, false), length, 0, false, 0);
    }

    /** Ties and random words go by the number in the whole tensor, and words come in fours. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 4096, (1L << 31) - 100, (1L << 32) - 100, (1L << 34) - 100, (1L << 40) + 3})
    void aRangeMayBeginAnywhere(long first) {
        check(DType.BF16, DType.BF16, 8, new Rule(Election.WEIGHTED, 0.5, true), 700, first, false, 0);
        check(DType.F32, DType.F32, 4, new Rule(Election.NONE, 0.5, true), 700, first, false, 0);
        check(DType.F8_E4M3, DType.F32, 8, new Rule(Election.UNWEIGHTED, 0.5, true), 700, first, false, 0);
    }

    @Test
    void tensorsMayStartAtAnyElement() {
        for (DType type : CudaFormats.ALL) {
            check(type, type, 3, new Rule(Election.WEIGHTED, 1, true), 3000, 0, false, 4);
            check(type, type, 3, new Rule(Election.WEIGHTED, 1, true), 3000, 0, false, 1);
            check(type, type, 3, new Rule(Election.WEIGHTED, 1, true), 3000, 0, false, 0, 1, 2);
        }
    }

    @Test
    void manyTensorsGoInOneLaunchAndMayBeMergedInPlace() {
        Rule rule = new Rule(Election.WEIGHTED, 0.8, true);
        int[] lengths = {0, 5, 40_000, 700};
        List<Item> items = new ArrayList<>();
        List<Tensor> wanted = new ArrayList<>();
        for (int i = 0; i < lengths.length; i++) {
            Tensor base = Tensors.random(DType.BF16, lengths[i], i, null, 0.5);
            Tensor x = Tensors.random(DType.BF16, lengths[i], 50 + i, base, 0.1);
            List<Voter> voters = List.of(voter(base, x, i, i, 0), voter(base, base, 0, 0, 0));
            Tensor baseThere = there(base, 0);
            Tensor xThere = there(x, 0);
            items.add(new Item(baseThere, List.of(on(voters.get(0), xThere), on(voters.get(1), baseThere)), 0,
                    i % 2 == 0 ? xThere : baseThere));
            wanted.add(define(base, voters, 0, rule, DType.BF16));
        }
        try (DisjointMergeCuda merge = DisjointMergeCuda.prepare(stream, rule, items)) {
            merge.run();
        }
        for (int i = 0; i < lengths.length; i++) {
            assertThat(Tensors.bytes(back(items.get(i).out()))).as("item %d, seed %d", i, Tensors.SEED)
                    .isEqualTo(Tensors.bytes(wanted.get(i)));
        }
    }

    @Test
    void whatDoesNotFitIsNamed() {
        Tensor three = there(DType.F32, 3, 0);
        Tensor four = there(DType.F32, 4, 0);
        Voter voter = new Voter(three, 1, MagnitudeCut.ALL);
        String wanted = "a disjoint merge on a device takes inputs of one type and outputs of one, each one of [F32, F16, BF16, F8_E4M3, F8_E5M2], and of equal length; got %s where %s of 3 elements was wanted";
        refused(new Item(four, List.of(voter), 0, three), wanted.formatted("F32 [4]", "F32"));
        refused(new Item(there(DType.BF16, 3, 0), List.of(voter), 0, three), wanted.formatted("F32 [3]", "BF16"));
        refused(new Item(Tensors.zeros(DType.F32, 3), List.of(voter), 0, three),
                "wanted device memory, got host memory of 12 bytes: copy it to the device first, by CudaStream.upload");
        refused(new Item(three, List.of(voter), -1, three),
                "the items of a launch have as many models each, and begin with element 0 or a later one; got 1 from element -1 after 1");
        DropFactors ranked = new RankedDrop(1, 0, new RankedDrop.Window(0.5, 0.1, 3, true), 0, new int[3]);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> DisjointMergeCuda.prepare(stream, SUM,
                        List.of(new Item(three, List.of(new Voter(three, 1, MagnitudeBand.ALL, ranked)), 0, three))))
                .withMessageStartingWith(
                        "on a device drops are random ones, or bits or factors in its memory, scaled or not, got ");
        Tensor bits = there(DType.U8, 1, 0);
        for (int first : new int[]{6, 14}) {
            DropFactors mask = new ScaledDrop(new MaskedDrop(first, bits.data()), 2);
            refused(new Item(three, List.of(new Voter(three, 1, MagnitudeBand.ALL, mask)), 12, three),
                    "the bits or factors of a drop are for all elements that are merged, got 8 from element %d for 3 from element 12"
                            .formatted(first));
        }
        DropFactors stored = new StoredDrop(10, four);
        refused(new Item(three, List.of(new Voter(three, 1, MagnitudeBand.ALL, stored)), 12, three),
                "the bits or factors of a drop are for all elements that are merged, got 4 from element 10 for 3 from element 12");
        assertThat(DisjointMergeCuda.supports(factors(0, 3))).as("factors of the host").isFalse();
        assertThat(DisjointMergeCuda.supports(mask(0, 3))).as("bits of the host").isFalse();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> DisjointMergeCuda.prepare(stream, SUM, List.of()))
                .withMessage("a launch of disjoint merges takes at least 1 item and 1 model, got []");
    }

    private void refused(Item item, String message) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> DisjointMergeCuda.prepare(stream, SUM, List.of(item)))
                .withMessage(message);
    }
}
