package dev.fusor.ensemble;

import dev.fusor.device.CpuDevice;
import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.util.EnumMap;
import java.util.Map;
import java.util.Set;

import static dev.fusor.ensemble.BatchCheck.require;

/** Rows shared out among threads, each differentiated by one. */
final class EnsembleGradientCpu implements EnsembleGradient {
    private static final Set<Mode> MODES = Set.of(Mode.LOGITS, Mode.LOG_PROBABILITIES, Mode.PROBABILITIES);

    private final CpuDevice device;

    EnsembleGradientCpu(CpuDevice device) {
        this.device = device;
    }

    @Override
    public void differentiate(Mode mode, Objective objective, Batch batch, Map<Output, Tensor> outputs) {
        check(mode, objective, batch, outputs);
        if (objective == Objective.CROSS_ENTROPY) {
            BatchCheck.checkLabels(batch);
        }
        Map<Output, Tensor> wanted = new EnumMap<>(Output.class);
        wanted.putAll(outputs);
        LogitEnsembleCpu.eachRow(device, batch,
                forms -> new GradientRow(mode, objective, batch, wanted, forms)::differentiate);
    }

    static void check(Mode mode, Objective objective, Batch batch, Map<Output, Tensor> outputs) {
        BatchCheck.check(mode, batch, Map.of());
        require(MODES.contains(mode), "gradients are of LOGITS, LOG_PROBABILITIES and PROBABILITIES, got the mode %s",
                mode);
        for (int e = 0; e < batch.models().size(); e++) {
            require(mode == Mode.PROBABILITIES || batch.models().get(e).present() == null,
                    "gradients of the mode %s take models that have all classes, model %d lacks some", mode, e);
        }
        require(objective != Objective.CROSS_ENTROPY || batch.labels() != null,
                "CROSS_ENTROPY takes labels, got none");
        outputs.forEach((output, tensor) -> {
            Shape shape = output == Output.OBJECTIVE
                    ? Shape.of(batch.rows())
                    : Shape.of(batch.rows(), batch.models().size());
            require(tensor.dtype() == DType.F32 && tensor.shape().equals(shape), "%s is F32 %s, got %s", output, shape,
                    tensor);
        });
    }
}
