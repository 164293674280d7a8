/**
 * Primitives for fusing neural networks (merging weights, aligning units, combining predictions) on off-heap tensors.
 *
 * <p>The Vector API is optional: run with {@code --add-modules jdk.incubator.vector} to get it, without it a plain path
 * computes the same bits.
 *
 * <p>{@link dev.fusor.recipe.Recipe} needs the module {@code org.snakeyaml.engine.v2}, which is optional as well.
 */
module dev.fusor {
    requires com.fasterxml.jackson.core;
    requires static jdk.incubator.vector;
    requires static org.snakeyaml.engine.v2;
    requires static info.picocli;

    exports dev.fusor.align;
    exports dev.fusor.arithmetic;
    exports dev.fusor.assign;
    exports dev.fusor.checkpoint;
    exports dev.fusor.consensus;
    exports dev.fusor.device;
    exports dev.fusor.device.cuda;
    exports dev.fusor.drop;
    exports dev.fusor.ensemble;
    exports dev.fusor.linalg;
    exports dev.fusor.merge;
    exports dev.fusor.method;
    exports dev.fusor.recipe;
    exports dev.fusor.reduce;
    exports dev.fusor.tensor;
    exports dev.fusor.trim;

    opens dev.fusor.cli to info.picocli;
}
