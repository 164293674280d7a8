package dev.fusor.method;

import dev.fusor.method.Parameter.Scope;
import dev.fusor.reduce.Products;
import dev.fusor.tensor.TensorSource;
import java.util.List;
import java.util.Map;

/**
 * Spherical linear interpolation from the base model (t = 0) to the other (t = 1), the whole tensor as one vector.
 */
public final class Slerp implements MergeMethod {
    /** Beyond this cosine the tensors are as good as parallel, or opposed, and the straight line is taken. */
    private static final double COLINEAR = 0.9995;

    /** A tensor this short has no direction; it is not brought to length 1. */
    private static final double SMALLEST_NORM = 1e-8;

    private static final List<Parameter> PARAMETERS = List
            .of(Parameter.required("t", Scope.TENSOR, "a finite number", Double::isFinite));

    /** The method has no state. */
    public Slerp() {}

    @Override
    public String name() {
        return "slerp";
    }

    @Override
    public List<Parameter> parameters() {
        return PARAMETERS;
    }

    @Override
    public boolean needsBase() {
        return true;
    }

    @Override
    public int mostModels() {
        return 1;
    }

    @Override
    public RangeMerge prepare(MergeInputs inputs, WholeTensors whole) {
        TensorSource base = inputs.base();
        TensorSource other = inputs.models().getFirst();
        return new WeightedRanges(null, List.of(base, other),
                weights(whole.products(base, other), inputs.value("t")), 1);
    }

    @Override
    public int looks(List<Map<String, Double>> modelParameters, Map<String, Double> parameters) {
        return 1;
    }

    /** The weights of both ends, from float64 reductions by functions that are the same on every machine. */
    private static double[] weights(Products products, double t) {
        double cosine = products.ab() / length(products.aa()) / length(products.bb());
        // Written so that NaN interpolates linearly: it then stays with the elements it came from.
        if (!(Math.abs(cosine) <= COLINEAR)) {
            return new double[]{1 - t, t};
        }
        double angle = StrictMath.acos(cosine);
        double sine = StrictMath.sin(angle);
        return new double[]{StrictMath.sin((1 - t) * angle) / sine, StrictMath.sin(t * angle) / sine};
    }

    private static double length(double sumOfSquares) {
        double norm = Math.sqrt(sumOfSquares);
        return norm > SMALLEST_NORM ? norm : 1;
    }
}
