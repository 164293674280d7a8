package dev.fusor.method;

import dev.fusor.consensus.TaskVectorFusion;
import dev.fusor.consensus.TaskVectorFusion.Fusion;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * EMR-Merging (Huang et al. 2024, arXiv 2405.17461): elect, mask and rescale. A unified task vector has the sign of the sum of all task
 * vectors and the largest of the magnitudes of that sign. Each model has a mask, where its sign is the elected one, and a rescaler, the
 * ratio of the magnitudes of its task vector to those of the masked unified one.
 *
 * <p>A merge makes one model: the unified one, base + t, or with {@code task: k} what the paper uses for the k-th model, base +
 * r_k m_k t. The rescaler is taken over all tensors: as in the paper of the sums of magnitudes, or with {@code rescaler: mean} of the
 * sums over the tensors of their mean magnitudes, which is what the authors' code and FusionBench do. It is 1 where there is no ratio.
 */
public final class Emr implements MergeMethod {
    private static final Parameter TASK = Parameter.task(OptionalDouble.of(0),
            "0, or the place of a model in the list, from 1");
    private static final Parameter RESCALER = Parameter.word("rescaler", "sum", "mean");

    /** The method has no state. */
    public Emr() {}

    @Override
    public String name() {
        return "emr";
    }

    @Override
    public List<Parameter> parameters() {
        return List.of(TASK, RESCALER);
    }

    @Override
    public boolean needsBase() {
        return true;
    }

    @Override
    public Optional<String> objection(int models, Map<String, Double> parameters) {
        double task = parameters.get(TASK.name());
        return task > models
                ? Optional.of("task is %d, and %d models are merged".formatted((int) task, models))
                : Optional.empty();
    }

    @Override
    public boolean spans(Map<String, Double> parameters) {
        return parameters.get(TASK.name()) > 0;
    }

    @Override
    public List<String> spanned() {
        return List.of(TASK.name(), RESCALER.name());
    }

    @Override
    public int looks(List<Map<String, Double>> modelParameters, Map<String, Double> parameters) {
        return spans(parameters) ? 2 : 0;
    }

    @Override
    public RangeMerge prepare(MergeInputs inputs, WholeTensors whole) {
        return spans(inputs.parameters())
                ? prepareTogether(List.of(inputs), whole).getFirst()
                : inputs.fused(TaskVectorFusion.unified(), 1);
    }

    @Override
    public List<RangeMerge> prepareTogether(List<MergeInputs> tensors, WholeTensors whole) {
        int model = (int) tensors.getFirst().value(TASK.name()) - 1;
        Fusion masked = TaskVectorFusion.masked(model);
        boolean means = tensors.getFirst().value(RESCALER.name()) != 0;
        double before = 0;
        double after = 0;
        for (MergeInputs inputs : tensors) {
            long elements = inputs.base().elements();
            double divisor = means ? Math.max(1, elements) : 1;
            before += sum(inputs.only(model), TaskVectorFusion.largest(), whole) / divisor;
            after += sum(inputs, masked, whole) / divisor;
        }
        double ratio = before / after;
        double rescaler = ratio > 0 && ratio < Double.POSITIVE_INFINITY ? ratio : 1;
        return tensors.stream().map(inputs -> inputs.fused(masked, rescaler)).toList();
    }

    private static double sum(MergeInputs inputs, Fusion fusion, WholeTensors whole) {
        return RangeSums.of(inputs, whole,
                (from, count) -> TaskVectorFusion.sumOfMagnitudes(inputs.baseSlice(from, count),
                        inputs.slices(from, count), fusion));
    }
}
