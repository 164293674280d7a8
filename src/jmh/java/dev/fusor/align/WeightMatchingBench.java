package dev.fusor.align;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Matches two transformers of random weights, 14 layers of width 768, 99 million parameters, by the neurons and the heads of each
 * layer, and prints how long a sweep takes and what with.
 */
public final class WeightMatchingBench {
    private static final int LAYERS = 14;
    private static final int WIDTH = 768;
    private static final int HEADS = 12;
    private static final int NEURONS = 4 * WIDTH;
    private static final DType TYPE = DType.BF16;

    /** The first run waits for the compilers. */
    private static final int RUNS = 3;

    private WeightMatchingBench() {}

    /** Takes the number of threads, of sweeps, and "unrelated" or "planted": the second model is the first with its units shuffled. */
    public static void main(String[] arguments) {
        PermutationSpec spec = spec();
        try (Arena arena = Arena.ofShared(); CpuDevice device = CpuDevice.open(Integer.parseInt(arguments[0]))) {
            Map<String, Tensor> first = random(arena, spec, 1);
            Map<String, Tensor> second = arguments[2].equals("planted")
                    ? shuffled(arena, spec, first)
                    : random(arena, spec, 2);
            for (int run = 0; run < RUNS; run++) {
                Sweep sweep = new Sweep();
                Duration before = processorTime();
                WeightMatch match = WeightMatching.on(device).match(spec, first::get, second::get,
                        Permutations.identity(spec.groups()),
                        new WeightMatching.Options(0, 1e-9, Integer.parseInt(arguments[1])),
                        step -> sweep.add(step, spec));
                System.out.printf(
                        "run %d: objective %.6g of at most %.6g after %d sweeps, converged: %s; %.2f s of processors%n",
                        run, match.objective(), match.bound(), match.sweeps(), match.converged(),
                        seconds(processorTime().minus(before)));
            }
        }
    }

    private static Duration processorTime() {
        return ProcessHandle.current().info().totalCpuDuration().orElse(Duration.ZERO);
    }

    private static double seconds(Duration duration) {
        return duration.toNanos() / 1e9;
    }

    private static PermutationSpec spec() {
        List<PermutationGroup> groups = new ArrayList<>();
        Map<String, Shape> tensors = new LinkedHashMap<>();
        List<Occurrence> occurrences = new ArrayList<>();
        for (int layer = 0; layer < LAYERS; layer++) {
            PermutationGroup heads = new PermutationGroup("heads." + layer, HEADS);
            PermutationGroup neurons = new PermutationGroup("neurons." + layer, NEURONS);
            groups.add(heads);
            groups.add(neurons);
            for (String projection : new String[]{"q", "k", "v", "o"}) {
                String name = "layers.%d.%s".formatted(layer, projection);
                tensors.put(name, Shape.of(WIDTH, WIDTH));
                occurrences.add(new Occurrence(name, projection.equals("o") ? 1 : 0, 0, heads, WIDTH / HEADS));
            }
            tensors.put("layers.%d.up".formatted(layer), Shape.of(NEURONS, WIDTH));
            tensors.put("layers.%d.down".formatted(layer), Shape.of(WIDTH, NEURONS));
            occurrences.add(new Occurrence("layers.%d.up".formatted(layer), 0, 0, neurons, 1));
            occurrences.add(new Occurrence("layers.%d.down".formatted(layer), 1, 0, neurons, 1));
        }
        return new PermutationSpec(groups, tensors, occurrences);
    }

    private static Map<String, Tensor> random(Arena arena, PermutationSpec spec, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        Map<String, Tensor> model = new HashMap<>();
        spec.tensors().forEach((name, shape) -> {
            Tensor tensor = Tensor.allocate(arena, TYPE, shape.toArray());
            for (long i = 0; i < tensor.elements(); i++) {
                Elements.set(tensor, i, 0.02 * random.nextGaussian());
            }
            model.put(name, tensor);
        });
        return model;
    }

    private static Map<String, Tensor> shuffled(Arena arena, PermutationSpec spec, Map<String, Tensor> model) {
        SplittableRandom random = new SplittableRandom(3);
        Permutations permutations = Permutations.identity(spec.groups());
        for (PermutationGroup group : spec.groups()) {
            int[] units = permutations.of(group);
            for (int i = units.length - 1; i > 0; i--) {
                int other = random.nextInt(i + 1);
                int unit = units[i];
                units[i] = units[other];
                units[other] = unit;
            }
            permutations = permutations.with(group, units);
        }
        Map<String, Tensor> out = new HashMap<>();
        for (String name : spec.tensors().keySet()) {
            Tensor tensor = Tensor.allocate(arena, TYPE, spec.tensors().get(name).toArray());
            ((PermutedSource) PermutedSource.of(model.get(name), spec.in(name), permutations)).copy(0, tensor);
            out.put(name, tensor);
        }
        return out;
    }

    /** Adds up the steps of a sweep and prints the sums after the last. */
    private static final class Sweep {
        private int steps;
        private Duration similarity = Duration.ZERO;
        private Duration assignment = Duration.ZERO;
        private Duration check = Duration.ZERO;

        void add(MatchingStep step, PermutationSpec spec) {
            similarity = similarity.plus(step.similarity());
            assignment = assignment.plus(step.assignment());
            check = check.plus(step.check());
            if (++steps == spec.groups().size()) {
                System.out.printf("sweep %d: %.2f s, similarity %.2f, assignment %.2f, check %.2f; objective %.6g%n",
                        step.sweep(), seconds(similarity.plus(assignment).plus(check)), seconds(similarity),
                        seconds(assignment), seconds(check), step.objective());
                steps = 0;
                similarity = assignment = check = Duration.ZERO;
            }
        }
    }
}
