package dev.fusor.align;

import dev.fusor.arithmetic.WeightedSum;
import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * Brings the units of many models together (Git Re-Basin, <a href="https://arxiv.org/abs/2209.04836">arXiv:2209.04836</a>, algorithm
 * 3): one model after the other is matched by its weights with the mean of all others, in F32, until nobody moves. Rounds go
 * through the models in an order shuffled by {@link Random} of the seed. The sum over all pairs of models of the products of
 * their corresponding weights never falls, but for the rounding of means.
 *
 * <p>The mean takes the memory of one model in F32, and of a tensor of each other while it is made.
 */
public final class ManyMatching {
    private final CpuDevice device;

    private ManyMatching(CpuDevice device) {
        this.device = device;
    }

    /**
     * {@return the matching of many models on a device}
     *
     * @param device runs it
     */
    public static ManyMatching on(CpuDevice device) {
        return new ManyMatching(device);
    }

    /**
     * {@return permutations of each model}
     *
     * @param spec the groups and where they occur
     * @param models the tensors of each, by name
     * @param options as for two models; the number of sweeps bounds the rounds as well
     * @throws IllegalArgumentException if a tensor is missing (null), of another shape than in the spec, of no arithmetic type, or
     * holds NaN or infinities; if similarities overflow float32
     */
    public List<Permutations> match(PermutationSpec spec, List<Function<String, Tensor>> models,
            WeightMatching.Options options) {
        for (int model = 0; model < models.size(); model++) {
            ModelCheck.sumOfSquares(device, spec, "model " + model, models.get(model));
        }
        Permutations[] permutations = new Permutations[models.size()];
        Arrays.fill(permutations, Permutations.identity(spec.groups()));
        List<Integer> order = new ArrayList<>(IntStream.range(0, models.size()).boxed().toList());
        Random random = new Random(options.seed());
        boolean moved = models.size() > 1;
        for (int round = 0; moved && round < options.maxSweeps(); round++) {
            Collections.shuffle(order, random);
            moved = false;
            for (int model : order) {
                Permutations found = matchOne(spec, models, permutations, model, options);
                moved |= !found.equals(permutations[model]);
                permutations[model] = found;
            }
        }
        return List.of(permutations);
    }

    private Permutations matchOne(PermutationSpec spec, List<Function<String, Tensor>> models,
            Permutations[] permutations, int model, WeightMatching.Options options) {
        try (Arena arena = Arena.ofShared()) {
            Map<String, Tensor> mean = new HashMap<>();
            for (String name : spec.tensors().keySet()) {
                if (!spec.in(name).isEmpty()) {
                    mean.put(name, meanOfOthers(arena, spec, models, permutations, model, name));
                }
            }
            return WeightMatching.on(device).match(spec, mean::get, models.get(model), permutations[model], options,
                    step -> {}).permutations();
        }
    }

    private Tensor meanOfOthers(Arena arena, PermutationSpec spec, List<Function<String, Tensor>> models,
            Permutations[] permutations, int model, String name) {
        Tensor mean = Tensor.allocate(arena, DType.F32, spec.tensors().get(name).toArray());
        List<Tensor> others = new ArrayList<>();
        for (int other = 0; other < models.size(); other++) {
            if (other != model) {
                Tensor tensor = models.get(other).apply(name);
                others.add(PermutedSource.of(tensor, spec.in(name), permutations[other]).slice(0, tensor.elements()));
            }
        }
        double[] weights = new double[others.size()];
        Arrays.fill(weights, 1);
        WeightedSum.on(device).sum(others, weights, others.size(), mean);
        return mean;
    }
}
