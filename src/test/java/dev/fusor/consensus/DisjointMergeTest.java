package dev.fusor.consensus;

import dev.fusor.consensus.DisjointMerge.Voter;
import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.MagnitudeSelection;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class DisjointMergeTest {
    private static final CpuDevice DEVICE = CpuDevice.open(2);

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
        DisjointMerge.on(DEVICE).merge(base, List.of(new Voter(x, 1, MagnitudeCut.ALL)), 0, 1, true, out);
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
                new Voter(Tensors.of(DType.F32, -3), -1, MagnitudeCut.ALL)), 0, 1, true, out);
        assertThat(Elements.get(out, 0)).isEqualTo(5);
    }

    /** The definition in the Javadoc, one element at a time. */
    @ParameterizedTest
    @EnumSource(names = {"BF16", "F32", "F16", "F8_E5M2", "F64"})
    void agreesWithItsDefinitionBitForBit(DType type) {
        for (int length : new int[]{0, 1, 15, 16, 17, 1023, 1024, 1025, 65_536, 70_003}) {
            for (int models : new int[]{1, 2, 3, 5, 11}) {
                check(type, length, models, models % 2 == 0, false);
            }
        }
        check(type, 5000, 3, true, true);
    }

    @Test
    void aRangeOfATensorIsCutAsTheWholeIs() {
        int length = 3000;
        Tensor base = Tensors.random(DType.BF16, length, 1, null, 0.02);
        Tensor x = Tensors.random(DType.BF16, length, 2, base, 2e-4);
        MagnitudeCut cut = MagnitudeSelection.on(DEVICE).select(base, x, 600, MagnitudeSelection.Ties.EXACT_K);
        Tensor whole = Tensors.zeros(DType.BF16, length);
        DisjointMerge.on(DEVICE).merge(base, List.of(new Voter(x, 0.7, cut)), 0, 1, false, whole);
        Tensor parts = Tensors.zeros(DType.BF16, length);
        for (int from = 0; from < length; from += 777) {
            int count = Math.min(777, length - from);
            DisjointMerge.on(DEVICE).merge(base.slice(from, count),
                    List.of(new Voter(x.slice(from, count), 0.7, cut)), from, 1, false, parts.slice(from, count));
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
        assertThatThrownBy(() -> DisjointMerge.on(DEVICE).merge(three, List.of(), 0, 1, true, three))
                .hasMessage("a disjoint merge takes at least 1 model, got none");
        Voter four = new Voter(Tensors.zeros(DType.F32, 4), 1, MagnitudeCut.ALL);
        assertThatThrownBy(() -> DisjointMerge.on(DEVICE).merge(three, List.of(four), 0, 1, true, three))
                .hasMessageContaining("got F32 [4] for an output F32 [3]");
    }

    private static byte[] threads(int threads) {
        Tensor base = Tensors.random(DType.BF16, 300_001, 1, null, 0.02);
        Tensor x = Tensors.random(DType.BF16, 300_001, 2, base, 2e-4);
        Tensor out = Tensors.zeros(DType.BF16, 300_001);
        try (CpuDevice device = CpuDevice.open(threads)) {
            MagnitudeCut cut = MagnitudeSelection.on(device).select(base, x, 60_000, MagnitudeSelection.Ties.EXACT_K);
            DisjointMerge.on(device).merge(base, List.of(new Voter(x, 0.7, cut)), 0, 1.5, true, out);
        }
        return Tensors.bytes(out);
    }

    private static void check(DType type, int length, int models, boolean normalize, boolean anyBits) {
        Tensor base = anyBits ? Tensors.anyBits(type, length, 1) : Tensors.random(type, length, 1, null, 0.5);
        List<Voter> voters = new ArrayList<>();
        for (int m = 0; m < models; m++) {
            Tensor x = anyBits
                    ? Tensors.anyBits(type, length, 2 + m)
                    : Tensors.random(type, length, 2 + m, base, 0.1);
            MagnitudeCut cut = MagnitudeSelection.on(DEVICE)
                    .select(base, x, length * (m + 1L) / (models + 1), MagnitudeSelection.Ties.EXACT_K);
            voters.add(new Voter(x, m % 3 == 2 ? -0.4 : 0.3 + 0.2 * m, cut));
        }
        Tensor out = Tensors.misaligned(type, length);
        DisjointMerge.on(DEVICE).merge(base, voters, 0, 0.9, normalize, out);
        Tensor wanted = Tensors.zeros(type, length);
        for (int i = 0; i < length; i++) {
            Elements.set(wanted, i, define(base, voters, i, 0.9, normalize));
        }
        assertThat(Tensors.bytes(out))
                .as("%s, %d elements, %d models, seed %d", type, length, models, Tensors.SEED)
                .isEqualTo(Tensors.bytes(wanted));
    }

    private static double define(Tensor base, List<Voter> voters, int i, double lambda, boolean normalize) {
        double b = Elements.get(base, i);
        boolean wide = base.dtype() == DType.F64;
        float mass = 0;
        float[] votes = new float[voters.size()];
        for (int m = 0; m < votes.length; m++) {
            double x = Elements.get(voters.get(m).x(), i);
            float delta = wide ? (float) (x - b) : (float) x - (float) b;
            votes[m] = voters.get(m).cut().keeps(delta, i) ? (float) voters.get(m).weight() * delta : 0;
            mass = m == 0 ? votes[m] : mass + votes[m];
        }
        float sum = 0;
        float weights = 0;
        for (int m = 0; m < votes.length; m++) {
            if (mass >= 0 ? votes[m] > 0 : votes[m] < 0) {
                sum += votes[m];
                weights += (float) voters.get(m).weight();
            }
        }
        if (normalize && weights != 0) {
            sum /= weights;
        }
        if (Float.isNaN(mass)) {
            return Double.NaN;
        }
        return wide ? Math.fma((double) (float) lambda, (double) sum, b) : Math.fma((float) lambda, sum, (float) b);
    }

    private static double[] merge(boolean normalize, double... deltas) {
        Tensor base = Tensors.zeros(DType.F32, 1);
        Tensor out = Tensors.zeros(DType.F32, 1);
        List<Voter> voters = new ArrayList<>();
        for (double delta : deltas) {
            voters.add(new Voter(Tensors.of(DType.F32, delta), 1, MagnitudeCut.ALL));
        }
        DisjointMerge.on(DEVICE).merge(base, voters, 0, 1, normalize, out);
        return Tensors.values(out);
    }
}
