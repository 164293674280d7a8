package dev.fusor.ensemble;

import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.ensemble.EnsembleJob.Phase;
import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Output;
import dev.fusor.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

import static dev.fusor.ensemble.BatchCheck.require;

/**
 * Logit ensembles on a CUDA device. The bits are those that {@link LogitEnsemble} defines.
 *
 * <p>What is prepared once is run as often as wanted; a run allocates nothing, copies nothing and waits for nothing. It is one
 * launch for rows of up to {@value #FEW_CLASSES} classes, short ones sharing warps; beyond, it is one
 * launch where the models' sums of exponentials are not needed (LOGITS, LOG_PROBABILITIES of complete models, MAXIMUM), else two;
 * one more for log-probabilities or probabilities of scores, class by class; one more for the k best classes, which reads again
 * the k chunks of {@link LogitEnsemble#CHUNK} classes that can hold them; and as many times that as the rows need so that what is
 * known of rows in between stays within 64 MiB. Where only the best class of a mean of probabilities is
 * asked for, chunks that cannot hold it are not read again.
 *
 * <p>All logits are of one type, F32, F16 or BF16; there are up to {@value #MOST_CLASSES} classes, and up to {@value #MOST_RANKS}
 * best ones. A label that is no class gives a loss of NaN: labels are not looked at before they are needed. Vectors are loaded
 * from rows that start at a multiple of two elements; models that lack classes are combined class by class.
 *
 * <p>It belongs to the thread that prepared it.
 */
public final class LogitEnsembleCuda implements AutoCloseable {
    /** The most classes. */
    public static final int MOST_CLASSES = 1 << 20;

    /** The most of {@link Output#TOP_CLASSES} and {@link Output#TOP_LOG_PROBABILITIES}. */
    public static final int MOST_RANKS = 1024;

    private static final Set<Mode> MEASURED = Set.of(Mode.PROBABILITIES, Mode.MOST_CONFIDENT, Mode.VOTE);
    private static final Set<Mode> OF_PROBABILITIES = Set.of(Mode.PROBABILITIES, Mode.VOTE);
    private static final int FEW_CLASSES = 256;
    private static final int FEW_THREADS = 128;
    private static final int WARP = 32;

    private final EnsembleJob job;

    /**
     * Prepares the launches, and enqueues the copy of their tables.
     *
     * @param stream where they will run
     * @param mode how
     * @param batch what, in device memory
     * @param outputs where each result goes that is wanted, in device memory; they overlap neither each other nor the inputs
     * @return the launches
     * @throws IllegalArgumentException if shapes, types, weights or temperatures are not as they should be, a mode lacks an output,
     *         the device's kernels have not what is wanted, or memory is not the device's
     */
    public static LogitEnsembleCuda prepare(CudaStream stream, Mode mode, Batch batch, Map<Output, Tensor> outputs) {
        BatchCheck.check(mode, batch, outputs);
        EnsembleJob.check(batch, outputs.values());
        require(ranks(outputs) <= MOST_RANKS, "on a device there are up to %d best classes, got %d", MOST_RANKS,
                ranks(outputs));
        return new LogitEnsembleCuda(stream, mode, batch, outputs);
    }

    private LogitEnsembleCuda(CudaStream stream, Mode mode, Batch batch, Map<Output, Tensor> outputs) {
        int ranks = ranks(outputs);
        this.job = new EnsembleJob(stream, mode, batch, outputs, ranks, null);
        try {
            List<Phase> phases = phases(mode, batch, outputs);
            if (batch.classes() <= FEW_CLASSES) {
                fewClasses(phases, batch.classes(), ranks);
                return;
            }
            for (Phase phase : phases) {
                if (phase == Phase.RANK) {
                    // Behind the values of a chunk the best classes, and the chunks that may have them.
                    job.combine(phase, job.rowsAtOnce(), WARP, 2 * ranks + Math.min(ranks, job.chunks()));
                } else {
                    job.overParts(phase);
                }
            }
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    private static List<Phase> phases(Mode mode, Batch batch, Map<Output, Tensor> outputs) {
        List<Phase> phases = new ArrayList<>();
        if (outputs.containsKey(Output.LOG_SUM_EXP) || MEASURED.contains(mode)
                || mode == Mode.LOG_PROBABILITIES && EnsembleJob.isLimited(batch)) {
            phases.add(Phase.MEASURE);
        }
        if (outputs.keySet().stream().anyMatch(output -> output != Output.LOG_SUM_EXP)) {
            phases.add(Phase.COMBINE);
        }
        if (!OF_PROBABILITIES.contains(mode)
                && (outputs.containsKey(Output.LOG_PROBABILITIES) || outputs.containsKey(Output.PROBABILITIES))) {
            phases.add(Phase.NORMALISE);
        }
        if (ranks(outputs) > 0) {
            phases.add(Phase.RANK);
        }
        return phases;
    }

    /** One launch for all phases, a warp or a part of one for each row. */
    private void fewClasses(List<Phase> phases, int classes, int ranks) {
        CudaKernel kernel = job.kernel("few_classes", "combine_few");
        int set = phases.stream().mapToInt(phase -> 1 << phase.ordinal()).sum();
        int rowsOfBlock = FEW_THREADS / job.width();
        int pairs = (classes + LogitEnsemble.LANES - 1) / LogitEnsemble.LANES;
        job.add(kernel, kernel.prepare(8, 8, 8, 4).set(3, set), (job.rowsAtOnce() + rowsOfBlock - 1) / rowsOfBlock,
                FEW_THREADS, (FEW_THREADS * 2 * pairs + rowsOfBlock * 3 * ranks) * Float.BYTES);
    }

    /** How many best classes are wanted. */
    private static int ranks(Map<Output, Tensor> outputs) {
        Tensor ranked = outputs.getOrDefault(Output.TOP_CLASSES, outputs.get(Output.TOP_LOG_PROBABILITIES));
        return ranked == null ? 0 : (int) ranked.shape().extent(1);
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
