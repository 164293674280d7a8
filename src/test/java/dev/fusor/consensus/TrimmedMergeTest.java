package dev.fusor.consensus;

import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.consensus.DisjointMerge.Trimmed;
import dev.fusor.consensus.DisjointMerge.Voter;
import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.MagnitudeSelection.Selected;
import dev.fusor.trim.MagnitudeSelection.Ties;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/** Trim and merge in one, against sorting each task vector and electing element by element. */
class TrimmedMergeTest {
    private static final CpuDevice DEVICE = CpuDevice.open(2);
    private static final Rule TIES = new Rule(Election.WEIGHTED, 1, true);

    /** The last is more than are looked at without a sample. */
    private static final int[] LENGTHS = {0, 1, 17, 1000, 131_075};

    @ParameterizedTest
    @EnumSource(value = DType.class, names = {"F64", "F32", "BF16", "F16", "F8_E4M3"})
    void agreesWithItsDefinition(DType type) {
        for (int length : LENGTHS) {
            for (int models : new int[]{1, 3, 5}) {
                check(type, length, models, length / 3, Ties.EXACT_K);
            }
        }
        check(type, 131_075, 3, length(0.1), Ties.ALL_TIES);
        check(type, 131_075, 2, 0, Ties.EXACT_K);
        check(type, 131_075, 2, 200_000, Ties.EXACT_K);
    }

    /** Ties in the first or last elements alone, where a sample expects them everywhere. */
    @ParameterizedTest
    @ValueSource(strings = {"ties last", "ties first", "sorted"})
    void agreesWithItsDefinitionWhereTiesAreNotSpreadEvenly(String kind) {
        int length = 150_001;
        Tensor base = Tensors.zeros(DType.BF16, length);
        Tensor x = Tensors.zeros(DType.BF16, length);
        for (int i = 0; i < length; i++) {
            Elements.set(x, i, switch (kind) {
                case "ties last" -> i < 100_000 ? i % 2 * 4 : 2;
                case "ties first" -> i < 50_000 ? 2 : i % 2 * 4;
                default -> i / 10_000;
            });
        }
        Tensor other = Tensors.random(DType.BF16, length, 3, base, 4);
        for (int kept : new int[]{60_000, 75_000, 90_000}) {
            check(base, List.of(new Trimmed(x, 1, kept), new Trimmed(other, 0.5, kept / 2)), Ties.EXACT_K, kind);
        }
    }

    /** What is not read once is the sample, and what likely cuts got wrong. */
    @ParameterizedTest
    @CsvSource({"BF16, 1.25", "F32, 1.15"})
    void readsTensorsLittleMoreThanOnce(DType type, double most) {
        int length = 3_000_000;
        Tensor base = Tensors.random(type, length, 1, null, 0.02);
        List<Trimmed> models = IntStream.of(2, 3, 4)
                .mapToObj(seed -> new Trimmed(Tensors.random(type, length, seed, base, 2e-4), 1, length / 5)).toList();
        Selected selected = DisjointMerge.on(DEVICE).merge(base, models, Ties.EXACT_K, TIES,
                Tensors.zeros(type, length));
        assertThat(selected.passes()).isEqualTo(1);
        assertThat(selected.bytesRead() / (4.0 * base.data().byteSize())).isBetween(1.0, most);
    }

    /** All models are alike, so each is as bad as can be. */
    @ParameterizedTest
    @CsvSource({"sorted, F32", "reversed, F32", "constant, F32", "two values, F32", "one outlier, F32", "zeros, F32",
        "blocks, F32", "tail, F32", "three values in blocks, F32", "sorted, BF16", "two values, BF16", "blocks, BF16",
        "three values in blocks, BF16"})
    void adversarialTensorsAreReadAtMostTwice(String kind, DType type) {
        int length = 1 << 22;
        Tensor base = Tensors.zeros(type, length);
        Tensor x = Tensors.zeros(type, length);
        for (int i = 0; i < length; i++) {
            Elements.set(x, i, switch (kind) {
                case "sorted" -> i;
                case "reversed" -> length - i;
                case "constant" -> -3;
                case "two values" -> i % 5 == 0 ? 2 : 1;
                case "one outlier" -> i == 77_777 ? 1e30 : 1;
                case "zeros" -> i % 2 == 0 ? 0.0 : -0.0;
                case "blocks" -> i / 700 % 2 == 0 ? i : 1e-6 * i;
                case "tail" -> i < length - 1000 ? 0 : i;
                default -> i / 1000 % 3;
            });
        }
        for (double density : new double[]{0.2, 0.5}) {
            long kept = (long) (density * length);
            Selected selected = DisjointMerge.on(DEVICE).merge(base,
                    List.of(new Trimmed(x, 1, kept), new Trimmed(x, 1, kept), new Trimmed(x, 1, kept)), Ties.EXACT_K,
                    TIES,
                    Tensors.zeros(type, length));
            assertThat(selected.bytesRead() / (4.0 * base.data().byteSize())).as("density %s", density)
                    .isBetween(1.0, 2.1);
        }
    }

    @Test
    void anOutputThatOverlapsAnInputIsRefused() {
        Tensor base = Tensors.zeros(DType.F32, 64);
        Tensor x = Tensors.zeros(DType.F32, 64);
        assertThatThrownBy(() -> DisjointMerge.on(DEVICE).merge(base, List.of(new Trimmed(x, 1, 5)), Ties.EXACT_K, TIES,
                x.slice(0, 64))).isInstanceOf(IllegalArgumentException.class).hasMessageContaining("overlap");
    }

    private static int length(double share) {
        return (int) (share * LENGTHS[LENGTHS.length - 1]);
    }

    private static void check(DType type, int length, int models, int kept, Ties ties) {
        Tensor base = Tensors.random(type, length, 1, null, 0.02);
        List<Trimmed> trimmed = new ArrayList<>();
        for (int m = 0; m < models; m++) {
            trimmed.add(new Trimmed(Tensors.random(type, length, 2 + m, base, 1e-3), m == 2 ? -0.5 : 0.5 + m,
                    kept / (m + 1)));
        }
        check(base, trimmed, ties, type + ", " + models + " models");
    }

    private static void check(Tensor base, List<Trimmed> models, Ties ties, String what) {
        long length = base.elements();
        Tensor out = Tensors.misaligned(base.dtype(), length);
        Selected selected = DisjointMerge.on(DEVICE).merge(base, models, ties, TIES, out);
        assertThat(Tensors.bytes(out)).as("%s, %d elements, %s, seed %d", what, length, ties, Tensors.SEED)
                .isEqualTo(Tensors.bytes(define(base, models, ties, TIES, base.dtype())));
        assertThat(selected.cuts()).hasSameSizeAs(models);
    }

    /** Sorted, trimmed, and merged element by element. */
    static Tensor define(Tensor base, List<Trimmed> models, Ties ties, Rule rule, DType type) {
        List<Voter> voters = new ArrayList<>();
        for (Trimmed model : models) {
            Tensor x = model.x().slice(0, base.elements());
            voters.add(new Voter(x, model.weight(), cut(base, x, model.kept(), ties)));
        }
        Tensor wanted = Tensors.zeros(type, base.elements());
        for (int i = 0; i < base.elements(); i++) {
            Elements.set(wanted, i, DisjointMergeTest.define(base, voters, i, 0, rule));
        }
        return wanted;
    }

    /** The definition: the k-th of the sorted keys, and the place where so many equals are kept. */
    private static MagnitudeCut cut(Tensor base, Tensor x, long kept, Ties ties) {
        int length = (int) x.elements();
        int[] keys = new int[length];
        for (int i = 0; i < length; i++) {
            keys[i] = MagnitudeCut.keyOf(DisjointMergeTest.delta(base, x, i));
        }
        if (kept == 0) {
            return MagnitudeCut.NONE;
        }
        if (kept >= length) {
            return MagnitudeCut.ALL;
        }
        int[] sorted = keys.clone();
        Arrays.sort(sorted);
        int key = sorted[(int) (length - kept)];
        if (ties == Ties.ALL_TIES) {
            return new MagnitudeCut(key, Long.MAX_VALUE);
        }
        long left = kept - Arrays.stream(keys).filter(other -> other > key).count();
        int last = -1;
        while (left > 0) {
            left -= keys[++last] == key ? 1 : 0;
        }
        return new MagnitudeCut(key, last);
    }
}
