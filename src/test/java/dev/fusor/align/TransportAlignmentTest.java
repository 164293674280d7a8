package dev.fusor.align;

import dev.fusor.align.Networks.Weights;
import dev.fusor.align.TransportAlignment.Network;
import dev.fusor.align.TransportAlignment.Options;
import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

/** Against the definition in float64, on networks of integers, whose sums are exact; and on networks of the same function. */
class TransportAlignmentTest {
    private static final long SEED = Tensors.SEED;

    private final CpuDevice device = CpuDevice.open(2);

    @AfterEach
    void close() {
        device.close();
    }

    /** PyTorch has what a layer takes in on axis 1; but an embedding gives what is there. */
    private static boolean takenIn(Occurrence occurrence) {
        return occurrence.axis() == 1 && !occurrence.tensor().contains("embed");
    }

    private Map<String, Tensor> align(PermutationSpec spec, Map<String, Tensor> first, PermutationSpec other,
            Map<String, Tensor> second, Options options) {
        return TransportAlignment.align(device, new Network(spec, first::get), new Network(other, second::get),
                options, costs -> TransportMap.exact(device, costs));
    }

    /** What maps do, tensor by tensor and element by element, in float64. */
    private record Definition(PermutationSpec spec, Map<String, Tensor> first, PermutationSpec other,
            Map<String, Tensor> second, Map<String, double[][]> maps) {
        /** The element of the other's index, of the first network's tensor with all axes mapped but one. */
        double at(String tensor, long[] index, int axis, int except, long[] from) {
            Shape shape = spec.tensors().get(tensor);
            if (axis == index.length) {
                long flat = 0;
                for (int i = 0; i < from.length; i++) {
                    flat = flat * shape.extent(i) + from[i];
                }
                return Elements.get(first.get(tensor), flat);
            }
            if (axis == except) {
                from[axis] = index[axis];
                return at(tensor, index, axis + 1, except, from);
            }
            long shift = 0;
            for (int i = 0; i < spec.in(tensor).size(); i++) {
                Occurrence a = spec.in(tensor).get(i);
                Occurrence b = other.in(tensor).get(i);
                if (a.axis() == axis && index[axis] >= b.start() && index[axis] < b.end()) {
                    long inside = index[axis] - b.start();
                    double[][] map = maps.get(a.group().name());
                    double sum = 0;
                    for (int unit = 0; unit < map.length; unit++) {
                        from[axis] = a.start() + unit * a.block() + inside % b.block();
                        double weight = map[unit][(int) (inside / b.block())];
                        sum += weight == 0 ? 0 : weight * at(tensor, index, axis + 1, except, from);
                    }
                    return takenIn(a) ? sum * map.length / map[0].length : sum;
                }
                shift += a.axis() == axis && index[axis] >= b.end() ? b.length() - a.length() : 0;
            }
            from[axis] = index[axis] - shift;
            return at(tensor, index, axis + 1, except, from);
        }

        double[] mapped(String tensor) {
            Shape shape = other.tensors().get(tensor);
            double[] elements = new double[(int) shape.elements()];
            for (int i = 0; i < elements.length; i++) {
                elements[i] = at(tensor, index(i, shape), 0, -1, new long[shape.rank()]);
            }
            return elements;
        }

        static long[] index(long flat, Shape shape) {
            long[] index = new long[shape.rank()];
            long rest = flat;
            for (int axis = shape.rank() - 1; axis >= 0; axis--) {
                index[axis] = rest % shape.extent(axis);
                rest /= shape.extent(axis);
            }
            return index;
        }

        /** Whether all units are mapped that a tensor has on other axes than the one of an occurrence. */
        boolean known(Occurrence a) {
            return spec.in(a.tensor()).stream()
                    .allMatch(other -> other.axis() == a.axis() || maps.containsKey(other.group().name()));
        }

        /** The squared distances of the units of a group, by all that leads into them and is known. */
        Tensor costs(PermutationGroup group) {
            PermutationGroup to = other.group(group.name());
            Tensor costs = Tensor.allocate(Arena.ofAuto(), DType.F32, group.units(), to.units());
            for (String tensor : spec.tensors().keySet()) {
                for (int i = 0; i < spec.in(tensor).size(); i++) {
                    Occurrence a = spec.in(tensor).get(i);
                    Occurrence b = other.in(tensor).get(i);
                    if (a.group().equals(group) && !takenIn(a) && known(a)) {
                        add(tensor, a, b, costs);
                    }
                }
            }
            return costs;
        }

        private void add(String tensor, Occurrence a, Occurrence b, Tensor costs) {
            Shape shape = other.tensors().get(tensor);
            for (long flat = 0; flat < shape.elements(); flat++) {
                long[] index = index(flat, shape);
                long entry = index[b.axis()];
                if (entry < b.start() || entry >= b.end()) {
                    continue;
                }
                long j = (entry - b.start()) / b.block();
                for (int unit = 0; unit < a.group().units(); unit++) {
                    index[a.axis()] = a.start() + unit * a.block() + (entry - b.start()) % b.block();
                    double difference = at(tensor, index, 0, a.axis(), new long[index.length])
                            - Elements.get(second.get(tensor), flat);
                    long at = unit * costs.shape().extent(1) + j;
                    Elements.set(costs, at, Elements.get(costs, at) + difference * difference);
                }
            }
        }
    }

    /** The maps of a sweep after those of the ones before it. */
    private void sweep(Definition networks) {
        List<PermutationGroup> left = new ArrayList<>(networks.spec().groups());
        while (!left.isEmpty()) {
            PermutationGroup next = null;
            for (PermutationGroup group : left) {
                List<Occurrence> leading = networks.spec().of(group).stream().filter(a -> !takenIn(a)).toList();
                next = next == null && leading.stream().allMatch(networks::known) ? group : next;
            }
            for (int i = 0; next == null; i++) {
                boolean begins = networks.spec().of(left.get(i)).stream().anyMatch(a -> !takenIn(a)
                        && networks.spec().tensors().get(a.tensor()).rank() > 1 && networks.known(a));
                next = begins ? left.get(i) : null;
            }
            networks.maps().put(next.name(), rows(TransportMap.exact(device, networks.costs(next))));
            left.remove(next);
        }
    }

    private static double[][] rows(TransportMap map) {
        double[] flat = Tensors.values(map.weights());
        double[][] rows = new double[(int) map.weights().shape().extent(0)][(int) map.weights().shape().extent(1)];
        for (int i = 0; i < flat.length; i++) {
            rows[i / rows[0].length][i % rows[0].length] = flat[i];
        }
        return rows;
    }

    /** The same spec with some times as many units. */
    private static PermutationSpec times(PermutationSpec spec, int times) {
        Map<String, PermutationGroup> groups = new LinkedHashMap<>();
        spec.groups().forEach(group -> groups.put(group.name(),
                new PermutationGroup(group.name(), times * group.units())));
        Map<String, Shape> tensors = new LinkedHashMap<>();
        List<Occurrence> occurrences = new ArrayList<>();
        spec.tensors().forEach((name, shape) -> {
            long[] extents = shape.toArray();
            List<Occurrence> inOrder = spec.in(name).stream()
                    .sorted(Comparator.comparingInt(Occurrence::axis).thenComparingLong(Occurrence::start)).toList();
            for (Occurrence place : inOrder) {
                long before = extents[place.axis()] - shape.extent(place.axis());
                occurrences.add(new Occurrence(name, place.axis(), place.start() + before,
                        groups.get(place.group().name()), place.block()));
                extents[place.axis()] += (times - 1) * place.length();
            }
            tensors.put(name, Shape.of(extents));
        });
        return new PermutationSpec(groups.values(), tensors, occurrences);
    }

    /** Each unit some times, in any order, each with its share of what it leads to. */
    private static Map<String, Tensor> duplicated(PermutationSpec spec, Map<String, Tensor> model, int times) {
        PermutationSpec wide = times(spec, times);
        Permutations order = WeightMatchingTest.shuffled(wide, times);
        Map<String, Tensor> out = new HashMap<>();
        wide.tensors().forEach((name, shape) -> {
            Tensor from = model.get(name);
            if (spec.in(name).isEmpty()) {
                out.put(name, from);
                return;
            }
            Tensor to = Tensor.allocate(Arena.ofAuto(), from.dtype(), shape.toArray());
            for (long flat = 0; flat < to.elements(); flat++) {
                long[] index = Definition.index(flat, shape);
                double share = 1;
                for (int i = 0; i < wide.in(name).size(); i++) {
                    Occurrence b = wide.in(name).get(i);
                    Occurrence a = spec.in(name).get(i);
                    long inside = Definition.index(flat, shape)[b.axis()] - b.start();
                    if (inside >= 0 && inside < b.length()) {
                        int unit = order.of(b.group())[(int) (inside / b.block())] / times;
                        index[b.axis()] = a.start() + unit * a.block() + inside % b.block();
                        share /= takenIn(b) ? times : 1;
                    }
                }
                long source = 0;
                for (int axis = 0; axis < index.length; axis++) {
                    source = source * from.shape().extent(axis) + index[axis];
                }
                Elements.set(to, flat, Elements.get(from, source) * share);
            }
            out.put(name, to);
        });
        return out;
    }

    private static Map<String, Tensor> narrowed(Weights weights) {
        Map<String, Tensor> narrow = new HashMap<>();
        weights.tensors().forEach((name, tensor) -> narrow.put(name, name.endsWith("num_batches_tracked")
                ? tensor
                : WeightMatchingCudaTest.narrowed(DType.F32, tensor)));
        return narrow;
    }

    private static void assertSame(Map<String, Tensor> found, Map<String, Tensor> wanted, String what) {
        assertThat(found.keySet()).isEqualTo(wanted.keySet());
        wanted.forEach((name, tensor) -> {
            assertThat(found.get(name).shape()).as(name).isEqualTo(tensor.shape());
            assertThat(Tensors.bytes(found.get(name))).as("%s, %s, seed %d", name, what, SEED)
                    .isEqualTo(Tensors.bytes(tensor));
        });
    }

    /** Convolutions with norms, depthwise ones, flattened ones; residual streams with and without a stride; heads, neurons. */
    @ParameterizedTest
    @EnumSource(value = FunctionTest.Example.class, mode = Mode.EXCLUDE, names = {"LLAMA", "GPT2"})
    void networksOfAnyWidthsAreAlignedAsDefined(FunctionTest.Example example) throws SpecException {
        PermutationSpec spec = times(example.spec(), 1);
        SplittableRandom random = new SplittableRandom(SEED);
        for (int[] widths : new int[][]{{1, 1}, {1, 2}, {2, 1}}) {
            PermutationSpec from = times(spec, widths[0]);
            PermutationSpec to = times(spec, widths[1]);
            Map<String, Tensor> first = WeightMatchingTest.integers(from, random);
            Map<String, Tensor> second = WeightMatchingTest.integers(to, random);
            Definition definition = new Definition(from, first, to, second, new HashMap<>());
            for (int sweeps = 1; sweeps < 4; sweeps++) {
                sweep(definition);
                Map<String, Tensor> aligned = align(from, first, to, second,
                        new Options(TransportAlignmentTest::takenIn, sweeps));
                for (String tensor : from.tensors().keySet()) {
                    assertThat(aligned.get(tensor).shape()).as(tensor).isEqualTo(to.tensors().get(tensor));
                    assertThat(Tensors.values(aligned.get(tensor)))
                            .as("%s, %d to %d times, %d sweeps, seed %d", tensor, widths[0], widths[1], sweeps, SEED)
                            .isEqualTo(definition.mapped(tensor));
                }
            }
        }
    }

    /** Once: the permutation is found. More often: a wider network of the same function, up to rounding (docs/adr/035). */
    @ParameterizedTest
    @EnumSource(value = FunctionTest.Example.class, names = {"MLP", "CNN", "RES_NET", "PADDED_RES_NET"})
    void unitsThatAreShuffledAndRepeatedAreFound(FunctionTest.Example example) throws SpecException {
        PermutationSpec spec = times(example.spec(), 1);
        Map<String, Tensor> network = narrowed(Weights.random(spec.tensors(), SEED));
        double[] function = example.compute(new Weights(network));
        double largest = Arrays.stream(function).map(Math::abs).max().orElseThrow();
        for (int times : new int[]{1, 2}) {
            PermutationSpec wide = times(spec, times);
            Map<String, Tensor> repeated = duplicated(spec, network, times);
            double[] same = example.compute(new Weights(repeated));
            for (int i = 0; i < same.length; i++) {
                assertThat(same[i]).as("seed %d", SEED).isCloseTo(function[i], within(1e-9 * largest));
            }
            for (Options options : List.of(new Options(Options.DEFAULT.takenIn(), 1), Options.DEFAULT)) {
                String what = "%d times, %d sweeps".formatted(times, options.sweeps());
                assertSame(align(spec, network, wide, repeated, options), repeated, "widened " + what);
                assertSame(align(wide, repeated, spec, network, options), network, "narrowed " + what);
            }
        }
    }

    @Test
    void wrongNetworksAreNamed() {
        PermutationSpec spec = WeightMatchingTest.perceptron(2, 3, 2);
        assertRefused(spec, WeightMatchingTest.perceptron(2, 3, 3, 2),
                "networks are aligned that have the same groups, got [hidden0] and [hidden0, hidden1]");
        assertRefused(spec, WeightMatchingTest.perceptron(4, 3, 2),
                "tensor 'weight0' is [3, 2] with [Occurrence[tensor=weight0, axis=0, start=0, group=PermutationGroup[name=hidden0, units=3], block=1]] in one network and [3, 4] with [Occurrence[tensor=weight0, axis=0, start=0, group=PermutationGroup[name=hidden0, units=3], block=1]] in the other: wanted the same groups in the same places, and as many entries beside them");
        PermutationGroup a = new PermutationGroup("a", 2);
        PermutationGroup b = new PermutationGroup("b", 3);
        PermutationSpec taken = new PermutationSpec(List.of(a), Map.of("w", Shape.of(3, 2)),
                List.of(new Occurrence("w", 1, 0, a, 1)));
        assertRefused(taken, taken,
                "units of group 'a' are taken in wherever they occur, and nothing leads into them that they could be compared by");
        PermutationSpec round = new PermutationSpec(List.of(a, b), Map.of("ab", Shape.of(2, 3), "ba", Shape.of(3, 2)),
                List.of(new Occurrence("ab", 0, 0, a, 1), new Occurrence("ab", 1, 0, b, 1),
                        new Occurrence("ba", 0, 0, b, 1), new Occurrence("ba", 1, 0, a, 1)));
        assertRefused(round, round, "groups [a, b] lead into each other alone, and there is none to begin with");
        PermutationSpec renamed = new PermutationSpec(List.of(a), Map.of("v", Shape.of(2)),
                List.of(new Occurrence("v", 0, 0, a, 1)));
        assertRefused(taken, renamed, "networks are aligned that have the same tensors, got [w] and [v]");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> TransportAlignment.align(device, new Network(spec, name -> null),
                        new Network(spec, name -> null), Options.DEFAULT, costs -> TransportMap.exact(device, costs)))
                .withMessage(
                        "tensor 'weight0' of the first model: wanted numbers of shape [3, 2], got no such tensor");
        assertThatIllegalArgumentException().isThrownBy(() -> new Options(occurrence -> true, 0))
                .withMessage("networks are aligned in 1 or more sweeps, got 0");
    }

    private void assertRefused(PermutationSpec first, PermutationSpec second, String message) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> align(first, WeightMatchingTest.gaussian(first, 1), second,
                        WeightMatchingTest.gaussian(second, 2), Options.DEFAULT))
                .withMessage(message);
    }
}
