package dev.fusor.method;

import dev.fusor.consensus.DisjointMerge.Aggregation;
import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.consensus.DisjointMerge.Zero;
import dev.fusor.method.Parameter.Scope;
import dev.fusor.tensor.TensorSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * What the methods share that make task vectors sparse, and then add them up, or elect signs and merge disjointly.
 *
 * <p>Signs are elected by the weighted task vectors as in mergekit, by the task vectors as they are as in the code of the authors of
 * TIES and in FusionBench ({@code election: unweighted}), or by the number of models ({@code election: count}). A sum of 0 elects
 * plus as in mergekit, or, with {@code zero_sum: majority} as in the authors' code, the sign that more elements elect of all that
 * are looked at together, minus if as many elect either. The votes of the elected sign are added up, and divided by their weights if
 * {@code normalize}; with {@code aggregate: max} the largest of them by magnitude stands in place of the sum, and its weight in place of
 * theirs.
 */
abstract class SparseTaskArithmetic implements MergeMethod {
    static final Parameter DENSITY = Parameter.optional("density", Scope.MODEL, 1, "a fraction from 0 to 1",
            d -> d >= 0 && d <= 1);

    private static final Parameter ELECTION = Parameter.word("election", "weighted", "unweighted", "count");
    private static final List<Election> ELECTIONS = List.of(Election.WEIGHTED, Election.UNWEIGHTED, Election.COUNT);
    private static final Parameter ZERO_SUM = Parameter.word("zero_sum", "plus", "majority");
    private static final Parameter AGGREGATE = Parameter.word("aggregate", "sum", "max");

    private final String name;
    private final boolean elects;
    private final List<Parameter> parameters;

    /**
     * A method.
     *
     * @param name in recipes
     * @param elects whether signs are elected
     * @param normalize whether it divides by weights unless told
     * @param own its parameters beside those that all such methods have
     */
    SparseTaskArithmetic(String name, boolean elects, boolean normalize, Parameter... own) {
        this.name = name;
        this.elects = elects;
        List<Parameter> all = new ArrayList<>(List.of(Parameter.weight(), DENSITY));
        all.addAll(List.of(own));
        if (elects) {
            all.addAll(List.of(ELECTION, ZERO_SUM, AGGREGATE));
        }
        all.addAll(List.of(Parameter.finite("lambda", Scope.TENSOR, 1), Parameter.flag("normalize", normalize),
                Parameter.flag("int8_mask", false)));
        this.parameters = List.copyOf(all);
    }

    @Override
    public final String name() {
        return name;
    }

    @Override
    public final List<Parameter> parameters() {
        return parameters;
    }

    @Override
    public final boolean needsBase() {
        return true;
    }

    /** {@return what is kept of each model's task vector} */
    abstract List<Sparsity> sparsities(MergeInputs inputs, WholeTensors whole);

    @Override
    public final RangeMerge prepare(MergeInputs inputs, WholeTensors whole) {
        return merges(List.of(inputs), List.of(sparsities(inputs, whole)), whole).getFirst();
    }

    /** {@return the merges of tensors that are looked at together, and of whose task vectors some is kept} */
    final List<RangeMerge> merges(List<MergeInputs> tensors, List<List<Sparsity>> kept, WholeTensors whole) {
        List<Ranges> all = IntStream.range(0, tensors.size())
                .mapToObj(tensor -> new Ranges(tensors.get(tensor),
                        tensors.get(tensor).ofEachModel(
                                model -> rescaled(kept.get(tensor).get(model), tensors.get(tensor), model, whole))))
                .toList();
        Zero zero = asksMajority(tensors.getFirst().parameters()) && majority(all, whole) <= 0
                ? Zero.MINUS
                : Zero.PLUS;
        return all.stream().<RangeMerge>map(ranges -> ranges.by(rule(ranges.inputs, zero))).toList();
    }

    /** {@return whether what a sum of 0 elects is to be found out first} */
    final boolean asksMajority(Map<String, Double> parameters) {
        return elects && parameters.get(ZERO_SUM.name()) != 0;
    }

    /** {@return how votes become the result} */
    final Rule rule(MergeInputs inputs, Zero zero) {
        Election election = elects ? ELECTIONS.get((int) inputs.value(ELECTION.name())) : Election.NONE;
        boolean max = elects && inputs.value(AGGREGATE.name()) != 0;
        return new Rule(election, max ? Aggregation.LARGEST : Aggregation.SUM, zero, inputs.value("lambda"),
                inputs.flag("normalize"));
    }

    /** How many more elements of all tensors elect plus than minus. */
    private long majority(List<Ranges> all, WholeTensors whole) {
        double majority = 0;
        for (Ranges ranges : all) {
            Rule rule = rule(ranges.inputs, Zero.PLUS);
            majority += RangeSums.of(ranges.inputs, whole, ranges.by(rule)::majority);
        }
        return (long) majority;
    }

    /** A tensor and what is kept of it. */
    private record Ranges(MergeInputs inputs, List<Sparsity> sparsities) {
        DisjointRanges by(Rule rule) {
            return new DisjointRanges(inputs.base(), inputs.models(), inputs.values("weight"),
                    sparsities.stream().map(Sparsity::band).toList(), sparsities.stream().map(Sparsity::drop).toList(),
                    rule);
        }
    }

    /** Multiplies what is left so that the sum of its magnitudes is that of the whole task vector, if that is asked for. */
    private Sparsity rescaled(Sparsity sparsity, MergeInputs inputs, int model, WholeTensors whole) {
        if (!rescalesToSum(inputs.parameters())) {
            return sparsity;
        }
        TensorSource x = inputs.models().get(model);
        float scale = (float) (whole.sum(Sparsity.NONE.magnitudesOf(inputs.base(), x))
                / whole.sum(sparsity.magnitudesOf(inputs.base(), x)));
        return scale > 0 && scale < Float.POSITIVE_INFINITY ? sparsity.times(scale) : sparsity;
    }

    /** {@return whether what is left is to have the magnitudes' sum of the whole} */
    abstract boolean rescalesToSum(Map<String, Double> parameters);

    @Override
    public int looks(List<Map<String, Double>> modelParameters, Map<String, Double> parameters) {
        return (rescalesToSum(parameters) ? 2 : 0) + (asksMajority(parameters) ? 1 : 0);
    }

    @Override
    public List<String> spanned() {
        return elects ? List.of(ELECTION.name(), ZERO_SUM.name()) : List.of();
    }
}
