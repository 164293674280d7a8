package dev.fusor.consensus;

import dev.fusor.consensus.DisjointMerge.Aggregation;
import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.consensus.DisjointMerge.Trimmed;
import dev.fusor.consensus.DisjointMerge.Zero;
import dev.fusor.simulator.RequiresCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.CudaTensors;
import dev.fusor.testing.Tensors;
import dev.fusor.trim.MagnitudeSelection.Selected;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.SmallSelections;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/** Trim and merge in one launch, against sorting each task vector and electing element by element. */
@RequiresCuda
class TrimmedMergeCudaTest extends CudaTensors {
    private static final Rule TIES = new Rule(Election.WEIGHTED, 1, true);

    /** Some tiles, the last of them short, and more elements than are looked at without a sample. */
    private static final int LENGTH = 70_003;

    private Selected check(TrimmedMergeCuda merge, Tensor base, List<Trimmed> models, Ties ties, Rule rule, DType type,
            int shift, String what) {
        List<Trimmed> there = models.stream()
                .map(model -> new Trimmed(there(model.x().slice(0, base.elements()), shift), model.weight(),
                        model.kept()))
                .toList();
        Tensor out = there(type, base.elements(), shift);
        Selected selected = merge.merge(there(base, shift), there, ties, rule, out);
        assertThat(Tensors.bytes(back(out)))
                .as("%s, %s to %s, %d models, %s, %s, seed %d", what, base, type, models.size(), ties, rule,
                        Tensors.SEED)
                .isEqualTo(Tensors.bytes(TrimmedMergeTest.define(base, models, ties, rule, type)));
        return selected;
    }

    private Selected check(Tensor base, List<Trimmed> models, Ties ties, String what) {
        return check(TrimmedMergeCuda.on(stream), base, models, ties, TIES, base.dtype(), 0, what);
    }

    private static List<Trimmed> models(Tensor base, int count, double scale, long kept) {
        List<Trimmed> models = new ArrayList<>();
        for (int m = 0; m < count; m++) {
            models.add(new Trimmed(Tensors.random(base.dtype(), base.elements(), 2 + m, base, scale),
                    m == 2 ? -0.5 : 0.5 + m, kept / (m + 1)));
        }
        return models;
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16", "F8_E4M3"})
    void agreesWithItsDefinition(DType type) {
        for (int length : new int[]{0, 1, 17, 1000, LENGTH}) {
            Tensor base = Tensors.random(type, length, 1, null, 0.02);
            for (int count : length == LENGTH ? new int[]{1, 3, 5} : new int[]{1, 9}) {
                check(base, models(base, count, 1e-3, length / 3), Ties.EXACT_K, "one after the other");
            }
        }
        Tensor base = Tensors.random(type, LENGTH, 1, null, 0.02);
        check(base, models(base, 3, 1e-3, LENGTH / 10), Ties.ALL_TIES, "all ties");
        List<Trimmed> some = models(base, 3, 1e-3, 0);
        check(base,
                List.of(some.get(0), new Trimmed(some.get(1).x(), 0.5, LENGTH), new Trimmed(some.get(2).x(), 1, 500)),
                Ties.EXACT_K, "nothing of the first, all of the second");
    }

    /** Element by element where no vector can begin. */
    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16"})
    void tensorsMayStartAnywhereAndTheOutputMayBeOfAnotherType(DType type) {
        Tensor base = Tensors.random(type, LENGTH, 1, null, 0.02);
        check(TrimmedMergeCuda.on(stream), base, models(base, 2, 1e-3, LENGTH / 5), Ties.EXACT_K,
                new Rule(Election.UNWEIGHTED, Aggregation.LARGEST, Zero.MINUS, 0.7, false), DType.F32, 1, "misaligned");
        check(TrimmedMergeCuda.on(stream), base, models(base, 8, 1e-3, LENGTH / 5), Ties.EXACT_K,
                new Rule(Election.NONE, -0.7, true), DType.F8_E5M2, 0, "a sum");
    }

    /** Ties in the first or last elements alone, where a sample expects them everywhere; what is merged again begins and ends anywhere. */
    @ParameterizedTest
    @ValueSource(strings = {"ties last", "ties first", "steps"})
    void agreesWithItsDefinitionWhereTiesAreNotSpreadEvenly(String kind) {
        Tensor x = filled(DType.BF16, switch (kind) {
            case "ties last" -> i -> i < 48_000 ? i % 2 * 4 : 2;
            case "ties first" -> i -> i < 24_000 ? 2 : i % 2 * 4;
            default -> i -> i / 5_000;
        });
        Tensor base = Tensors.zeros(DType.BF16, LENGTH);
        Tensor other = Tensors.random(DType.BF16, LENGTH, 3, base, 4);
        for (int kept : new int[]{30_000, 35_000, 43_000}) {
            check(base, List.of(new Trimmed(x, 1, kept), new Trimmed(other, 0.5, kept / 2)), Ties.EXACT_K, kind);
        }
    }

    /** Data that defeats a sample, or fills the room of a warp, beside data that does not. */
    @ParameterizedTest
    @CsvSource({"sorted, 1", "constant, 1", "two values, 1", "one outlier, 1", "zeros, 1", "NaN, 1", "blocks, 1",
        "all distinct in one binade, 1", "a crowd in one place, 1", "another key elsewhere, 2", "NaN elsewhere, 2"})
    void staysExactOnAdversarialData(String kind, int passes) {
        IntToDoubleFunction value = switch (kind) {
            case "sorted" -> i -> i;
            case "constant" -> i -> -3;
            case "two values" -> i -> i % 5 == 0 ? 2 : 1;
            case "one outlier" -> i -> i == 55_555 ? 1e30 : 1;
            case "zeros" -> i -> i % 2 == 0 ? 0.0 : -0.0;
            case "NaN" -> i -> i % 3 == 0 ? Double.NaN : i % 3 == 1 ? Double.NEGATIVE_INFINITY : 1;
            case "blocks" -> i -> i / 700 % 2 == 0 ? i : 1e-6 * i;
            case "all distinct in one binade" -> i -> 1 + i * 0x1p-23;
            case "a crowd in one place" -> i -> i / 5000 == 9 ? 1000 + i % 5000 * 0x1p-10 : spread(i) * 0x1p-13;
            case "another key elsewhere" -> i -> SmallSelections.isSampled(i, LENGTH) ? 3 : 1 + i % 2 * 4;
            default -> i -> SmallSelections.isSampled(i, LENGTH) ? spread(i) : Double.NaN;
        };
        Tensor base = Tensors.zeros(DType.F32, LENGTH);
        Tensor x = filled(DType.F32, value);
        Tensor other = Tensors.random(DType.F32, LENGTH, 3, base, 1);
        for (double density : new double[]{0.02, 0.5, 0.98}) {
            long kept = (long) (density * LENGTH);
            for (Ties ties : Ties.values()) {
                Selected selected = check(base, List.of(new Trimmed(x, 1, kept), new Trimmed(other, 0.5, kept / 2)),
                        ties,
                        kind + ", density " + density);
                assertThat(selected.passes()).as("%s, density %s", kind, density).isLessThanOrEqualTo(passes);
            }
        }
    }

    /** A list that is full, so that everything is merged when the cut is known. */
    @Test
    void moreKeysNearACutThanAreListedAreMergedInTheEnd() {
        int length = 150_000;
        Tensor base = Tensors.zeros(DType.F32, length);
        Tensor x = Tensors.zeros(DType.F32, length);
        for (int i = 0; i < length; i++) {
            Elements.set(x, i, SmallSelections.isSampled(i, length) ? i : 1e5 + 1000 * spread(i) * 0x1p-24);
        }
        Selected selected = check(new TrimmedMergeCuda(stream, SmallSelections.on(stream)), base,
                List.of(new Trimmed(x, 1, 75_000)), Ties.EXACT_K, TIES, DType.F32, 0, "a full list");
        assertThat(selected.passes()).isGreaterThan(1);
        assertThat(selected.bytesRead()).isGreaterThan(3 * 2 * base.data().byteSize());
    }

    /** What is not read once is the sample, tiles in which ties end, and what likely cuts got wrong. */
    @ParameterizedTest
    @CsvSource({"BF16, 1.25", "F32, 1.2"})
    void readsTensorsLittleMoreThanOnce(DType type, double most) {
        int length = 1 << 19;
        Tensor base = there(Tensors.random(type, length, 1, null, 0.02), 0);
        List<Trimmed> models = IntStream.of(2, 3, 4)
                .mapToObj(seed -> new Trimmed(there(Tensors.random(type, length, seed, back(base), 2e-4), 0), 1,
                        length / 5))
                .toList();
        Selected selected = TrimmedMergeCuda.on(stream).merge(base, models, Ties.EXACT_K, TIES,
                there(type, length, 0));
        assertThat(selected.passes()).as("seed %d", Tensors.SEED).isEqualTo(1);
        assertThat(selected.bytesRead() / (4.0 * base.data().byteSize())).as("seed %d", Tensors.SEED)
                .isBetween(1.0, most);
    }

    /** Where all are wrong about the same elements, these are merged once: so each model more adds its own bytes and no others. */
    @Test
    void elementsThatSeveralModelsAreWrongAboutAreMergedOnce() {
        Tensor base = Tensors.random(DType.F32, LENGTH, 1, null, 0.02);
        Trimmed model = new Trimmed(Tensors.random(DType.F32, LENGTH, 2, base, 1e-3), 0.5, LENGTH / 5);
        long[] bytes = IntStream.of(1, 2, 3).mapToLong(
                count -> check(base, Collections.nCopies(count, model), Ties.EXACT_K, "alike").bytesRead()).toArray();
        assertThat(bytes[2] - bytes[1]).as("seed %d", Tensors.SEED).isEqualTo(bytes[1] - bytes[0]);
    }

    @Test
    void whatCannotBeMergedIsNamedBeforeAnythingIsWritten() {
        Tensor base = there(Tensors.zeros(DType.F32, 64), 0);
        Tensor x = there(Tensors.zeros(DType.F32, 64), 0);
        Tensor out = there(Tensors.random(DType.F32, 64, 1, null, 1), 0);
        byte[] before = Tensors.bytes(back(out));
        TrimmedMergeCuda merge = TrimmedMergeCuda.on(stream);
        assertThatIllegalArgumentException().isThrownBy(() -> merge.merge(base, List.of(new Trimmed(x, 1, 5)),
                Ties.EXACT_K, TIES, x.slice(0, 64))).withMessageContaining("none may overlap it");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> merge.merge(base, List.of(), Ties.EXACT_K, TIES, out))
                .withMessageContaining("at least 1 item and 1 model");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> merge.merge(base, List.of(new Trimmed(x, 1, -1)), Ties.EXACT_K, TIES, out))
                .withMessage("the number of elements to keep is 0 or more, got -1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> merge.merge(base, List.of(new Trimmed(there(Tensors.zeros(DType.BF16, 64), 0), 1, 5)),
                        Ties.EXACT_K, TIES, out))
                .withMessageContaining("inputs of one type");
        assertThatIllegalArgumentException()
                .isThrownBy(
                        () -> merge.merge(base, List.of(new Trimmed(Tensors.zeros(DType.F32, 64), 1, 5)), Ties.EXACT_K,
                                TIES, out))
                .withMessageContaining("wanted device memory");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> merge.merge(base, List.of(new Trimmed(there(Tensors.zeros(DType.F32, 63), 0), 1, 5)),
                        Ties.EXACT_K, TIES, out))
                .withMessageContaining("equal length");
        assertThat(Tensors.bytes(back(out))).isEqualTo(before);
    }

    /** Integers up to 2^24, which float32 holds. */
    private static double spread(int i) {
        return i * 2_654_435_761L >>> 8 & 0xFFFFFF;
    }

    private static Tensor filled(DType type, IntToDoubleFunction value) {
        Tensor x = Tensors.zeros(type, LENGTH);
        for (int i = 0; i < LENGTH; i++) {
            Elements.set(x, i, value.applyAsDouble(i));
        }
        return x;
    }
}
