package dev.fusor.method;

import dev.fusor.method.Parameter.Scope;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.testing.Tensors;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What the tests of sparse methods share: task vectors, and the formula of mergekit's generalised task arithmetic. */
final class SparseMerges {
    static final String TENSOR = "model.layers.3.up.weight";
    static final List<DType> TYPES = List.of(DType.F32, DType.BF16, DType.F16, DType.F64);

    private SparseMerges() {}

    /** A base and three models of a shape; one of them differs from the base in every third element only. */
    static List<Tensor> models(DType type, Shape shape) {
        Tensor base = Tensors.random(type, shape.elements(), 1, null, 0.02);
        List<Tensor> all = new ArrayList<>(List.of(base));
        for (int m = 0; m < 3; m++) {
            all.add(Tensors.random(type, shape.elements(), 2 + m, base, 2e-3));
        }
        for (long i = 0; i < shape.elements(); i++) {
            if (i % 3 != 0) {
                Elements.set(all.get(2), i, Elements.get(base, i));
            }
        }
        return all.stream().map(tensor -> Tensor.of(tensor.data(), type, shape)).toList();
    }

    static MergeInputs inputs(List<Tensor> models, List<Map<String, Double>> modelParameters,
            Map<String, Double> parameters) {
        return new MergeInputs(TENSOR, Tensors.SEED, models.getFirst(),
                List.<TensorSource>copyOf(models.subList(1, models.size())), modelParameters, parameters);
    }

    static float[] taskVector(Tensor base, Tensor x) {
        float[] delta = new float[(int) x.elements()];
        for (int i = 0; i < delta.length; i++) {
            double a = Elements.get(x, i);
            double b = Elements.get(base, i);
            delta[i] = x.dtype() == DType.F64 ? (float) (a - b) : (float) a - (float) b;
        }
        return delta;
    }

    /**
     * base + lambda * (sum of w t over those that agree) / (sum of their w if normalize), in float32 and in the order of the
     * models; with an election those agree whose w t has the sign of the sum of all w t, plus if that is 0.
     */
    static Tensor merge(Tensor base, List<float[]> sparse, double[] weights, boolean election, boolean normalize,
            double lambda) {
        Tensor out = Tensors.zeros(base.dtype(), base.elements());
        for (int i = 0; i < base.elements(); i++) {
            float mass = 0;
            float weightOfAll = 0;
            for (int m = 0; m < weights.length; m++) {
                mass += (float) weights[m] * sparse.get(m)[i];
                weightOfAll += (float) weights[m];
            }
            float sum = 0;
            float divisor = 0;
            for (int m = 0; m < weights.length; m++) {
                float vote = (float) weights[m] * sparse.get(m)[i];
                if (!election || (mass >= 0 ? vote > 0 : vote < 0)) {
                    sum += vote;
                    divisor += (float) weights[m];
                }
            }
            divisor = election ? divisor : weightOfAll;
            if (normalize && divisor != 0) {
                sum /= divisor;
            }
            double b = Elements.get(base, i);
            Elements.set(out, i, base.dtype() == DType.F64
                    ? Math.fma((double) (float) lambda, (double) sum, b)
                    : Math.fma((float) lambda, sum, (float) b));
        }
        return out;
    }

    /** The standard values of parameters that are not given. */
    static MergeInputs completed(MergeMethod method, MergeInputs inputs) {
        return new MergeInputs(inputs.tensor(), inputs.seed(), inputs.base(), inputs.models(),
                inputs.modelParameters().stream().map(values -> completed(method, Scope.MODEL, values)).toList(),
                completed(method, Scope.TENSOR, inputs.parameters()));
    }

    private static Map<String, Double> completed(MergeMethod method, Scope scope, Map<String, Double> values) {
        Map<String, Double> all = new HashMap<>(values);
        for (Parameter parameter : method.parameters()) {
            if (parameter.scope() == scope && !parameter.isRequired()) {
                all.putIfAbsent(parameter.name(), parameter.standard().getAsDouble());
            }
        }
        return all;
    }

    /** The whole tensor by a method, whose ranges are made in pieces of a size. */
    static Tensor merge(MergeMethod method, MergeInputs inputs, int range) {
        Tensor out = Tensors.misaligned(inputs.base().dtype(), inputs.base().elements());
        RangeMerge merge = method.prepare(completed(method, inputs), WholeTensors.on(RangeMerge.HERE));
        for (long from = 0; from < out.elements(); from += range) {
            merge.merge(from, out.slice(from, Math.min(range, out.elements() - from)));
        }
        return out;
    }
}
