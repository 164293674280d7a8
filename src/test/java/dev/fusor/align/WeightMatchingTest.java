package dev.fusor.align;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class WeightMatchingTest {
    private static final long SEED = Tensors.SEED;
    private static final WeightMatching.Options EXACT = new WeightMatching.Options(SEED, 0, 100);

    private final CpuDevice device = CpuDevice.open(2);

    @AfterEach
    void close() {
        device.close();
    }

    /** Inputs and outputs are wide enough to tell units apart before their neighbours are matched. */
    @Test
    void findsThePermutationsThatWereAppliedToAPerceptron() {
        for (int width : new int[]{1, 2, 31, 33, 100}) {
            PermutationSpec spec = perceptron(4 * width + 20, width, width + 1, 4 * width + 20);
            Map<String, Tensor> first = gaussian(spec, 1);
            Permutations planted = shuffled(spec, width);
            Map<String, Tensor> second = permuted(spec, first, planted.inverse());
            Run run = match(spec, first, second, 2);
            assertThat(run.match.permutations()).as("width %d, seed %d", width, SEED).isEqualTo(planted);
            assertThat(run.match.converged()).isTrue();
        }
    }

    @Test
    void findsThemUnderNoise() {
        PermutationSpec spec = perceptron(200, 64, 48, 200);
        Map<String, Tensor> first = gaussian(spec, 1);
        Permutations planted = shuffled(spec, 3);
        Map<String, Tensor> second = permuted(spec, first, planted.inverse());
        second.replaceAll((name, tensor) -> Tensor.of(
                Tensors.random(DType.F32, tensor.elements(), name.hashCode(), tensor, 0.1).data(), DType.F32,
                tensor.shape()));
        assertThat(match(spec, first, second, 2).match.permutations()).as("seed %d", SEED).isEqualTo(planted);
    }

    @Test
    void oneGroupAloneIsMatchedBestInOneSweep() {
        SplittableRandom random = new SplittableRandom(SEED);
        for (int round = 0; round < 30; round++) {
            int units = 1 + random.nextInt(6);
            int block = 1 + random.nextInt(3);
            PermutationGroup group = new PermutationGroup("g", units);
            PermutationSpec spec = new PermutationSpec(List.of(group),
                    Map.of("rows", Shape.of(units * block + 1, 3), "columns", Shape.of(2, units, 2)),
                    List.of(new Occurrence("rows", 0, 1, group, block), new Occurrence("columns", 1, 0, group, 1)));
            Map<String, Tensor> first = integers(spec, random);
            Map<String, Tensor> second = integers(spec, random);
            Run run = match(spec, first, second, 1);
            double best = Double.NEGATIVE_INFINITY;
            for (int[] order : orders(units)) {
                best = Math.max(best, objective(spec, first,
                        permuted(spec, second, new Permutations(Map.of(group, order)))));
            }
            assertThat(run.match.objective()).as("round %d, seed %d", round, SEED).isEqualTo(best);
            assertThat(run.match.sweeps()).isLessThanOrEqualTo(2);
            assertThat(run.match.converged()).isTrue();
        }
    }

    /** Small integers: all sums are exact, so that what is reported can be compared with the definition as it is. */
    @Test
    void theObjectiveNeverFallsAndIsWhatIsReported() {
        SplittableRandom random = new SplittableRandom(SEED);
        int moves = 0;
        for (int round = 0; round < 60; round++) {
            PermutationSpec spec = randomSpec(random);
            Map<String, Tensor> first = integers(spec, random);
            Map<String, Tensor> second = integers(spec, random);
            Permutations start = shuffled(spec, round);
            List<MatchingStep> steps = new ArrayList<>();
            WeightMatch match = WeightMatching.on(device).match(spec, first::get, second::get, start, EXACT,
                    steps::add);
            double before = objective(spec, first, permuted(spec, second, start));
            for (MatchingStep step : steps) {
                String what = "round %d, %s, seed %d".formatted(round, step, SEED);
                if (step.moved()) {
                    assertThat(step.objective()).as(what).isGreaterThan(before);
                    moves++;
                } else {
                    assertThat(step.objective()).as(what).isEqualTo(before);
                }
                before = step.objective();
            }
            assertThat(match.objective()).isEqualTo(before)
                    .isEqualTo(objective(spec, first, permuted(spec, second, match.permutations())));
            assertThat(match.bound())
                    .isEqualTo(Math.sqrt(objective(spec, first, first)) * Math.sqrt(objective(spec, second, second)));
            assertThat(match.converged()).isTrue();
            WeightMatch again = WeightMatching.on(device).match(spec, first::get, second::get, match.permutations(),
                    EXACT, step -> assertThat(step.moved()).isFalse());
            assertThat(again.permutations()).isEqualTo(match.permutations());
            assertThat(steps).hasSize(match.sweeps() * spec.groups().size());
        }
        assertThat(moves).as("steps that found something").isGreaterThan(60);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 8})
    void theResultDoesNotDependOnTheNumberOfThreads(int threads) {
        PermutationSpec spec = perceptron(9, 70, 65, 4);
        Map<String, Tensor> first = gaussian(spec, 1);
        Map<String, Tensor> second = gaussian(spec, 2);
        assertThat(match(spec, first, second, threads)).as("%d threads, seed %d", threads, SEED)
                .isEqualTo(match(spec, first, second, 2));
    }

    @Test
    void theSeedDecidesTheOrderOfGroups() {
        PermutationSpec spec = perceptron(2, 3, 4, 5, 6, 7, 8, 9, 2);
        Map<String, Tensor> first = gaussian(spec, 1);
        List<List<PermutationGroup>> orders = new ArrayList<>();
        for (long seed : new long[]{1, 2, 1}) {
            List<PermutationGroup> order = new ArrayList<>();
            WeightMatching.on(device).match(spec, first::get, first::get, Permutations.identity(spec.groups()),
                    new WeightMatching.Options(seed, 0, 1), step -> order.add(step.group()));
            orders.add(order);
        }
        assertThat(orders.get(0)).hasSize(7).isEqualTo(orders.get(2)).isNotEqualTo(orders.get(1));
    }

    @Test
    void limitsOfSweepsAndGainsAreKept() {
        PermutationSpec spec = perceptron(5, 20, 20, 3);
        Map<String, Tensor> first = gaussian(spec, 1);
        Map<String, Tensor> second = gaussian(spec, 2);
        Permutations identity = Permutations.identity(spec.groups());
        WeightMatching matching = WeightMatching.on(device);
        WeightMatch none = matching.match(spec, first::get, second::get, identity,
                new WeightMatching.Options(0, 0, 0), step -> {});
        assertThat(none.permutations()).isEqualTo(identity);
        assertThat(none.converged()).isFalse();
        WeightMatch nothingGained = matching.match(spec, first::get, second::get, identity,
                new WeightMatching.Options(0, 2, 5), step -> assertThat(step.moved()).isFalse());
        assertThat(nothingGained.permutations()).isEqualTo(identity);
        assertThat(nothingGained.sweeps()).isEqualTo(1);
    }

    @Test
    void wrongModelsAreNamed() {
        PermutationSpec spec = perceptron(2, 3, 2);
        Map<String, Tensor> good = gaussian(spec, 1);
        Map<String, Tensor> bad = new HashMap<>(good);
        bad.remove("weight1");
        assertRefused(spec, good, bad,
                "tensor 'weight1' of the second model: wanted numbers of shape [2, 3], got no such tensor");
        bad.put("weight1", Tensor.allocate(Arena.ofAuto(), DType.F32, 3, 2));
        assertRefused(spec, good, bad,
                "tensor 'weight1' of the second model: wanted numbers of shape [2, 3], got F32 [3, 2]");
        bad.put("weight1", Tensor.allocate(Arena.ofAuto(), DType.I32, 2, 3));
        assertRefused(spec, bad, good,
                "tensor 'weight1' of the first model: wanted numbers of shape [2, 3], got I32 [2, 3]");
        Tensor nan = Tensor.allocate(Arena.ofAuto(), DType.F32, 2, 3);
        Elements.set(nan, 4, Double.NaN);
        bad.put("weight1", nan);
        assertRefused(spec, good, bad,
                "tensor 'weight1' of the second model holds NaN or infinities and cannot be matched");
        Tensor large = Tensor.allocate(Arena.ofAuto(), DType.F32, 2, 3);
        Elements.set(large, 4, 1e30);
        Map<String, Tensor> overflowing = new HashMap<>(good);
        overflowing.put("weight1", large);
        assertThatThrownBy(() -> match(spec, overflowing, overflowing, 1)).isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith(
                        "the similarities of permutation group 'hidden0': the cost at [1, 1] is Infinity");
        assertThatThrownBy(() -> new WeightMatching.Options(0, Double.NaN, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("weight matching takes a tolerance and a number of sweeps from 0, got NaN and 1");
    }

    private void assertRefused(PermutationSpec spec, Map<String, Tensor> first, Map<String, Tensor> second,
            String message) {
        assertThatThrownBy(() -> match(spec, first, second, 1)).isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message);
    }

    private record Run(WeightMatch match, List<Double> objectives) {}

    private static Run match(PermutationSpec spec, Map<String, Tensor> first, Map<String, Tensor> second,
            int threads) {
        List<Double> objectives = new ArrayList<>();
        try (CpuDevice device = CpuDevice.open(threads)) {
            WeightMatch match = WeightMatching.on(device).match(spec, first::get, second::get,
                    Permutations.identity(spec.groups()), EXACT, step -> objectives.add(step.objective()));
            return new Run(match, objectives);
        }
    }

    /** Layers of weights [out, in] and biases; a group for each hidden layer. */
    static PermutationSpec perceptron(int... widths) {
        List<PermutationGroup> groups = new ArrayList<>();
        Map<String, Shape> tensors = new LinkedHashMap<>();
        List<Occurrence> occurrences = new ArrayList<>();
        for (int layer = 0; layer + 1 < widths.length; layer++) {
            tensors.put("weight" + layer, Shape.of(widths[layer + 1], widths[layer]));
            tensors.put("bias" + layer, Shape.of(widths[layer + 1]));
            if (layer > 0) {
                occurrences.add(new Occurrence("weight" + layer, 1, 0, groups.getLast(), 1));
            }
            if (layer + 2 < widths.length) {
                groups.add(new PermutationGroup("hidden" + layer, widths[layer + 1]));
                occurrences.add(new Occurrence("weight" + layer, 0, 0, groups.getLast(), 1));
                occurrences.add(new Occurrence("bias" + layer, 0, 0, groups.getLast(), 1));
            }
        }
        return new PermutationSpec(groups, tensors, occurrences);
    }

    /** Up to four groups in up to six tensors of up to three axes, in blocks and parts; one group on several axes too. */
    static PermutationSpec randomSpec(SplittableRandom random) {
        List<PermutationGroup> groups = new ArrayList<>();
        for (int i = 0; i < 1 + random.nextInt(4); i++) {
            groups.add(new PermutationGroup("group" + i, 1 + random.nextInt(7)));
        }
        Map<String, Shape> tensors = new LinkedHashMap<>();
        List<Occurrence> occurrences = new ArrayList<>();
        List<PermutationGroup> left = new ArrayList<>(groups);
        for (int t = 0; t < 6 || !left.isEmpty(); t++) {
            long[] extents = new long[1 + random.nextInt(3)];
            for (int axis = 0; axis < extents.length; axis++) {
                long end = 0;
                for (int part = random.nextInt(3); part > 0; part--) {
                    PermutationGroup group = groups.get(random.nextInt(groups.size()));
                    Occurrence occurrence = new Occurrence("tensor" + t, axis, end + random.nextInt(2), group,
                            1 + random.nextInt(3));
                    occurrences.add(occurrence);
                    left.remove(group);
                    end = occurrence.end();
                }
                extents[axis] = end + random.nextInt(2) + (end == 0 ? 1 : 0);
            }
            tensors.put("tensor" + t, Shape.of(extents));
        }
        return new PermutationSpec(groups, tensors, occurrences);
    }

    static Map<String, Tensor> gaussian(PermutationSpec spec, long seed) {
        Map<String, Tensor> model = new HashMap<>();
        spec.tensors().forEach((name, shape) -> model.put(name,
                Tensor.of(Tensors.random(DType.F32, shape.elements(), seed * 1000 + name.hashCode(), null, 1).data(),
                        DType.F32, shape)));
        return model;
    }

    static Map<String, Tensor> integers(PermutationSpec spec, SplittableRandom random) {
        Map<String, Tensor> model = new HashMap<>();
        spec.tensors().forEach((name, shape) -> {
            Tensor tensor = Tensor.allocate(Arena.ofAuto(), DType.F32, shape.toArray());
            for (long i = 0; i < tensor.elements(); i++) {
                Elements.set(tensor, i, random.nextInt(-4, 5));
            }
            model.put(name, tensor);
        });
        return model;
    }

    static Permutations shuffled(PermutationSpec spec, long seed) {
        Random random = new Random(SEED + seed);
        Map<PermutationGroup, int[]> permutations = new LinkedHashMap<>();
        for (PermutationGroup group : spec.groups()) {
            List<Integer> order = new ArrayList<>(IntStream.range(0, group.units()).boxed().toList());
            Collections.shuffle(order, random);
            permutations.put(group, order.stream().mapToInt(Integer::intValue).toArray());
        }
        return new Permutations(permutations);
    }

    /** Element by element: the entry of a place comes from the unit that takes it. */
    static Map<String, Tensor> permuted(PermutationSpec spec, Map<String, Tensor> model, Permutations permutations) {
        Map<String, Tensor> out = new HashMap<>();
        spec.tensors().forEach((name, shape) -> {
            Tensor from = model.get(name);
            Tensor to = Tensor.allocate(Arena.ofAuto(), from.dtype(), shape.toArray());
            for (long element = 0; element < to.elements(); element++) {
                long rest = element;
                long source = 0;
                long stride = 1;
                for (int axis = shape.rank() - 1; axis >= 0; axis--) {
                    long entry = rest % shape.extent(axis);
                    rest /= shape.extent(axis);
                    for (Occurrence occurrence : spec.in(name)) {
                        if (occurrence.axis() == axis && entry >= occurrence.start() && entry < occurrence.end()) {
                            long inside = entry - occurrence.start();
                            int unit = permutations.of(occurrence.group())[(int) (inside / occurrence.block())];
                            entry = occurrence.start() + unit * occurrence.block() + inside % occurrence.block();
                            break;
                        }
                    }
                    source += entry * stride;
                    stride *= shape.extent(axis);
                }
                Elements.set(to, element, Elements.get(from, source));
            }
            out.put(name, to);
        });
        return out;
    }

    /** Over the tensors in which a group occurs. */
    static double objective(PermutationSpec spec, Map<String, Tensor> first, Map<String, Tensor> second) {
        double objective = 0;
        for (String name : spec.tensors().keySet()) {
            if (!spec.in(name).isEmpty()) {
                for (long i = 0; i < first.get(name).elements(); i++) {
                    objective += Elements.get(first.get(name), i) * Elements.get(second.get(name), i);
                }
            }
        }
        return objective;
    }

    private static List<int[]> orders(int units) {
        if (units == 0) {
            return List.of(new int[0]);
        }
        List<int[]> orders = new ArrayList<>();
        for (int[] shorter : orders(units - 1)) {
            for (int at = 0; at < units; at++) {
                int[] order = new int[units];
                System.arraycopy(shorter, 0, order, 0, at);
                order[at] = units - 1;
                System.arraycopy(shorter, at, order, at + 1, units - 1 - at);
                orders.add(order);
            }
        }
        return orders;
    }
}
