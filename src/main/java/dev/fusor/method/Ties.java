package dev.fusor.method;

import dev.fusor.consensus.DisjointMerge;
import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.device.CpuDevice;
import dev.fusor.method.Parameter.Scope;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.MagnitudeSelection;
import java.util.ArrayList;
import java.util.List;

/**
 * TIES merging (Yadav et al. 2023, arXiv 2306.01708): trim, elect signs, merge disjointly.
 */
public final class Ties implements MergeMethod {
    private static final List<Parameter> PARAMETERS = List.of(Parameter.weight(),
            Parameter.optional("density", Scope.MODEL, 1, "a fraction from 0 to 1", d -> d >= 0 && d <= 1),
            Parameter.finite("lambda", Scope.TENSOR, 1), Parameter.flag("normalize", true),
            Parameter.flag("int8_mask", false));

    /** The method has no state. */
    public Ties() {}

    @Override
    public String name() {
        return "ties";
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
    public RangeMerge prepare(MergeInputs inputs, CpuDevice device) {
        double[] weights = inputs.values("weight");
        double[] densities = inputs.values("density");
        MagnitudeSelection selection = MagnitudeSelection.on(device);
        MagnitudeCut[] cuts = new MagnitudeCut[weights.length];
        for (int m = 0; m < cuts.length; m++) {
            TensorSource model = inputs.models().get(m);
            long kept = MagnitudeSelection.kept(densities[m], model.elements());
            cuts[m] = selection.select(inputs.base(), model, kept, MagnitudeSelection.Ties.EXACT_K);
        }
        DisjointMerge merge = DisjointMerge.on(RangeMerge.HERE);
        Rule rule = new Rule(Election.WEIGHTED, inputs.value("lambda"), inputs.flag("normalize"));
        return (from, out) -> {
            List<Tensor> models = inputs.slices(from, out.elements());
            List<DisjointMerge.Voter> voters = new ArrayList<>();
            for (int m = 0; m < cuts.length; m++) {
                voters.add(new DisjointMerge.Voter(models.get(m), weights[m], cuts[m]));
            }
            merge.merge(inputs.baseSlice(from, out.elements()), voters, from, rule, out);
        };
    }
}
