package dev.fusor.method;

import dev.fusor.tensor.Shape;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A way to make one tensor out of the tensors of that name in several models.
 *
 * <p>Work on one output tensor never needs another one, unless {@link #spans} says so.
 */
public interface MergeMethod {
    /** {@return the name in recipes} */
    String name();

    /** {@return what it can be told, in a fixed order} */
    List<Parameter> parameters();

    /** {@return whether a recipe must name a base model} */
    default boolean needsBase() {
        return false;
    }

    /** {@return the fewest models it merges, the base model not counted where it uses one} */
    default int fewestModels() {
        return 1;
    }

    /** {@return the most models it merges, the base model not counted where it uses one} */
    default int mostModels() {
        return Integer.MAX_VALUE;
    }

    /**
     * {@return what is wrong with a model's values taken together, in words, or nothing}
     *
     * @param shape of the tensor that is merged
     * @param modelParameters a value for each parameter of scope MODEL, each in its domain
     * @param parameters a value for each parameter of scope TENSOR
     */
    default Optional<String> objection(Shape shape, Map<String, Double> modelParameters,
            Map<String, Double> parameters) {
        return Optional.empty();
    }

    /**
     * {@return what is wrong with values for that many models, in words, or nothing}
     *
     * @param models how many models are merged, the base model not counted
     * @param parameters a value for each parameter of scope TENSOR
     */
    default Optional<String> objection(int models, Map<String, Double> parameters) {
        return Optional.empty();
    }

    /**
     * Looks at whole tensors as far as the method must, and says how any range of the result is made.
     *
     * @param inputs the tensors and the values of the parameters, all of them, as {@link #parameters()} declares them
     * @param whole finds what needs whole tensors
     * @return the merge of one tensor
     */
    RangeMerge prepare(MergeInputs inputs, WholeTensors whole);

    /**
     * {@return the merge of a tensor as a whole, to the same bits as that in ranges; or nothing, if there is only that}
     *
     * @param inputs the tensors and the values of the parameters, as for {@link #prepare}
     */
    default Optional<TrimmedMerge> inOne(MergeInputs inputs) {
        return Optional.empty();
    }

    /**
     * {@return whether a tensor belongs to those that are looked at together} All such tensors of a merge go to
     * {@link #prepareTogether}, the others to {@link #prepare}.
     *
     * @param parameters a value for each parameter of scope TENSOR
     */
    default boolean spans(Map<String, Double> parameters) {
        return false;
    }

    /** {@return the parameters that have one value for all tensors that are looked at together} */
    default List<String> spanned() {
        return List.of();
    }

    /**
     * Looks at tensors together, and says how any range of each result is made.
     *
     * @param tensors at least one, in the order of the output; of the same models, and with the same values of what is
     * {@link #spanned}
     * @param whole finds what needs whole tensors
     * @return the merges, in the order of the tensors
     */
    default List<RangeMerge> prepareTogether(List<MergeInputs> tensors, WholeTensors whole) {
        return tensors.stream().map(inputs -> prepare(inputs, whole)).toList();
    }

    /**
     * {@return how often every element of the inputs is looked at before ranges are merged, in data without structure}
     *
     * @param modelParameters a value for each parameter of scope MODEL, for each model
     * @param parameters a value for each parameter of scope TENSOR
     */
    default int looks(List<Map<String, Double>> modelParameters, Map<String, Double> parameters) {
        return 0;
    }

    /**
     * {@return one of the parameters}
     *
     * @param name its name
     * @throws java.util.NoSuchElementException if there is none of that name
     */
    default Parameter parameter(String name) {
        return parameters().stream().filter(any -> any.name().equals(name)).findFirst().orElseThrow();
    }
}
