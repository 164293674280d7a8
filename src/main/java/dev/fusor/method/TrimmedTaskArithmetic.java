package dev.fusor.method;

import dev.fusor.consensus.DisjointMerge.Trimmed;
import dev.fusor.consensus.DisjointMerge.Zero;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.MagnitudeBand;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.MagnitudeSelection.Part;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * What the methods share that trim task vectors by magnitude.
 *
 * <p>With {@code scope: row}, as in the magnitude pruning of FusionBench, each row of a tensor is trimmed by itself: all elements that
 * have the same index along the first axis; a tensor of one axis is one row.
 *
 * <p>With {@code scope: tensor}, as in mergekit, each tensor is trimmed by itself. With {@code scope: model}, as in the papers'
 * own code and in FusionBench, all tensors of a model of which the recipe says so are trimmed as one vector, in the order of the
 * output: one cut goes through them all, and layers that hardly differ from the base lose more than others. Of equal magnitudes
 * at a cut the first are kept, those of the first tensor first; with {@code all_ties}, as in that code, all are.
 *
 * <p>With {@code rescale}, as in mergekit, what is left of each tensor is multiplied by the ratio of the sums of magnitudes before
 * and after.
 */
abstract class TrimmedTaskArithmetic extends SparseTaskArithmetic {
    private static final Parameter SCOPE = Parameter.word("scope", "tensor", "row", "model");

    /** Keys of a row and a copy of them are on the heap. */
    private static final long LONGEST_ROW = 1 << 22;

    private static final Parameter ALL_TIES = Parameter.flag("all_ties", false);
    private static final Parameter RESCALE = Parameter.flag("rescale", false);

    TrimmedTaskArithmetic(String name, boolean elects, boolean normalize, Parameter... own) {
        super(name, elects, normalize,
                Stream.concat(Stream.of(own), Stream.of(SCOPE, ALL_TIES, RESCALE)).toArray(Parameter[]::new));
    }

    /**
     * What is kept of the elements of a task vector, sorted by magnitude.
     *
     * @param atLeast so many of the largest
     * @param tooLarge but for so many of the very largest
     */
    record Kept(long atLeast, long tooLarge) {}

    @Override
    public final List<String> spanned() {
        Stream<String> own = parameters().stream().map(Parameter::name)
                .filter(name -> name.equals("density") || name.equals("gamma") || name.equals("prune")
                        || name.equals(ALL_TIES.name()));
        return Stream.concat(own, super.spanned().stream()).toList();
    }

    /** {@return what is kept of so many elements} */
    abstract Kept kept(Map<String, Double> modelParameters, Map<String, Double> parameters, long elements);

    @Override
    final List<Sparsity> sparsities(MergeInputs inputs, WholeTensors whole) {
        if (isScope("row", inputs.parameters()) && inputs.base().shape().rank() > 1) {
            return inputs.ofEachModel(model -> trimRows(inputs, model, whole));
        }
        return trim(List.of(inputs), whole).getFirst();
    }

    @Override
    public final boolean spans(Map<String, Double> parameters) {
        return isScope("model", parameters);
    }

    private static boolean isScope(String scope, Map<String, Double> parameters) {
        return SCOPE.written(parameters.get(SCOPE.name())).equals(scope);
    }

    @Override
    public final Optional<String> objection(Shape shape, Map<String, Double> modelParameters,
            Map<String, Double> parameters) {
        return isScope("row", parameters) && shape.rank() > 1 && row(shape) > LONGEST_ROW
                ? Optional.of("rows of %d elements are trimmed at most, and its shape is %s; leave it to scope: tensor"
                        .formatted(LONGEST_ROW, shape))
                : Optional.empty();
    }

    /** Elements of the same index along the first axis. */
    private static long row(Shape shape) {
        long row = 1;
        for (int axis = 1; axis < shape.rank(); axis++) {
            row *= shape.extent(axis);
        }
        return Math.max(1, row);
    }

    private Sparsity trimRows(MergeInputs inputs, int model, WholeTensors whole) {
        TensorSource x = inputs.models().get(model);
        int row = Math.toIntExact(row(x.shape()));
        Kept kept = kept(inputs.modelParameters().get(model), inputs.parameters(), row);
        // The first model's look reads the base's rows for all of them.
        return new Sparsity(MagnitudeBand.ALL, new Drop.Trimmed(row, kept.atLeast, kept.tooLarge, ties(inputs),
                count -> whole.looked(x.bytesOf(count) + (model == 0 ? inputs.base().bytesOf(count) : 0))));
    }

    private static Ties ties(MergeInputs inputs) {
        return inputs.flag(ALL_TIES.name()) ? Ties.ALL_TIES : Ties.EXACT_K;
    }

    @Override
    public final List<RangeMerge> prepareTogether(List<MergeInputs> tensors, WholeTensors whole) {
        return merges(tensors, trim(tensors, whole), whole);
    }

    /** What is kept of each tensor, model by model. */
    private List<List<Sparsity>> trim(List<MergeInputs> tensors, WholeTensors whole) {
        MergeInputs any = tensors.getFirst();
        long elements = tensors.stream().mapToLong(inputs -> inputs.base().elements()).sum();
        List<Wanted> wanted = new ArrayList<>();
        for (int model = 0; model < any.models().size(); model++) {
            Kept kept = kept(any.modelParameters().get(model), any.parameters(), elements);
            wanted.add(new Wanted(model, kept.atLeast));
            wanted.add(new Wanted(model, kept.tooLarge));
        }
        List<List<MagnitudeCut>> cuts = whole.select(
                tensors.stream().map(inputs -> new Part(inputs.base(), inputs.models())).toList(), wanted,
                ties(any));
        return IntStream.range(0, tensors.size()).mapToObj(part -> any.ofEachModel(model -> new Sparsity(
                new MagnitudeBand(cuts.get(2 * model).get(part), cuts.get(2 * model + 1).get(part)),
                Drop.NOTHING))).toList();
    }

    /** Where task vectors are cut once, tensor by tensor, and nothing else has to be known before the merge. */
    @Override
    public final Optional<TrimmedMerge> inOne(MergeInputs inputs) {
        List<Kept> kept = inputs.ofEachModel(model -> kept(inputs.modelParameters().get(model), inputs.parameters(),
                inputs.base().elements()));
        if (!isScope("tensor", inputs.parameters()) || kept.stream().anyMatch(one -> one.tooLarge > 0)
                || rescalesToSum(inputs.parameters()) || asksMajority(inputs.parameters())) {
            return Optional.empty();
        }
        List<Trimmed> models = inputs.ofEachModel(model -> new Trimmed(inputs.models().get(model),
                inputs.value(model, "weight"), kept.get(model).atLeast));
        return Optional.of(new TrimmedMerge(inputs.base(), models, ties(inputs), rule(inputs, Zero.PLUS)));
    }

    @Override
    final boolean rescalesToSum(Map<String, Double> parameters) {
        return parameters.get(RESCALE.name()) != 0;
    }

    @Override
    public final int looks(List<Map<String, Double>> modelParameters, Map<String, Double> parameters) {
        boolean trims = modelParameters.stream().map(values -> values.get("density"))
                .anyMatch(density -> density > 0 && density < 1);
        return super.looks(modelParameters, parameters) + (trims ? 1 : 0);
    }
}
