package dev.fusor.align;

import dev.fusor.device.CpuDevice;
import dev.fusor.linalg.PermutedView;
import dev.fusor.linalg.Units;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * Brings the units of a network to those of another of any widths, group after group from the input (OTFusion,
 * <a href="https://arxiv.org/abs/1910.05653">arXiv:1910.05653</a>, by weights). What a permutation spec says of both networks is all that is
 * known of them: convolutions, layers that are flattened, heads and residual streams are groups, and a group has one map wherever it
 * occurs.
 *
 * <p>The costs of a group are squared distances of what leads into its units, added up over all tensors that do: weights, biases, the
 * parameters and statistics of norms. The units that such a tensor takes in are mapped before, as its other axes are; positions of a kernel and
 * entries of a block are carried along. First come groups of which all of this is known. Where there is none, because a residual
 * stream leads into itself, the first group of the spec with some tensor of two axes or more that is known begins with what is known;
 * then further sweeps through the groups, in the order of the spec, find each map again by all tensors and the maps of the others.
 *
 * <p>In the end every tensor is mapped along all its axes, the last first: units it gives are weighted means of units, those it
 * takes in are shared out ({@link TransportMap}). Each axis is rounded to float32. What is in no group is taken to correspond. The
 * result does not depend on threads, on vectors or on the machine, if maps do not.
 */
public final class TransportAlignment {
    private final CpuDevice device;
    private final Network first;
    private final Network second;
    private final Predicate<Occurrence> takenIn;
    private final Function<Tensor, TransportMap> map;
    private final Map<String, List<Place>> places = new LinkedHashMap<>();
    private final Map<String, TransportMap> maps = new HashMap<>();

    /**
     * A network.
     *
     * @param spec its groups, and where they occur
     * @param tensors by name
     */
    public record Network(PermutationSpec spec, Function<String, Tensor> tensors) {}

    /**
     * How networks are aligned.
     *
     * @param takenIn whether units of an occurrence are those that its tensor takes in, and not those it gives
     * @param sweeps through all groups, 1 or more; one is enough where no group leads into itself, and more are then left out
     */
    public record Options(Predicate<Occurrence> takenIn, int sweeps) {
        /**
         * Tensors that lie as PyTorch has linear layers and convolutions, {@code [outputs, inputs, positions ...]}: units on axis 1 are
         * taken in. Two sweeps. The layers of GPT-2 lie the other way round, and an embedding gives what is on its axis 1: networks with
         * these need a predicate of their own.
         */
        public static final Options DEFAULT = new Options(occurrence -> occurrence.axis() == 1, 2);

        /**
         * Options.
         *
         * @throws IllegalArgumentException if there is no sweep
         */
        public Options {
            if (sweeps < 1) {
                throw new IllegalArgumentException("networks are aligned in 1 or more sweeps, got " + sweeps);
            }
        }
    }

    /** Where a group occurs in both networks. */
    private record Place(Occurrence from, Occurrence to) {}

    private TransportAlignment(CpuDevice device, Network first, Network second, Predicate<Occurrence> takenIn,
            Function<Tensor, TransportMap> map) {
        this.device = device;
        this.first = first;
        this.second = second;
        this.takenIn = takenIn;
        this.map = map;
        checkNames("groups", names(first), names(second));
        checkNames("tensors", first.spec().tensors().keySet().stream().sorted().toList(),
                second.spec().tensors().keySet().stream().sorted().toList());
        first.spec().tensors().keySet().forEach(tensor -> places.put(tensor, places(tensor)));
        for (PermutationGroup group : first.spec().groups()) {
            if (first.spec().of(group).stream().allMatch(takenIn)) {
                throw new IllegalArgumentException(
                        "units of group '%s' are taken in wherever they occur, and nothing leads into them that they could be compared by"
                                .formatted(group.name()));
            }
        }
        ModelCheck.sumOfSquares(device, first.spec(), "the first model", first.tensors());
        ModelCheck.sumOfSquares(device, second.spec(), "the second model", second.tensors());
    }

    /**
     * {@return the tensors of the first network with the widths and the units of the second, by name} F32 where a group occurs, and as
     * they are elsewhere. The mean of them and the second is the fusion.
     *
     * @param device computes it
     * @param first the network to be aligned; tensors without occurrences may be of any type
     * @param second one of the same groups, tensors and occurrences but for the number of units
     * @param options how
     * @param map finds a map by costs of shape [units, units of the other]
     * @throws IllegalArgumentException if the networks do not correspond so, if a tensor is missing (null), of another shape than in its spec,
     * of no arithmetic type, or holds NaN or infinities, if nothing leads into a group or groups lead into each other alone, or as maps
     * say
     */
    public static Map<String, Tensor> align(CpuDevice device, Network first, Network second, Options options,
            Function<Tensor, TransportMap> map) {
        TransportAlignment alignment = new TransportAlignment(device, first, second, options.takenIn(), map);
        boolean all = alignment.sweep();
        for (int sweep = 1; sweep < options.sweeps() && !all; sweep++) {
            alignment.sweep();
        }
        Map<String, Tensor> aligned = new LinkedHashMap<>();
        alignment.places.keySet().forEach(tensor -> aligned.put(tensor, alignment.mapped(tensor, -1)));
        return aligned;
    }

    private static List<String> names(Network network) {
        return network.spec().groups().stream().map(PermutationGroup::name).sorted().toList();
    }

    private static void checkNames(String what, List<String> first, List<String> second) {
        if (!first.equals(second)) {
            throw new IllegalArgumentException(
                    "networks are aligned that have the same %s, got %s and %s".formatted(what, first, second));
        }
    }

    /** Where groups occur in a tensor, by axis and entry. */
    private List<Place> places(String tensor) {
        List<Occurrence> from = sorted(first.spec().in(tensor));
        List<Occurrence> to = sorted(second.spec().in(tensor));
        Shape shape = first.spec().tensors().get(tensor);
        Shape other = second.spec().tensors().get(tensor);
        boolean fits = shape.rank() == other.rank() && from.size() == to.size();
        long[] wider = new long[shape.rank()];
        List<Place> found = new ArrayList<>();
        for (int i = 0; fits && i < from.size(); i++) {
            Occurrence a = from.get(i);
            Occurrence b = to.get(i);
            fits = a.axis() == b.axis() && a.block() == b.block() && a.group().name().equals(b.group().name())
                    && b.start() - a.start() == wider[a.axis()];
            wider[a.axis()] += b.length() - a.length();
            found.add(new Place(a, b));
        }
        for (int axis = 0; fits && axis < wider.length; axis++) {
            fits = other.extent(axis) - shape.extent(axis) == wider[axis];
        }
        if (!fits) {
            throw new IllegalArgumentException(
                    "tensor '%s' is %s with %s in one network and %s with %s in the other: wanted the same groups in the same places, and as many entries beside them"
                            .formatted(tensor, shape, from, other, to));
        }
        return found;
    }

    private static List<Occurrence> sorted(List<Occurrence> occurrences) {
        return occurrences.stream()
                .sorted(Comparator.comparingInt(Occurrence::axis).thenComparingLong(Occurrence::start)).toList();
    }

    /** Finds the map of each group once. Returns whether each was found by all tensors that lead into it. */
    private boolean sweep() {
        boolean all = true;
        List<PermutationGroup> left = new ArrayList<>(first.spec().groups());
        while (!left.isEmpty()) {
            PermutationGroup group = next(left);
            List<Place> leading = leading(group);
            List<Place> known = leading.stream().filter(this::isKnown).toList();
            all &= known.size() == leading.size();
            maps.put(group.name(), map.apply(costs(known)));
            left.remove(group);
        }
        return all;
    }

    private PermutationGroup next(List<PermutationGroup> left) {
        return left.stream().filter(group -> leading(group).stream().allMatch(this::isKnown)).findFirst()
                .or(() -> left.stream().filter(group -> leading(group).stream()
                        .anyMatch(
                                place -> first.spec().tensors().get(place.from.tensor()).rank() > 1 && isKnown(place)))
                        .findFirst())
                .orElseThrow(() -> new IllegalArgumentException(
                        "groups %s lead into each other alone, and there is none to begin with".formatted(
                                left.stream().map(PermutationGroup::name).toList())));
    }

    /** Where units of a group are given. */
    private List<Place> leading(PermutationGroup group) {
        return places.values().stream().flatMap(List::stream)
                .filter(place -> place.from.group().equals(group) && !takenIn.test(place.from)).toList();
    }

    /** Whether the other axes of its tensor can be mapped. */
    private boolean isKnown(Place place) {
        return places.get(place.from.tensor()).stream().allMatch(
                other -> other.from.axis() == place.from.axis() || maps.containsKey(other.from.group().name()));
    }

    private Tensor costs(List<Place> leading) {
        Tensor costs = null;
        for (Place place : leading) {
            String tensor = place.from.tensor();
            Tensor distances = TransportMap.squaredDistances(device,
                    units(mapped(tensor, place.from.axis()), place.from),
                    units(second.tensors().apply(tensor), place.to));
            for (long i = 0; costs != null && i < costs.elements(); i++) {
                Elements.set(distances, i, Elements.get(costs, i) + Elements.get(distances, i));
            }
            costs = distances;
        }
        return costs;
    }

    private static Units units(Tensor tensor, Occurrence place) {
        return new Units(PermutedView.of(tensor), place.axis(), place.start(), place.group().units(), place.block());
    }

    /** A tensor of the first network with its units mapped on all axes but one. */
    private Tensor mapped(String tensor, int except) {
        Tensor mapped = first.tensors().apply(tensor);
        for (Place place : places.get(tensor).reversed()) { // of an axis the last first: those before it stay where they are
            if (place.from.axis() != except) {
                mapped = maps.get(place.from.group().name()).along(mapped, place.from, takenIn.test(place.from));
            }
        }
        return mapped;
    }
}
