package dev.fusor.trim;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.testing.Tensors;
import dev.fusor.trim.MagnitudeSelection.Part;
import dev.fusor.trim.MagnitudeSelection.Selected;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/** One cut through all tensors of a model. */
class ModelSelectionTest {
    private static final CpuDevice DEVICE = CpuDevice.open(2);
    private static final double[] FRACTIONS = {0, 1e-5, 0.01, 0.2, 0.5, 0.93, 1};

    /** An element of a model: its magnitude, the tensor it is in, and where. */
    private record Element(float magnitude, int part, int index) {}

    @ParameterizedTest
    @EnumSource(names = {"BF16", "F32", "F64"})
    void keepsWhatSortingTheWholeModelKeeps(DType type) {
        for (int[] lengths : new int[][]{{0}, {1}, {0, 3, 0, 0, 5, 0}, {4095, 1, 4097, 60_000}, {131_072, 1},
            {1, 0, 70_001, 32, 4096, 100_000, 31, 3, 0}, {300_000, 127, 129, 200_003}}) {
            List<Part> parts = new ArrayList<>();
            for (int p = 0; p < lengths.length; p++) {
                parts.add(part(type, lengths[p], 2, p, 1e-3 * (1 + p % 3)));
            }
            check(parts, Ties.EXACT_K);
            check(parts, Ties.ALL_TIES);
        }
    }

    /** Tensors that share few magnitudes, or none: what a sample of the model says of one of them is wrong. */
    @Test
    void staysExactWhereTensorsDiffer() {
        int length = 90_001;
        List<Tensor> tensors = IntStream.range(0, 5).mapToObj(p -> Tensors.zeros(DType.F32, length)).toList();
        for (int i = 0; i < length; i++) {
            Elements.set(tensors.get(0), i, 1);
            Elements.set(tensors.get(1), i, i % 3 == 0 ? -2 : 1);
            Elements.set(tensors.get(2), i, i);
            Elements.set(tensors.get(3), i, i == 7 ? Double.NaN : i == 9 ? Double.NEGATIVE_INFINITY : 0);
            Elements.set(tensors.get(4), i, 1e-7 * i);
        }
        check(tensors.stream().map(x -> new Part(null, List.<TensorSource>of(x))).toList(), Ties.EXACT_K);
        check(tensors.reversed().stream().map(x -> new Part(null, List.<TensorSource>of(x))).toList(), Ties.EXACT_K);
    }

    @Test
    void tiesAreKeptInTheFirstTensorsAndThereInTheFirstPlaces() {
        Part one = new Part(null, List.of(Tensors.of(DType.F32, 3, 1, 2)));
        Part none = new Part(null, List.of(Tensors.of(DType.F32)));
        Part two = new Part(null, List.of(Tensors.of(DType.F32, -2, 2, 2)));
        Part three = new Part(null, List.of(Tensors.of(DType.BF16, 2, 5)));
        int key = MagnitudeCut.keyOf(2);
        assertThat(select(List.of(one, none, two, three), 5, Ties.EXACT_K)).containsExactly(
                new MagnitudeCut(key, Long.MAX_VALUE), new MagnitudeCut(key, Long.MAX_VALUE), new MagnitudeCut(key, 1),
                new MagnitudeCut(key, -1));
        assertThat(select(List.of(one, none, two, three), 5, Ties.ALL_TIES)).containsOnly(
                new MagnitudeCut(key, Long.MAX_VALUE));
        assertThat(select(List.of(one, two), 0, Ties.EXACT_K)).containsOnly(MagnitudeCut.NONE);
        assertThat(select(List.of(one, two), 6, Ties.EXACT_K)).containsOnly(MagnitudeCut.ALL);
    }

    @Test
    void doesNotDependOnTheNumberOfThreads() {
        List<Part> parts = List.of(part(DType.BF16, 200_001, 2, 1, 1e-4), part(DType.BF16, 500_001, 2, 2, 3e-4));
        List<Wanted> wanted = List.of(new Wanted(1, 300_000), new Wanted(0, 500), new Wanted(1, 2));
        List<List<MagnitudeCut>> one = MagnitudeSelection.on(CpuDevice.open(1)).select(parts, wanted, Ties.EXACT_K)
                .cuts();
        for (int threads = 2; threads <= 8; threads++) {
            try (CpuDevice device = CpuDevice.open(threads)) {
                assertThat(MagnitudeSelection.on(device).select(parts, wanted, Ties.EXACT_K).cuts()).isEqualTo(one);
            }
        }
    }

    @Test
    void whatDoesNotFitIsNamed() {
        MagnitudeSelection selection = MagnitudeSelection.on(DEVICE);
        Part one = part(DType.F32, 3, 1, 1, 1);
        assertThatThrownBy(() -> selection.select(List.of(), List.of(), Ties.EXACT_K))
                .hasMessage("a selection takes at least 1 part, got none");
        assertThatThrownBy(() -> selection.select(List.of(one, part(DType.F32, 3, 2, 1, 1)), List.of(), Ties.EXACT_K))
                .hasMessage("every part has a tensor of each model, got 1 and 2 models");
        assertThatThrownBy(() -> selection.select(List.of(one), List.of(new Wanted(1, 1)), Ties.EXACT_K))
                .hasMessage("models are numbered from 0 to 0, got 1");
        assertThatThrownBy(() -> selection.select(List.of(one), List.of(new Wanted(0, -1)), Ties.EXACT_K))
                .hasMessage("the number of elements to keep is 0 or more, got -1");
    }

    private static Part part(DType type, int length, int models, int seed, double deviation) {
        Tensor base = Tensors.random(type, length, 100 + seed, null, 0.02);
        List<TensorSource> xs = new ArrayList<>();
        for (int m = 0; m < models; m++) {
            xs.add(Tensors.random(type, length, 200 + 10 * seed + m, base, deviation));
        }
        return new Part(base, xs);
    }

    private static List<MagnitudeCut> select(List<Part> parts, long k, Ties ties) {
        return MagnitudeSelection.on(DEVICE).select(parts, List.of(new Wanted(0, k)), ties).cuts().getFirst();
    }

    /** The definition: sort all elements by magnitude, equals by tensor and index, keep the first k, or all of their like. */
    private static void check(List<Part> parts, Ties ties) {
        int models = parts.getFirst().models().size();
        List<Wanted> wanted = new ArrayList<>();
        List<boolean[][]> kept = new ArrayList<>();
        List<float[][]> values = new ArrayList<>();
        for (int m = 0; m < models; m++) {
            int model = m;
            float[][] ofModel = parts.stream()
                    .map(part -> taskVector((Tensor) part.base(), (Tensor) part.models().get(model)))
                    .toArray(float[][]::new);
            List<Element> order = new ArrayList<>();
            for (int p = 0; p < ofModel.length; p++) {
                for (int i = 0; i < ofModel[p].length; i++) {
                    order.add(new Element(Math.abs(ofModel[p][i]), p, i));
                }
            }
            order.sort(Comparator.comparing(Element::magnitude).reversed().thenComparing(Element::part)
                    .thenComparing(Element::index));
            for (double fraction : FRACTIONS) {
                int k = (int) (fraction * order.size());
                boolean[][] keeps = new boolean[ofModel.length][];
                for (int p = 0; p < keeps.length; p++) {
                    keeps[p] = new boolean[ofModel[p].length];
                }
                for (int i = 0; i < order.size(); i++) {
                    Element element = order.get(i);
                    keeps[element.part][element.index] = i < k || ties == Ties.ALL_TIES && k > 0
                            && Float.compare(element.magnitude, order.get(k - 1).magnitude) == 0;
                }
                wanted.add(new Wanted(m, k));
                kept.add(keeps);
                values.add(ofModel);
            }
        }
        Selected selected = MagnitudeSelection.on(DEVICE).select(parts, wanted, ties);
        assertThat(selected.passes()).isLessThanOrEqualTo(3);
        for (int w = 0; w < wanted.size(); w++) {
            for (int p = 0; p < parts.size(); p++) {
                MagnitudeCut cut = selected.cuts().get(w).get(p);
                boolean[] keeps = new boolean[kept.get(w)[p].length];
                for (int i = 0; i < keeps.length; i++) {
                    keeps[i] = cut.keeps(values.get(w)[p][i], i);
                }
                assertThat(Arrays.mismatch(keeps, kept.get(w)[p]))
                        .as("first wrong element of tensor %d, %s, %s, seed %d", p, wanted.get(w), ties, Tensors.SEED)
                        .isEqualTo(-1);
            }
        }
    }

    private static float[] taskVector(Tensor base, Tensor x) {
        float[] delta = new float[(int) x.elements()];
        for (int i = 0; i < delta.length; i++) {
            double value = Elements.get(x, i);
            delta[i] = base == null
                    ? (float) value
                    : x.dtype() == DType.F64
                            ? (float) (value - Elements.get(base, i))
                            : (float) value - (float) Elements.get(base, i);
        }
        return delta;
    }
}
