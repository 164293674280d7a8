package dev.fusor.method;

import dev.fusor.method.Parameter.Scope;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * SCE (Wan et al. 2024, FuseChat, arXiv 2408.07990): select the elements in which the models differ most, calculate the
 * weights of the models from what is left of their task vectors, and erase those of the minor sign.
 *
 * <p>Of the elements whose variance over the models is not 0, floor(select_topk times their number) are selected, those of
 * largest variance, of equals the first; with a select_topk of 1 all elements are. A model's weight is the sum of the squares
 * of what is selected of its task vector, divided by the same of all models; they weigh the same if all are 0.
 */
public final class Sce implements MergeMethod {
    private static final List<Parameter> PARAMETERS = List.of(
            Parameter.optional("select_topk", Scope.TENSOR, 1, "a fraction from 0 to 1", k -> k >= 0 && k <= 1),
            Parameter.flag("int8_mask", false));

    /** The method has no state. */
    public Sce() {}

    @Override
    public String name() {
        return "sce";
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
    public RangeMerge prepare(MergeInputs inputs, WholeTensors whole) {
        Differing differing = whole.differing(inputs.base(), inputs.models(), inputs.value("select_topk"));
        whole.looked(differing.bytesRead());
        return new VaryingRanges(inputs.base(), inputs.models(), weights(differing.sumsOfSquares()), differing.cut());
    }

    @Override
    public int looks(List<Map<String, Double>> modelParameters, Map<String, Double> parameters) {
        return parameters.get("select_topk") == 1 ? 1 : 3;
    }

    private static double[] weights(double[] energies) {
        double sum = 0;
        for (double energy : energies) {
            sum += energy;
        }
        if (sum == 0) {
            Arrays.fill(energies, 1);
            sum = energies.length;
        }
        for (int m = 0; m < energies.length; m++) {
            energies[m] /= sum;
        }
        return energies;
    }
}
