package dev.fusor.method;

import dev.fusor.drop.DropFactors;
import dev.fusor.drop.Philox;
import dev.fusor.drop.RandomDrop;
import dev.fusor.trim.MagnitudeBand;
import java.util.List;
import java.util.Map;

/**
 * DARE (Yu et al. 2023, arXiv 2311.03099): elements of the task vectors are dropped at random and the others multiplied by
 * 1 / density if {@code rescale}; then they are added up, or signs are elected.
 */
public final class Dare extends SparseTaskArithmetic {
    private Dare(String name, boolean elects) {
        super(name, elects, false, Parameter.flag("rescale", true), Parameter.flag("rescale_l1", false));
    }

    /** {@return {@code dare_linear}: all task vectors are added up} */
    public static Dare linear() {
        return new Dare("dare_linear", false);
    }

    /** {@return {@code dare_ties}: those of the elected sign are added up} */
    public static Dare ties() {
        return new Dare("dare_ties", true);
    }

    @Override
    List<Sparsity> sparsities(MergeInputs inputs, WholeTensors whole) {
        return inputs.ofEachModel(model -> sparsity(inputs, model));
    }

    private static Sparsity sparsity(MergeInputs inputs, int model) {
        DropFactors drop = new RandomDrop(Philox.key(inputs.seed(), inputs.tensor()), model,
                inputs.value(model, "density"), inputs.flag("rescale") && !inputs.flag("rescale_l1"));
        return new Sparsity(MagnitudeBand.ALL, new Drop.Always(drop));
    }

    @Override
    boolean rescalesToSum(Map<String, Double> parameters) {
        return parameters.get("rescale") != 0 && parameters.get("rescale_l1") != 0;
    }
}
