package dev.fusor.method;

import java.util.List;

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

    /** {@return whether the base model may, but need not, be listed among the models as well; it never votes twice} */
    default boolean usesBase() {
        return needsBase();
    }

    /** {@return the fewest models it merges, the base model not counted where it uses one} */
    default int fewestModels() {
        return 1;
    }

    /** {@return the most models it merges, the base model not counted where it uses one} */
    default int mostModels() {
        return Integer.MAX_VALUE;
    }
}
