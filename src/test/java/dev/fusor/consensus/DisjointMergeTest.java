package dev.fusor.consensus;

import dev.fusor.consensus.DisjointMerge.Aggregation;
import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.consensus.DisjointMerge.Voter;
import dev.fusor.consensus.DisjointMerge.Zero;
import dev.fusor.device.CpuDevice;
import dev.fusor.drop.DropFactors;
import dev.fusor.drop.RandomDrop;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import dev.fusor.trim.MagnitudeBand;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.MagnitudeSelection;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class DisjointMergeTest {
    private static final CpuDevice DEVICE = CpuDevice.open(2);
    private static final MemorySegment ROOM = Arena.ofAuto().allocate(16, 4);
    private static final Rule TIES = new Rule(Election.WEIGHTED, 1, true);

    @Test
    void electsTheSignOfTheLargerMassAndAveragesItsVoters() {
        assertThat(merge(true, 1, 5, -2)).containsExactly(3);
        assertThat(merge(true, 1, -5, 2)).containsExactly(-5);
    }

    @Test
    void aSumOfZeroElectsPlus() {
        assertThat(merge(true, 2, -2)).containsExactly(2);
    }

    @Test
    void zeroesOfEitherSignDoNotVote() {
        assertThat(merge(true, 4, 0.0, -0.0)).containsExactly(4);
        assertThat(merge(true, 0.0, -0.0)).containsExactly(0);
    }

    @Test
    void withoutNormalizeTheVotesAreSummed() {
        assertThat(merge(false, 1, 5, -2)).containsExactly(6);
    }

    @Test
    void aNaNVoteSpoilsItsOwnElementOnly() {
        Tensor base = Tensors.zeros(DType.F32, 20);
        Tensor x = Tensors.zeros(DType.F32, 20);
        Elements.set(x, 3, Double.NaN);
        Elements.set(x, 17, Double.NaN);
        Elements.set(x, 4, 2);
        Tensor out = Tensors.zeros(DType.F32, 20);
        DisjointMerge.on(DEVICE).merge(base, List.of(new Voter(x, 1, MagnitudeCut.ALL)), 0, TIES, out);
        for (int i = 0; i < 20; i++) {
            Double wanted = i == 3 || i == 17 ? Double.NaN : i == 4 ? 2.0 : 0.0;
            assertThat(Elements.get(out, i)).as("element %d", i).isEqualTo(wanted);
        }
    }

    @Test
    void opposedInfinitiesGiveNaN() {
        assertThat(merge(true, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY)).containsExactly(Double.NaN);
    }

    @Test
    void weightsThatCancelAreNotDividedBy() {
        // Votes 1 * 2 and -1 * -3 both are plus; their weights sum to 0.
        Tensor base = Tensors.zeros(DType.F32, 1);
        Tensor out = Tensors.zeros(DType.F32, 1);
        DisjointMerge.on(DEVICE).merge(base, List.of(new Voter(Tensors.of(DType.F32, 2), 1, MagnitudeCut.ALL),
                new Voter(Tensors.of(DType.F32, -3), -1, MagnitudeCut.ALL)), 0, TIES, out);
        assertThat(Elements.get(out, 0)).isEqualTo(5);
    }

    @Test
    void anUnweightedElectionAsksTheTaskVectorsThemselves() {
        // 3 against -2 elects plus, although the minus weighs more; only then do weights come in.
        assertThat(merge(Election.UNWEIGHTED, new double[]{0.1, 0.9}, 3, -2)).containsExactly(3);
        assertThat(merge(Election.WEIGHTED, new double[]{0.1, 0.9}, 3, -2)).containsExactly(-2);
    }

    @Test
    void withoutAnElectionEveryVoteCountsAndSoDoesEveryWeight() {
        assertThat(merge(Election.NONE, new double[]{1, 3}, 6, -4)).containsExactly(-1.5);
        assertThat(merge(Election.NONE, new double[]{1, 3}, 6, 0)).containsExactly(1.5);
        assertThat(merge(Election.NONE, new double[]{1, -1}, 6, 2)).containsExactly(4);
    }

    /** The result of a NaN that is kept is NaN, that of one that is not is the base: so the bits tell. */
    @Test
    void everyNaNHasTheSameMagnitudeWhateverItsPayload() {
        int[] payloads = {0x7F800001, 0x7FC00000, 0x7FFFFFFF, 0xFFFFFFFF, 0xFF812345};
        Tensor base = Tensors.zeros(DType.F32, 64);
        Tensor x = Tensors.zeros(DType.F32, 64);
        for (int i = 0; i < 64; i++) {
            x.data().setAtIndex(ValueLayout.JAVA_INT, i, payloads[i % payloads.length]);
        }
        List<MagnitudeCut> cuts = List.of(MagnitudeCut.ALL, MagnitudeCut.NONE,
                new MagnitudeCut(MagnitudeCut.NAN_KEY, 29), new MagnitudeCut(MagnitudeCut.NAN_KEY, Long.MAX_VALUE),
                new MagnitudeCut(MagnitudeCut.NAN_KEY - 1, 40));
        for (MagnitudeCut atLeast : cuts) {
            for (MagnitudeCut tooLarge : cuts) {
                Voter voter = new Voter(x, 1, new MagnitudeBand(atLeast, tooLarge), null);
                Tensor out = Tensors.zeros(DType.F32, 64);
                DisjointMerge.on(DEVICE).merge(base, List.of(voter), 0, TIES, out);
                for (int i = 0; i < 64; i++) {
                    assertThat(Elements.get(out, i)).as("element %d of %s", i, voter.band())
                            .isEqualTo(Double.valueOf(define(base, List.of(voter), i, 0, TIES)));
                }
            }
        }
    }

    @Test
    void whatIsDroppedIsNotLookedAt() {
        Tensor base = Tensors.zeros(DType.F32, 40);
        Tensor x = Tensors.zeros(DType.F32, 40);
        for (int i = 0; i < 40; i++) {
            Elements.set(x, i, i % 3 == 0 ? Double.NaN : Double.POSITIVE_INFINITY);
        }
        Tensor out = Tensors.zeros(DType.F32, 40);
        RandomDrop drop = new RandomDrop(1, 0, 0, true);
        DisjointMerge.on(DEVICE).merge(base, List.of(new Voter(x, 1, MagnitudeBand.ALL, drop)), 0, TIES, out);
        assertThat(Tensors.values(out)).containsOnly(0);
        MagnitudeBand nothing = new MagnitudeBand(MagnitudeCut.ALL, MagnitudeCut.ALL);
        DisjointMerge.on(DEVICE).merge(base, List.of(new Voter(x, 1, nothing, null)), 0, TIES, out);
        assertThat(Tensors.values(out)).containsOnly(0);
    }

    /** The definition in the Javadoc, one element at a time. */
    @ParameterizedTest
    @EnumSource(names = {"BF16", "F32", "F16", "F8_E5M2", "F64"})
    void agreesWithItsDefinitionBitForBit(DType type) {
        for (Election election : Election.values()) {
            for (int length : new int[]{0, 1, 15, 16, 17, 1023, 1024, 1025, 5003, 65_537}) {
                for (int models : length > 5003 ? new int[]{3} : new int[]{1, 2, 3, 5, 11}) {
                    check(type, length, models, new Rule(election, 0.9, models % 2 == 0), false);
                }
            }
            check(type, 5000, 3, new Rule(election, -1.1, true), true);
            check(type, 1100, 4, new Rule(election, Aggregation.SUM, Zero.MINUS, 0.7, true), false);
            if (election != Election.NONE) {
                for (Zero zero : Zero.values()) {
                    for (int models : new int[]{1, 2, 3, 8}) {
                        check(type, 1029, models, new Rule(election, Aggregation.LARGEST, zero, 0.9, models % 2 == 0),
                                false);
                    }
                    check(type, 3001, 4, new Rule(election, Aggregation.LARGEST, zero, 1, true), true);
                }
            }
        }
    }

    @Test
    void anElectionByNumberAsksHowManyModelsHaveASign() {
        assertThat(merge(Election.COUNT, new double[]{1, 1, 1}, 9, -1, -2)).containsExactly(-1.5);
        assertThat(merge(Election.COUNT, new double[]{1, -2, 1}, 9, -1, -2)).as("votes 9, 2 and -2, divided by 1 - 2")
                .containsExactly(-11);
        assertThat(merge(Election.COUNT, new double[]{1, 1, 1}, 3, -1, 0)).containsExactly(3);
        assertThat(merge(Election.COUNT, new double[]{1, 1}, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY))
                .containsExactly(Double.POSITIVE_INFINITY);
    }

    @Test
    void theLargestVoteOfTheElectedSignStandsForAll() {
        Rule sum = new Rule(Election.WEIGHTED, Aggregation.LARGEST, Zero.PLUS, 1, false);
        assertThat(merge(sum, null, 1, 5, -2)).containsExactly(5);
        assertThat(merge(sum, null, -4, -3, 2)).containsExactly(-4);
        Rule mean = new Rule(Election.WEIGHTED, Aggregation.LARGEST, Zero.PLUS, 1, true);
        assertThat(merge(mean, new double[]{2, 0.5, 1}, 1, 5, -2)).as("its vote is 2.5 of weight 0.5")
                .containsExactly(5);
        assertThat(merge(mean, new double[]{2, 4}, 8, 4)).as("of equals the first").containsExactly(8);
    }

    @Test
    void aSumOfZeroElectsMinusWhereTheRuleSaysSo() {
        Rule minus = new Rule(Election.WEIGHTED, Aggregation.SUM, Zero.MINUS, 1, true);
        assertThat(merge(minus, null, 2, -2)).containsExactly(-2);
        assertThat(merge(minus, null, 0, 0)).containsExactly(0);
    }

    /** Counted one by one from signs of sums, whatever loops find them. */
    @ParameterizedTest
    @EnumSource(names = {"BF16", "F32", "F64"})
    void theMajorityIsTheElementsThatElectPlusLessThoseThatElectMinus(DType type) {
        for (int length : new int[]{0, 1, 17, 1024, 1029, 70_001}) {
            Tensor base = Tensors.random(type, length, 1, null, 0.5);
            List<Voter> voters = new ArrayList<>();
            for (int m = 0; m < 3; m++) {
                Tensor x = Tensors.random(type, length, 2 + m, base, 0.1);
                voters.add(new Voter(x, 1 - 0.7 * m, band(base, x, length / 2, length / 20),
                        m == 1 ? new RandomDrop(Tensors.SEED, m, 0.6, true) : null));
            }
            for (Election election : List.of(Election.WEIGHTED, Election.UNWEIGHTED, Election.COUNT)) {
                long majority = 0;
                for (int i = 0; i < length; i++) {
                    majority += (long) Math.signum(mass(votes(base, voters, i, 0, election), election));
                }
                assertThat(DisjointMerge.on(DEVICE).majority(base, voters, 0, election))
                        .as("%s, %d elements, %s, seed %d", type, length, election, Tensors.SEED).isEqualTo(majority);
            }
        }
        assertThatThrownBy(() -> DisjointMerge.on(DEVICE).majority(Tensors.zeros(type, 1),
                List.of(new Voter(Tensors.zeros(type, 1), 1, MagnitudeCut.ALL)), 0, Election.NONE))
                .hasMessage("there is a majority where signs are elected, got NONE");
    }

    @Test
    void aRuleWithoutAnElectionHasNoLargestVote() {
        assertThatThrownBy(() -> new Rule(Election.NONE, Aggregation.LARGEST, Zero.PLUS, 1, true))
                .hasMessage("without an election votes are added up, got LARGEST");
    }

    @Test
    void aRangeOfATensorIsCutAsTheWholeIs() {
        int length = 3000;
        Tensor base = Tensors.random(DType.BF16, length, 1, null, 0.02);
        Tensor x = Tensors.random(DType.BF16, length, 2, base, 2e-4);
        MagnitudeBand band = band(base, x, 600, 100);
        RandomDrop drop = new RandomDrop(9, 0, 0.8, true);
        Rule sum = new Rule(Election.WEIGHTED, 1, false);
        Tensor whole = Tensors.zeros(DType.BF16, length);
        DisjointMerge.on(DEVICE).merge(base, List.of(new Voter(x, 0.7, band, drop)), 0, sum, whole);
        Tensor parts = Tensors.zeros(DType.BF16, length);
        for (int from = 0; from < length; from += 777) {
            int count = Math.min(777, length - from);
            DisjointMerge.on(DEVICE).merge(base.slice(from, count),
                    List.of(new Voter(x.slice(from, count), 0.7, band, drop)), from, sum, parts.slice(from, count));
        }
        assertThat(Tensors.bytes(parts)).isEqualTo(Tensors.bytes(whole));
    }

    @Test
    void doesNotDependOnTheNumberOfThreads() {
        byte[] one = threads(1);
        for (int threads = 2; threads <= 8; threads++) {
            assertThat(threads(threads)).isEqualTo(one);
        }
    }

    @Test
    void wrongShapesAndTypesAreNamed() {
        Tensor three = Tensors.zeros(DType.F32, 3);
        assertThatThrownBy(() -> DisjointMerge.on(DEVICE).merge(three, List.of(), 0, TIES, three))
                .hasMessage("a disjoint merge takes at least 1 model, got none");
        Voter four = new Voter(Tensors.zeros(DType.F32, 4), 1, MagnitudeCut.ALL);
        assertThatThrownBy(() -> DisjointMerge.on(DEVICE).merge(three, List.of(four), 0, TIES, three))
                .hasMessageContaining("got F32 [4] for an output F32 [3]");
    }

    private static byte[] threads(int threads) {
        Tensor base = Tensors.random(DType.BF16, 300_001, 1, null, 0.02);
        Tensor x = Tensors.random(DType.BF16, 300_001, 2, base, 2e-4);
        Tensor out = Tensors.zeros(DType.BF16, 300_001);
        try (CpuDevice device = CpuDevice.open(threads)) {
            Voter voter = new Voter(x, 0.7, band(base, x, 60_000, 1000), new RandomDrop(3, 0, 0.3, true));
            DisjointMerge.on(device).merge(base, List.of(voter), 0, new Rule(Election.WEIGHTED, 1.5, true), out);
        }
        return Tensors.bytes(out);
    }

    private static void check(DType type, int length, int models, Rule rule, boolean anyBits) {
        Tensor base = anyBits ? Tensors.anyBits(type, length, 1) : Tensors.random(type, length, 1, null, 0.5);
        List<Voter> voters = new ArrayList<>();
        for (int m = 0; m < models; m++) {
            Tensor x = anyBits
                    ? Tensors.anyBits(type, length, 2 + m)
                    : Tensors.random(type, length, 2 + m, base, 0.1);
            int kept = length * (m + 1) / (models + 1);
            MagnitudeBand band = band(base, x, kept, m % 2 == 0 ? 0 : length / 10);
            RandomDrop drop = m % 3 == 1 ? new RandomDrop(Tensors.SEED, m, 0.6, true) : null;
            voters.add(new Voter(x, m % 3 == 2 ? -0.4 : m == 4 ? 0 : 0.3 + 0.2 * m, band, drop));
        }
        Tensor out = Tensors.misaligned(type, length);
        DisjointMerge.on(DEVICE).merge(base, voters, 0, rule, out);
        Tensor wanted = Tensors.zeros(type, length);
        for (int i = 0; i < length; i++) {
            Elements.set(wanted, i, define(base, voters, i, 0, rule));
        }
        assertThat(Tensors.bytes(out))
                .as("%s, %d elements, %d models, %s, seed %d", type, length, models, rule, Tensors.SEED)
                .isEqualTo(Tensors.bytes(wanted));
    }

    /** Element i of a range that begins with element {@code first} of its tensor. */
    static double define(Tensor base, List<Voter> voters, int i, long first, Rule rule) {
        double b = Elements.get(base, i);
        boolean wide = base.dtype() == DType.F64;
        float[] votes = votes(base, voters, i, first, rule.election());
        float mass = mass(votes, rule.election());
        double everyWeight = 0;
        for (Voter voter : voters) {
            everyWeight += (float) voter.weight();
        }
        if (Float.isNaN(mass)) {
            return Double.NaN;
        }
        float sign = mass == 0 ? rule.zero() == Zero.PLUS ? 1 : -1 : Math.signum(mass);
        float sum = 0;
        float weights = 0;
        for (int m = 0; m < votes.length; m++) {
            float weight = (float) voters.get(m).weight();
            if (Math.signum(votes[m]) == sign) {
                float part = rule.election() == Election.UNWEIGHTED ? weight * Math.abs(votes[m]) : Math.abs(votes[m]);
                boolean largest = rule.aggregation() == Aggregation.LARGEST;
                boolean larger = largest && Math.abs(part) > Math.abs(sum);
                sum = larger ? part : largest ? sum : sum + part;
                weights = larger ? weight : largest ? weights : weights + weight;
            }
        }
        float merged = rule.election() == Election.NONE ? mass : sign * sum;
        float divisor = rule.election() == Election.NONE ? (float) everyWeight : weights;
        if (rule.normalize() && divisor != 0) {
            merged /= divisor;
        }
        float lambda = (float) rule.lambda();
        return wide ? Math.fma((double) lambda, (double) merged, b) : Math.fma(lambda, merged, (float) b);
    }

    /** What each model votes at element i. */
    private static float[] votes(Tensor base, List<Voter> voters, int i, long first, Election election) {
        float[] votes = new float[voters.size()];
        for (int m = 0; m < votes.length; m++) {
            Voter voter = voters.get(m);
            float delta = delta(base, voter.x(), i);
            float factor = factor(voter.drop(), first + i);
            if (voter.band().keeps(delta, first + i) && !Float.isNaN(factor)) {
                float sparse = voter.drop() == null ? delta : factor * delta;
                votes[m] = election == Election.UNWEIGHTED ? sparse : (float) voter.weight() * sparse;
            }
        }
        return votes;
    }

    static float delta(Tensor base, Tensor x, int i) {
        double model = Elements.get(x, i);
        double b = Elements.get(base, i);
        return base.dtype() == DType.F64 ? (float) (model - b) : (float) model - (float) b;
    }

    private static float mass(float[] votes, Election election) {
        float mass = 0;
        for (float vote : votes) {
            mass += election == Election.COUNT ? Math.signum(vote) : vote;
        }
        return mass;
    }

    private static float factor(DropFactors drop, long i) {
        if (drop == null) {
            return 1;
        }
        drop.load(i, 1, ROOM);
        return ROOM.get(ValueLayout.JAVA_FLOAT, 0);
    }

    private static MagnitudeBand band(Tensor base, Tensor x, long kept, long tooLarge) {
        MagnitudeSelection selection = MagnitudeSelection.on(DEVICE);
        return new MagnitudeBand(selection.select(base, x, kept, MagnitudeSelection.Ties.EXACT_K),
                selection.select(base, x, tooLarge, MagnitudeSelection.Ties.EXACT_K));
    }

    private static double[] merge(boolean normalize, double... deltas) {
        return merge(new Rule(Election.WEIGHTED, 1, normalize), null, deltas);
    }

    private static double[] merge(Election election, double[] weights, double... deltas) {
        return merge(new Rule(election, 1, true), weights, deltas);
    }

    private static double[] merge(Rule rule, double[] weights, double... deltas) {
        Tensor base = Tensors.zeros(DType.F32, 1);
        Tensor out = Tensors.zeros(DType.F32, 1);
        List<Voter> voters = new ArrayList<>();
        for (int m = 0; m < deltas.length; m++) {
            voters.add(
                    new Voter(Tensors.of(DType.F32, deltas[m]), weights == null ? 1 : weights[m], MagnitudeCut.ALL));
        }
        DisjointMerge.on(DEVICE).merge(base, voters, 0, rule, out);
        return Tensors.values(out);
    }
}
