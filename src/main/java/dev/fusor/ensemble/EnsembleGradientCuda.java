package dev.fusor.ensemble;

import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.ensemble.EnsembleGradient.Objective;
import dev.fusor.ensemble.EnsembleGradient.Output;
import dev.fusor.ensemble.EnsembleJob.Gradient;
import dev.fusor.ensemble.EnsembleJob.Phase;
import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.tensor.Tensor;
import java.util.EnumMap;
import java.util.Map;

/**
 * Gradients of ensembles on a CUDA device. The bits are those that {@link EnsembleGradient} defines.
 *
 * <p>What is prepared once is run as often as wanted; a run allocates nothing, copies nothing and waits for nothing. It is two
 * launches, and as many times that as the rows need so that what is known of rows in between stays within 64 MiB. The first makes
 * the objective of scores, or measures the models; the second reads logits once more, of the cross-entropy of a mean of
 * probabilities those of the labels alone.
 *
 * <p>What is taken is what {@link LogitEnsembleCuda} takes. Where a label is no class all results of a row are NaN: labels are not
 * looked at before they are needed. Rows of few classes have a warp each.
 *
 * <p>It belongs to the thread that prepared it.
 */
public final class EnsembleGradientCuda implements AutoCloseable {
    private static final int WARP = 32;

    private final EnsembleJob job;

    /**
     * Prepares the launches, and enqueues the copy of their tables.
     *
     * @param stream where they will run
     * @param mode LOGITS, LOG_PROBABILITIES or PROBABILITIES
     * @param objective what is differentiated
     * @param batch what is combined, in device memory; with labels if the objective takes them
     * @param outputs where each result goes that is wanted, in device memory; they overlap neither each other nor the inputs
     * @return the launches
     * @throws IllegalArgumentException if shapes, types, weights or temperatures are not as they should be, the mode is another,
     *         models lack classes in a mode of scores, the device's kernels have not what is wanted, or memory is not the device's
     */
    public static EnsembleGradientCuda prepare(CudaStream stream, Mode mode, Objective objective, Batch batch,
            Map<Output, Tensor> outputs) {
        EnsembleGradientCpu.check(mode, objective, batch, outputs);
        EnsembleJob.check(batch, outputs.values());
        return new EnsembleGradientCuda(stream, mode, objective, batch, outputs);
    }

    private EnsembleGradientCuda(CudaStream stream, Mode mode, Objective objective, Batch batch,
            Map<Output, Tensor> outputs) {
        boolean byLabel = objective == Objective.CROSS_ENTROPY;
        Map<LogitEnsemble.Output, Tensor> combined = new EnumMap<>(LogitEnsemble.Output.class);
        if (outputs.containsKey(Output.OBJECTIVE)) {
            combined.put(byLabel ? LogitEnsemble.Output.LOSS : LogitEnsemble.Output.ENTROPY,
                    outputs.get(Output.OBJECTIVE));
        }
        boolean labelsAlone = mode == Mode.PROBABILITIES && byLabel;
        this.job = new EnsembleJob(stream, mode, batch, combined, 0,
                new Gradient(objective, outputs.get(Output.WEIGHTS), outputs.get(Output.TEMPERATURES)), null,
                labelsAlone ? Long.MAX_VALUE : EnsembleJob.cachedBytes(stream));
        try {
            job.overParts(mode == Mode.PROBABILITIES ? Phase.MEASURE : Phase.COMBINE);
            if (labelsAlone) {
                CudaKernel kernel = job.kernel("ensemble_gradient", "differentiate_label");
                job.add(kernel, kernel.prepare(8, 8, 8), job.rowsAtOnce(), WARP, 0);
            } else {
                job.overParts(job.kernel("ensemble_gradient", "differentiate"));
            }
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /**
     * Enqueues the launches.
     *
     * @throws dev.fusor.device.cuda.CudaException if the driver refuses one
     */
    public void run() {
        job.run();
    }

    /** Frees the tables, in order with what was enqueued. */
    @Override
    public void close() {
        job.close();
    }
}
