package dev.fusor.ensemble;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.ensemble.EnsembleJob.Phase;
import dev.fusor.ensemble.HeldRows.Limits;
import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Output;
import dev.fusor.tensor.DType;
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
 * launch, which reads each logit once; one more for the k best classes of rows of more than {@value #FEW_CLASSES}, which reads again
 * the k chunks of {@link LogitEnsemble#CHUNK} classes that can hold them; and as many times that as the rows need so that what is
 * known of rows in between stays within 64 MiB. Votes, and the loss of a mean of probabilities, take two launches.
 *
 * <p>Where each class needs the sums of its row, blocks that are resident together hold the row in shared memory, its logits if sums
 * of single models are needed, else its scores. Rows too long for that (on an H200 those of more than 13 models in 16 bits, or 6 in
 * F32) take two launches, or three for distributions of scores by sums of single models, and so many reads. Where only the best class of a mean
 * of probabilities is asked for, chunks that cannot hold it are not read again.
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
        return prepare(stream, mode, batch, outputs, Limits.NONE);
    }

    static LogitEnsembleCuda prepare(CudaStream stream, Mode mode, Batch batch, Map<Output, Tensor> outputs,
            Limits limits) {
        BatchCheck.check(mode, batch, outputs);
        EnsembleJob.check(batch, outputs.values());
        require(ranks(outputs) <= MOST_RANKS, "on a device there are up to %d best classes, got %d", MOST_RANKS,
                ranks(outputs));
        return new LogitEnsembleCuda(stream, mode, batch, outputs, limits);
    }

    private LogitEnsembleCuda(CudaStream stream, Mode mode, Batch batch, Map<Output, Tensor> outputs, Limits limits) {
        int ranks = ranks(outputs);
        List<Phase> phases = phases(mode, batch, outputs);
        boolean again = readsTwice(phases, mode, batch, outputs);
        HeldRows held = again ? held(stream, phases, batch, limits) : null;
        this.job = new EnsembleJob(stream, mode, batch, outputs, ranks, null, held, again && held == null
                ? Math.min(EnsembleJob.cachedBytes(stream), limits.cachedBytes())
                : Long.MAX_VALUE);
        try {
            if (batch.classes() <= FEW_CLASSES) {
                fewClasses(phases, batch.classes(), ranks);
                return;
            }
            if (held != null) {
                job.overHeldRows(held, phases);
                phases.retainAll(Set.of(Phase.RANK));
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

    /** Whether each class is looked at in more than one phase; of few classes the first-level cache serves the second. */
    private static boolean readsTwice(List<Phase> phases, Mode mode, Batch batch, Map<Output, Tensor> outputs) {
        // The loss looks at the label, and votes at the best classes of models.
        boolean combinesFew = mode == Mode.VOTE || mode == Mode.PROBABILITIES
                && Set.of(Output.LOSS, Output.LOG_SUM_EXP).containsAll(outputs.keySet());
        return batch.classes() > FEW_CLASSES && (phases.contains(Phase.NORMALISE)
                || phases.contains(Phase.MEASURE) && phases.contains(Phase.COMBINE) && !combinesFew);
    }

    private static HeldRows held(CudaStream stream, List<Phase> phases, Batch batch, Limits limits) {
        int models = batch.models().size();
        DType type = batch.models().getFirst().logits().dtype();
        boolean logits = phases.contains(Phase.MEASURE);
        int scores = LogitEnsemble.CHUNK * Float.BYTES;
        int chunkBytes = logits ? Math.max(scores, (int) type.byteSize((long) models * LogitEnsemble.CHUNK)) : scores;
        return HeldRows.of(
                CudaFormats.kernel(stream, "ensemble", "held_rows", type, logits ? "hold_logits" : "hold_scores"),
                stream.device().info().multiprocessors(), EnsembleJob.chunks(batch.classes()), chunkBytes,
                (models + 1) * EnsembleJob.STATISTICS_BYTES, limits);
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

    /** {@return how many launches have rows that memory is used for at once} */
    int launches() {
        return job.launches();
    }

    /** {@return how many rows these are} */
    long rowsAtOnce() {
        return job.rowsAtOnce();
    }

    /** Frees the tables, in order with what was enqueued. */
    @Override
    public void close() {
        job.close();
    }
}
