package dev.fusor.method;

import dev.fusor.drop.Philox;
import dev.fusor.drop.RandomDrop;
import dev.fusor.drop.RankedDrop;
import dev.fusor.method.Parameter.Scope;
import dev.fusor.tensor.Shape;
import dev.fusor.trim.MagnitudeBand;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * DELLA (Deep et al. 2024, arXiv 2406.11617): elements of the task vectors are dropped at random, the larger ones of each row
 * more rarely, and the others multiplied by 1 / their probability if {@code rescale}; then they are added up, or signs are
 * elected.
 *
 * <p>A row is a run of elements along the last axis; a tensor of one axis is one row. Densities of 0 and 1 keep nothing and
 * everything, whatever epsilon is.
 */
public final class Della extends SparseTaskArithmetic {
    private static final double STANDARD_EPSILON = 0.15;

    /** Sorting a row takes 16 bytes of heap an element. */
    private static final long LONGEST_ROW = 1 << 22;

    private Della(String name, boolean elects, boolean normalize) {
        super(name, elects, normalize,
                Parameter.optional("epsilon", Scope.MODEL, STANDARD_EPSILON, "a fraction from 0 to 0.5",
                        epsilon -> epsilon >= 0 && epsilon <= 0.5),
                Parameter.flag("rescale", true), Parameter.flag("rescale_l1", false));
    }

    /** {@return {@code della_linear}: all task vectors are added up} */
    public static Della linear() {
        return new Della("della_linear", false, false);
    }

    /** {@return {@code della}: those of the elected sign are averaged} */
    public static Della ties() {
        return new Della("della", true, true);
    }

    @Override
    public Optional<String> objection(Shape shape, Map<String, Double> modelParameters,
            Map<String, Double> parameters) {
        double density = modelParameters.get("density");
        double epsilon = modelParameters.get("epsilon");
        if (!isPlain(density) && !RankedDrop.Window.fits(density, epsilon)) {
            return Optional.of("density +- epsilon are probabilities, got %s +- %s; choose a smaller epsilon"
                    .formatted(density, epsilon));
        }
        if (!isPlain(density) && row(shape) > LONGEST_ROW) {
            return Optional
                    .of("rows of %d elements are ranked at most, and its shape is %s; use dare_ties or dare_linear"
                            .formatted(LONGEST_ROW, shape));
        }
        return Optional.empty();
    }

    @Override
    List<Sparsity> sparsities(MergeInputs inputs, WholeTensors whole) {
        return inputs.ofEachModel(model -> sparsity(inputs, model));
    }

    private static Sparsity sparsity(MergeInputs inputs, int model) {
        double density = inputs.value(model, "density");
        boolean rescale = inputs.flag("rescale") && !inputs.flag("rescale_l1");
        long key = Philox.key(inputs.seed(), inputs.tensor());
        if (isPlain(density)) {
            return new Sparsity(MagnitudeBand.ALL,
                    new Drop.Always(new RandomDrop(key, model, density, rescale)));
        }
        int row = Math.toIntExact(row(inputs.base().shape()));
        RankedDrop.Window window = new RankedDrop.Window(density, inputs.value(model, "epsilon"), row, rescale);
        return new Sparsity(MagnitudeBand.ALL, new Drop.Ranked(key, model, window));
    }

    @Override
    boolean rescalesToSum(Map<String, Double> parameters) {
        return parameters.get("rescale") != 0 && parameters.get("rescale_l1") != 0;
    }

    private static boolean isPlain(double density) {
        return density == 0 || density == 1;
    }

    private static long row(Shape shape) {
        return shape.rank() == 0 ? 1 : Math.max(1, shape.extent(shape.rank() - 1));
    }
}
