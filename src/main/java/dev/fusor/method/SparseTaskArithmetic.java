package dev.fusor.method;

import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.drop.DropFactors;
import dev.fusor.method.Parameter.Scope;
import dev.fusor.method.Sparsity.Drop;
import dev.fusor.reduce.Reduction;
import dev.fusor.tensor.TensorSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** What the methods share that make task vectors sparse, and then add them up, or elect signs and merge disjointly. */
abstract class SparseTaskArithmetic implements MergeMethod {
    static final Parameter DENSITY = Parameter.optional("density", Scope.MODEL, 1, "a fraction from 0 to 1",
            d -> d >= 0 && d <= 1);

    private final String name;
    private final Election election;
    private final List<Parameter> parameters;

    /**
     * A method.
     *
     * @param name in recipes
     * @param election whose votes count
     * @param normalize whether it divides by weights unless told
     * @param own its parameters beside those that all such methods have
     */
    SparseTaskArithmetic(String name, Election election, boolean normalize, Parameter... own) {
        this.name = name;
        this.election = election;
        List<Parameter> all = new ArrayList<>(List.of(Parameter.weight(), DENSITY));
        all.addAll(List.of(own));
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
        return merge(inputs, sparsities(inputs, whole), whole);
    }

    /** {@return the merge of task vectors of which some is kept} */
    final RangeMerge merge(MergeInputs inputs, List<Sparsity> kept, WholeTensors whole) {
        List<Sparsity> sparsities = IntStream.range(0, kept.size())
                .mapToObj(model -> rescaled(kept.get(model), inputs, model, whole)).toList();
        Rule rule = new Rule(election, inputs.value("lambda"), inputs.flag("normalize"));
        // Ranks take whole rows: what they drop is found range by range, and before the range's tensors are asked for.
        return sparsities.stream().allMatch(sparsity -> sparsity.drop() instanceof Drop.Always)
                ? ranges(inputs, sparsities, rule, 0, 0)
                : (from, out) -> ranges(inputs, sparsities, rule, from, out.elements()).merge(from, out);
    }

    private static DisjointRanges ranges(MergeInputs inputs, List<Sparsity> sparsities, Rule rule, long from,
            long count) {
        List<DropFactors> drops = new ArrayList<>();
        sparsities.forEach(sparsity -> drops.add(sparsity.drop().factors(from, count)));
        return new DisjointRanges(inputs.base(), inputs.models(), inputs.values("weight"),
                sparsities.stream().map(Sparsity::band).toList(), drops, rule);
    }

    /** Multiplies what is left so that the sum of its magnitudes is that of the whole task vector, if that is asked for. */
    private Sparsity rescaled(Sparsity sparsity, MergeInputs inputs, int model, WholeTensors whole) {
        if (!rescalesToSum(inputs.parameters())) {
            return sparsity;
        }
        TensorSource x = inputs.models().get(model);
        Reduction reduction = Reduction.on(whole.cpu());
        float scale = (float) (reduction.sum(Sparsity.NONE.magnitudesOf(inputs.base(), x))
                / reduction.sum(sparsity.magnitudesOf(inputs.base(), x)));
        return scale > 0 && scale < Float.POSITIVE_INFINITY ? sparsity.times(scale) : sparsity;
    }

    /** {@return whether what is left is to have the magnitudes' sum of the whole} */
    abstract boolean rescalesToSum(Map<String, Double> parameters);

    @Override
    public int looks(List<Map<String, Double>> modelParameters, Map<String, Double> parameters) {
        return rescalesToSum(parameters) ? 2 : 0;
    }
}
