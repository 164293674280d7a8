package dev.fusor.align;

import dev.fusor.assign.Assignment;
import dev.fusor.assign.LinearAssignment;
import dev.fusor.device.CpuDevice;
import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.linalg.PermutedView;
import dev.fusor.linalg.UnitSimilarity;
import dev.fusor.linalg.UnitSimilarityCuda.Pair;
import dev.fusor.linalg.Units;
import dev.fusor.reduce.Reduction;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Brings the units of one model to those of another by their weights (Git Re-Basin, Ainsworth, Hayase and Srinivasa 2023,
 * <a href="https://arxiv.org/abs/2209.04836">arXiv:2209.04836</a>, section 3.2): permutations that make the sum of the products
 * of corresponding weights large, over all tensors in which a group occurs.
 *
 * <p>One group after the other is matched while the rest stay: the similarities of its units, in all tensors it occurs in, are
 * added up ({@link UnitSimilarity}, float32) and assigned ({@link LinearAssignment}), starting from the duals of the sweep before. What the assignment finds is taken if it
 * raises the objective, summed in float64, by more than the tolerance. A sweep matches every group once, in an order shuffled
 * by {@link Random} of the seed; sweeps end when one of them changes nothing. A group is passed over while no other that shares a
 * tensor with it has moved. The result does not depend on threads, on
 * vectors or on the machine.
 *
 * <p>A step finds the best permutation given the others, but for a group that occurs on two axes of one tensor (recurrent
 * weights): there the objective is quadratic, and the similarities are taken with one axis as it is.
 */
public final class WeightMatching {
    private final CpuDevice device;
    /** Where similarities are computed, or null for the CPU. */
    private final CudaStream stream;
    /** Units from which on they are assigned there as well. */
    private final int fewestAssignedThere;

    private WeightMatching(CpuDevice device, CudaStream stream, int fewestAssignedThere) {
        this.device = device;
        this.stream = stream;
        this.fewestAssignedThere = fewestAssignedThere;
    }

    /**
     * How matching is done.
     *
     * @param seed of the order of groups
     * @param tolerance the least gain, as a share of the product of the models' norms, that is taken
     * @param maxSweeps 0 or more
     */
    public record Options(long seed, double tolerance, int maxSweeps) {
        /** Seed 0, a tolerance of 1e-9, up to 100 sweeps. */
        public static final Options DEFAULT = new Options(0, 1e-9, 100);

        /**
         * Options.
         *
         * @throws IllegalArgumentException if the tolerance is negative or NaN, or the number of sweeps negative
         */
        public Options {
            if (!(tolerance >= 0) || maxSweeps < 0) {
                throw new IllegalArgumentException(
                        "weight matching takes a tolerance and a number of sweeps from 0, got %s and %d"
                                .formatted(tolerance, maxSweeps));
            }
        }
    }

    /**
     * {@return weight matching on a device}
     *
     * @param device runs it
     */
    public static WeightMatching on(CpuDevice device) {
        return new WeightMatching(device, null, 0);
    }

    /**
     * {@return weight matching on a CUDA device, to the same bits} Tensors are copied there one occurrence at a time; groups with a
     * tensor of a type that devices do not compute with stay on the CPU. Similarities of 1024 units and more are assigned there and
     * never leave the device, those of fewer are copied back and assigned on the CPU.
     *
     * @param device runs the rest
     * @param stream of the CUDA device, used by one thread at a time
     */
    public static WeightMatching on(CpuDevice device, CudaStream stream) {
        return on(device, stream, CudaSimilarity.FEWEST_ASSIGNED);
    }

    static WeightMatching on(CpuDevice device, CudaStream stream, int fewestAssignedThere) {
        return new WeightMatching(device, Objects.requireNonNull(stream), fewestAssignedThere);
    }

    /**
     * {@return permutations of the second model}
     *
     * @param spec the groups and where they occur; tensors without occurrences are not asked for
     * @param first the tensors of the model that stays, by name
     * @param second the tensors of the model to be permuted
     * @param start permutations of every group to start from; {@link Permutations#identity} if nothing is known
     * @param options how
     * @param observer told of every step
     * @throws IllegalArgumentException if a tensor is missing (null), of another shape than in the spec, of no arithmetic type, or
     * holds NaN or infinities; if similarities overflow float32; if a group has no start
     * @throws dev.fusor.device.cuda.CudaException if the CUDA device has too little memory, among others
     */
    public WeightMatch match(PermutationSpec spec, Function<String, Tensor> first, Function<String, Tensor> second,
            Permutations start, Options options, Consumer<MatchingStep> observer) {
        Search search = new Search(spec, first, second, start);
        Random random = new Random(options.seed());
        List<PermutationGroup> order = new ArrayList<>(spec.groups());
        for (int sweep = 0; sweep < options.maxSweeps(); sweep++) {
            Collections.shuffle(order, random);
            boolean moved = false;
            for (PermutationGroup group : order) {
                MatchingStep step = search.step(sweep, group, options.tolerance());
                moved |= step.moved();
                observer.accept(step);
            }
            if (!moved) {
                return search.result(sweep + 1, true);
            }
        }
        return search.result(options.maxSweeps(), false);
    }

    /** The permutations so far, and what each tensor adds to the objective. */
    private final class Search {
        private final PermutationSpec spec;
        private final Function<String, Tensor> first;
        private final Function<String, Tensor> second;
        private Map<String, Double> objectives = new LinkedHashMap<>();
        private final double bound;
        private Permutations permutations;
        /** Groups that would be matched as they were the last time: nothing has moved that shares a tensor with them. */
        private final Set<PermutationGroup> settled = new HashSet<>();
        /** Of the last assignment of each group. */
        private final Map<PermutationGroup, double[]> rowDuals = new HashMap<>();

        Search(PermutationSpec spec, Function<String, Tensor> first, Function<String, Tensor> second,
                Permutations start) {
            this.spec = spec;
            this.first = first;
            this.second = second;
            this.permutations = start;
            double firstSquares = ModelCheck.sumOfSquares(device, spec, "the first model", first);
            double secondSquares = ModelCheck.sumOfSquares(device, spec, "the second model", second);
            this.bound = Math.sqrt(firstSquares) * Math.sqrt(secondSquares);
            spec.tensors().keySet().stream().filter(name -> !spec.in(name).isEmpty())
                    .forEach(name -> objectives.put(name, objective(name, start)));
        }

        private double objective(String name, Permutations candidate) {
            return Reduction.on(device).dot(first.apply(name),
                    PermutedSource.of(second.apply(name), spec.in(name), candidate));
        }

        MatchingStep step(int sweep, PermutationGroup group, double tolerance) {
            if (!settled.add(group)) {
                return new MatchingStep(sweep, group, false, sum(objectives), Duration.ZERO, Duration.ZERO,
                        Duration.ZERO);
            }
            long begun = System.nanoTime();
            Found found = find(group);
            long assigned = System.nanoTime();
            rowDuals.put(group, found.assignment.rowDuals());
            boolean moved = take(permutations.with(group, found.assignment.columns()), group, tolerance);
            return new MatchingStep(sweep, group, moved, sum(objectives), Duration.ofNanos(found.multiplied - begun),
                    Duration.ofNanos(assigned - found.multiplied), Duration.ofNanos(System.nanoTime() - assigned));
        }

        /**
         * What is best for a group.
         *
         * @param assignment the units that take each place
         * @param multiplied when its similarities were known
         */
        private record Found(Assignment assignment, long multiplied) {}

        private Found find(PermutationGroup group) {
            boolean there = stream != null && spec.of(group).stream().allMatch(this::supported);
            try (Arena arena = Arena.ofShared()) {
                return there ? findThere(group, arena) : findHere(group, arena);
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException(
                        "the similarities of permutation group '%s': %s".formatted(group.name(), e.getMessage()), e);
            }
        }

        private boolean supported(Occurrence occurrence) {
            return CudaFormats.supports(first.apply(occurrence.tensor()).dtype())
                    && CudaFormats.supports(second.apply(occurrence.tensor()).dtype());
        }

        private Found findHere(PermutationGroup group, Arena arena) {
            Tensor similarities = matrix(group, arena);
            for (Occurrence occurrence : spec.of(group)) {
                Pair pair = pair(occurrence, first.apply(occurrence.tensor()), second.apply(occurrence.tensor()));
                UnitSimilarity.on(device).accumulate(pair.a(), pair.b(), similarities);
            }
            return assignHere(group, similarities);
        }

        private Found findThere(PermutationGroup group, Arena arena) {
            try (CudaSimilarity there = CudaSimilarity.none(stream, group.units())) {
                for (Occurrence occurrence : spec.of(group)) {
                    there.accumulate(first.apply(occurrence.tensor()), second.apply(occurrence.tensor()),
                            (a, b) -> pair(occurrence, a, b));
                }
                if (group.units() < fewestAssignedThere) {
                    Tensor similarities = matrix(group, arena);
                    there.fetch(similarities);
                    return assignHere(group, similarities);
                }
                stream.synchronize(); // so that the time of the assignment is its own
                long multiplied = System.nanoTime();
                return new Found(there.assigned(expected(group)), multiplied);
            }
        }

        private static Tensor matrix(PermutationGroup group, Arena arena) {
            return Tensor.allocate(arena, DType.F32, group.units(), group.units());
        }

        private Found assignHere(PermutationGroup group, Tensor similarities) {
            long multiplied = System.nanoTime();
            return new Found(LinearAssignment.on(device).solve(similarities, LinearAssignment.Goal.MAXIMISE,
                    expected(group)), multiplied);
        }

        private double[] expected(PermutationGroup group) {
            return rowDuals.getOrDefault(group, new double[group.units()]);
        }

        /** The units of an occurrence, those of the second model with all other axes where the permutations put them. */
        private Pair pair(Occurrence occurrence, Tensor ofFirst, Tensor ofSecond) {
            return new Pair(units(occurrence, ofFirst, List.of()),
                    units(occurrence, ofSecond, spec.in(occurrence.tensor())));
        }

        private Units units(Occurrence occurrence, Tensor tensor, List<Occurrence> others) {
            List<Occurrence> elsewhere = others.stream().filter(other -> other.axis() != occurrence.axis()).toList();
            return new Units(PermutedView.of(tensor, PermutedSource.sources(tensor, elsewhere, permutations)),
                    occurrence.axis(), occurrence.start(), occurrence.group().units(), occurrence.block());
        }

        private boolean take(Permutations candidate, PermutationGroup group, double tolerance) {
            if (candidate.equals(permutations)) {
                return false;
            }
            Map<String, Double> changed = new LinkedHashMap<>(objectives);
            spec.of(group).stream().map(Occurrence::tensor).distinct()
                    .forEach(name -> changed.put(name, objective(name, candidate)));
            if (!(sum(changed) > sum(objectives) + tolerance * bound)) {
                return false;
            }
            objectives = changed;
            permutations = candidate;
            for (Occurrence moved : spec.of(group)) {
                spec.in(moved.tensor()).stream().filter(other -> other.axis() != moved.axis())
                        .map(Occurrence::group).forEach(settled::remove);
            }
            return true;
        }

        private static double sum(Map<String, Double> objectives) {
            double sum = 0;
            for (double objective : objectives.values()) {
                sum += objective;
            }
            return sum;
        }

        WeightMatch result(int sweeps, boolean converged) {
            return new WeightMatch(permutations, sum(objectives), bound, sweeps, converged);
        }
    }
}
