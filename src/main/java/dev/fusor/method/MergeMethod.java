package dev.fusor.method;

import dev.fusor.tensor.Shape;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A way to make one tensor out of the tensors of that name in several models.
 *
 * <p>Work on one output tensor never needs another one.
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
     */
    default Optional<String> objection(Shape shape, Map<String, Double> modelParameters) {
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
}
