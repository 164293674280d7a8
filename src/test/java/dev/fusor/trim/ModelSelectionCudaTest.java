package dev.fusor.trim;

import dev.fusor.simulator.RequiresCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.testing.CudaTensors;
import dev.fusor.testing.Tensors;
import dev.fusor.trim.MagnitudeSelection.Part;
import dev.fusor.trim.MagnitudeSelection.Selected;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/** One cut through all tensors of a model that lie in device memory, or come there, against sorting them all. */
@RequiresCuda
class ModelSelectionCudaTest extends CudaTensors {
    private static final double[] FRACTIONS = {0, 1e-5, 0.2, 0.93, 1};

    /** Tensors on this side, of which some are looked at as they come. */
    private record Host(Tensor base, List<Tensor> models) {}

    private static Host host(DType type, int length, int models, int seed, double deviation) {
        Tensor base = Tensors.random(type, length, 100 + seed, null, 0.02);
        return new Host(base, IntStream.range(0, models)
                .mapToObj(m -> Tensors.random(type, length, 200 + 10 * seed + m, base, deviation)).toList());
    }

    private static List<Host> hosts(DType[] types, int... lengths) {
        List<Host> hosts = new ArrayList<>();
        for (int p = 0; p < lengths.length; p++) {
            hosts.add(host(types[p % types.length], lengths[p], 2, p, 1e-3 * (1 + p % 3)));
        }
        return hosts;
    }

    private Part there(Host host, int shift) {
        return new Part(there(host.base, shift), host.models.stream().<TensorSource>map(x -> there(x, shift)).toList());
    }

    private static Part source(Host host) {
        return new Part(host.base, List.<TensorSource>copyOf(host.models));
    }

    /** Ranges of so many elements, the last tensor first, each in memory of its own. */
    private MagnitudeSelectionCuda.Feed feed(int range) {
        return (parts, receiver) -> {
            for (int p = parts.size() - 1; p >= 0; p--) {
                Part part = parts.get(p);
                long length = part.base().elements();
                for (long from = 0; from < length; from += range) {
                    long n = Math.min(range, length - from);
                    long at = from;
                    receiver.take(p, from, there(part.base().slice(at, n), 0),
                            part.models().stream().map(x -> there(x.slice(at, n), 0)).toList());
                }
            }
        };
    }

    @Test
    void keepsWhatSortingTheWholeModelKeeps() {
        DType[] types = {DType.BF16, DType.F32, DType.BF16};
        for (int[] lengths : new int[][]{{0}, {1}, {0, 3, 0, 0, 5, 0}, {40_000, 1, 32_768, 32_769},
            {1, 0, 70_001, 32, 4096, 50_000, 31, 3, 0}}) {
            List<Host> hosts = hosts(types, lengths);
            List<Part> parts = hosts.stream().map(host -> there(host, 0)).toList();
            for (Ties ties : Ties.values()) {
                check(hosts, ties, wanted -> MagnitudeSelectionCuda.on(stream).select(parts, wanted, ties), 2);
            }
        }
    }

    @Test
    void tensorsMayBeManyAndStartAtAnyElement() {
        List<Host> hosts = hosts(new DType[]{DType.F16}, IntStream.range(0, 60).map(p -> 37 * p).toArray());
        List<Part> parts = IntStream.range(0, 60).mapToObj(p -> there(hosts.get(p), p % 3)).toList();
        check(hosts, Ties.EXACT_K, wanted -> MagnitudeSelectionCuda.on(stream).select(parts, wanted, Ties.EXACT_K),
                1);
    }

    /** As where there are a billion: few may be gathered, and launches are many. */
    @Test
    void moreElementsThanOneLaunchTakesAreSelectedFrom() {
        List<Host> hosts = hosts(new DType[]{DType.BF16}, 100_000, 7, 240_001);
        List<Part> parts = hosts.stream().map(host -> there(host, 0)).toList();
        check(hosts, Ties.EXACT_K, wanted -> new MagnitudeSelectionCuda(stream, 0, 1 << 16).select(parts, wanted,
                Ties.EXACT_K), 4);
    }

    @Test
    void tensorsMayComeRangeByRange() {
        List<Host> hosts = hosts(new DType[]{DType.BF16, DType.F32}, 70_001, 0, 5, 90_000);
        List<Part> parts = hosts.stream().map(ModelSelectionCudaTest::source).toList();
        for (int range : new int[]{4096, 50_000, 1 << 17}) {
            check(hosts, Ties.EXACT_K, wanted -> MagnitudeSelectionCuda.on(stream).select(parts, wanted,
                    Ties.EXACT_K, feed(range)), 2);
        }
    }

    /** Everything that is sampled is unlike the rest; and tensors are unlike each other. */
    @Test
    void staysExactWhereTheSampleIsWrong() {
        int length = 150_000;
        Tensor one = Tensors.zeros(DType.F32, length);
        Tensor two = Tensors.zeros(DType.F32, length);
        int stretch = 2 * length / MagnitudeSample.runs(2 * length, 1 << 16);
        for (int i = 0; i < 2 * length; i++) {
            boolean sampled = i - MagnitudeSample.start(i / stretch, stretch) >>> 7 == 0;
            Elements.set(i < length ? one : two, i % length, sampled ? 1 : i < length ? i + 2 : -3);
        }
        List<Host> hosts = List.of(new Host(null, List.of(one)), new Host(null, List.of(two)));
        List<Part> parts = hosts.stream().map(host -> new Part(null, List.of(there(host.models.getFirst(), 0))))
                .toList();
        check(hosts, Ties.EXACT_K, wanted -> MagnitudeSelectionCuda.on(stream).select(parts, wanted, Ties.EXACT_K),
                6);
    }

    @Test
    void aSharedBaseIsReadOnceAndCutsTwice() {
        Host host = host(DType.BF16, 400_000, 3, 1, 2e-3);
        List<Wanted> wanted = List.of(new Wanted(0, 80_000), new Wanted(1, 80_000), new Wanted(1, 4000),
                new Wanted(2, 400_000));
        Selected selected = MagnitudeSelectionCuda.on(stream).select(List.of(there(host, 0)), wanted, Ties.EXACT_K);
        assertThat(selected.passes()).as("seed %d", Tensors.SEED).isEqualTo(1);
        assertThat(selected.bytesRead() / (3 * 2 * 400_000.0)).as("base and two models, seed %d", Tensors.SEED)
                .isBetween(1.0, 1.3);
        Selected nothing = MagnitudeSelectionCuda.on(stream).select(List.of(there(host, 0)),
                List.of(new Wanted(0, 0), new Wanted(2, 400_000)), Ties.EXACT_K);
        assertThat(nothing).isEqualTo(new Selected(List.of(List.of(MagnitudeCut.NONE), List.of(MagnitudeCut.ALL)),
                0, 0));
    }

    private interface Select {
        Selected of(List<Wanted> wanted);
    }

    /** An element of a model: its key, the tensor it is in, and where. */
    private record Element(int key, int part, int index) {}

    /** The definition: sort all elements by magnitude, equals by tensor and index, keep the first k, or all of their like. */
    private static void check(List<Host> hosts, Ties ties, Select select, int passes) {
        int models = hosts.getFirst().models.size();
        List<List<Element>> orders = new ArrayList<>();
        List<Wanted> wanted = new ArrayList<>();
        for (int m = 0; m < models; m++) {
            List<Element> order = new ArrayList<>();
            for (int p = 0; p < hosts.size(); p++) {
                Host host = hosts.get(p);
                for (int i = 0; i < host.models.get(m).elements(); i++) {
                    float value = (float) Elements.get(host.models.get(m), i);
                    order.add(new Element(MagnitudeCut.keyOf(
                            host.base == null ? value : value - (float) Elements.get(host.base, i)), p, i));
                }
            }
            order.sort(Comparator.comparingInt(Element::key).reversed());
            for (double fraction : FRACTIONS) {
                orders.add(order);
                wanted.add(new Wanted(m, (long) (fraction * order.size())));
            }
        }
        Selected selected = select.of(wanted);
        assertThat(selected.passes()).as("seed %d", Tensors.SEED).isLessThanOrEqualTo(passes);
        for (int w = 0; w < wanted.size(); w++) {
            int k = (int) wanted.get(w).k();
            List<Element> order = orders.get(w);
            for (int p = 0; p < hosts.size(); p++) {
                MagnitudeCut cut = selected.cuts().get(w).get(p);
                MagnitudeCut expected = k == 0 ? MagnitudeCut.NONE : MagnitudeCut.ALL;
                if (k > 0 && k < order.size()) {
                    // Sorting is stable: equals are in the order of tensors and places.
                    Element last = order.get(k - 1);
                    expected = new MagnitudeCut(last.key, ties == Ties.ALL_TIES || p < last.part
                            ? Long.MAX_VALUE
                            : p == last.part ? last.index : -1);
                }
                assertThat(cut).as("tensor %d, %s, %s, seed %d", p, wanted.get(w), ties, Tensors.SEED)
                        .isEqualTo(expected);
            }
        }
    }
}
