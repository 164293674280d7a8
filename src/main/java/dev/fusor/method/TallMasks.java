package dev.fusor.method;

import dev.fusor.consensus.TaskVectorFusion;
import dev.fusor.method.Parameter.Scope;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.IntStream;

/**
 * TALL masks (Wang et al. 2024, arXiv 2405.07813): with s the sum of all task vectors, the mask of a model is set where |t| &gt; l |s - t|,
 * t being its task vector and l its {@code tall_mask_lambda}, 0.6 unless told as in FusionBench. (FusionBench compares the base's weights
 * with task vectors there, a mistake.)
 *
 * <p>{@code tall_mask} makes base + m s for the model that {@code task} names: what the masks and the sum bring back of it.
 * {@code consensus_ta} makes one model for all, base + lambda * s where at least {@code fewest} masks are set (2 unless told, as in the
 * authors' code): elements that fewer models use are dropped.
 */
public final class TallMasks implements MergeMethod {
    private static final Parameter THRESHOLD = Parameter.optional("tall_mask_lambda", Scope.MODEL, 0.6,
            "a finite number from 0", l -> l >= 0 && Double.isFinite(l));
    private static final Parameter TASK = Parameter.task(OptionalDouble.empty(),
            "the place of a model in the list, from 1");
    private static final Parameter FEWEST = Parameter.optional("fewest", Scope.TENSOR, 2, "a whole number from 0",
            k -> k >= 0 && k == (int) k);

    private final String name;
    private final List<Parameter> parameters;

    private TallMasks(String name, Parameter... own) {
        this.name = name;
        this.parameters = IntStream.rangeClosed(0, own.length).mapToObj(i -> i == 0 ? THRESHOLD : own[i - 1]).toList();
    }

    /** {@return {@code tall_mask}: one model as its mask brings it back} */
    public static TallMasks ofTask() {
        return new TallMasks("tall_mask", TASK);
    }

    /** {@return {@code consensus_ta}: one model for all} */
    public static TallMasks consensus() {
        return new TallMasks("consensus_ta", FEWEST, Parameter.finite("lambda", Scope.TENSOR, 1));
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public List<Parameter> parameters() {
        return parameters;
    }

    @Override
    public boolean needsBase() {
        return true;
    }

    @Override
    public Optional<String> objection(int models, Map<String, Double> values) {
        for (Parameter counted : parameters) {
            if ((counted == TASK || counted == FEWEST) && values.get(counted.name()) > models) {
                return Optional.of("%s is %d, and %d models are merged".formatted(counted.name(),
                        values.get(counted.name()).intValue(), models));
            }
        }
        return Optional.empty();
    }

    @Override
    public RangeMerge prepare(MergeInputs inputs, WholeTensors whole) {
        double[] thresholds = inputs.values(THRESHOLD.name());
        if (parameters.contains(TASK)) {
            int model = (int) inputs.value(TASK.name()) - 1;
            return inputs.fused(
                    TaskVectorFusion.tallMasked(new int[]{model}, new double[]{thresholds[model]}, 1), 1);
        }
        int[] models = IntStream.range(0, thresholds.length).toArray();
        return inputs.fused(TaskVectorFusion.tallMasked(models, thresholds, (int) inputs.value(FEWEST.name())),
                inputs.value("lambda"));
    }
}
