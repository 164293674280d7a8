package dev.fusor.method;

import dev.fusor.consensus.DisjointMerge;
import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.consensus.DisjointMerge.Voter;
import dev.fusor.drop.DropFactors;
import dev.fusor.method.Parameter.Scope;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.MagnitudeBand;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.TaskVectorVariance;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
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

    private static final DisjointMerge MERGE = DisjointMerge.on(RangeMerge.HERE);
    private static final Rule RULE = new Rule(Election.UNWEIGHTED, 1, true);

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
        MagnitudeCut cut = differing.cut();
        double[] weights = weights(differing.sumsOfSquares());
        if (cut.equals(MagnitudeCut.ALL)) {
            return new DisjointRanges(inputs.base(), inputs.models(), weights,
                    inputs.ofEachModel(_ -> MagnitudeBand.ALL), inputs.ofEachModel(_ -> Drop.NOTHING), RULE);
        }
        TensorSource variance = new TaskVectorVariance(inputs.base(), inputs.models());
        return (from, out) -> merge(inputs, weights, new Selected(variance.slice(from, out.elements()), from, cut),
                from, out);
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

    private static void merge(MergeInputs inputs, double[] weights, DropFactors selected, long from, Tensor out) {
        List<Tensor> models = inputs.slices(from, out.elements());
        List<Voter> voters = new ArrayList<>();
        for (int m = 0; m < weights.length; m++) {
            voters.add(new Voter(models.get(m), weights[m], MagnitudeBand.ALL, selected));
        }
        MERGE.merge(inputs.baseSlice(from, out.elements()), voters, from, RULE, out);
    }

    /** Drops the elements whose score a cut does not keep. */
    private record Selected(Tensor scores, long first, MagnitudeCut cut) implements DropFactors {
        private static final ValueLayout.OfFloat FACTOR = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);

        @Override
        public void load(long from, int count, MemorySegment factors) {
            for (int i = 0; i < count; i++) {
                float score = (float) Elements.get(scores, from - first + i);
                factors.setAtIndex(FACTOR, i, cut.keeps(score, from + i) ? 1f : DROPPED);
            }
        }
    }
}
