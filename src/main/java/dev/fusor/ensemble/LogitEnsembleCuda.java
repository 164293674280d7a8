package dev.fusor.ensemble;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.ensemble.LogitEnsemble.Output;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/**
 * Logit ensembles on a CUDA device. The bits are those that {@link LogitEnsemble} defines.
 *
 * <p>What is prepared once is run as often as wanted; a run allocates nothing, copies nothing and waits for nothing. It is one
 * launch for rows of up to {@value #FEW_CLASSES} classes, short ones sharing warps; beyond, it is one
 * launch where the models' sums of exponentials are not needed (LOGITS, LOG_PROBABILITIES of complete models, MAXIMUM), else two;
 * one more for log-probabilities or probabilities of scores, class by class; one more for the k best classes, which reads again
 * the k chunks of {@link LogitEnsemble#CHUNK} classes that can hold them; and as many times that as the rows need so that what is
 * known of rows in between stays within {@value #MOST_SCRATCH} bytes. Where only the best class of a mean of probabilities is
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

    private static final List<Output> OUTPUTS = List.of(Output.values());
    private static final List<DType> TYPES = List.of(DType.F32, DType.F16, DType.BF16);
    private static final Set<Mode> MEASURED = Set.of(Mode.PROBABILITIES, Mode.MOST_CONFIDENT, Mode.VOTE);
    private static final Set<Mode> OF_PROBABILITIES = Set.of(Mode.PROBABILITIES, Mode.VOTE);

    private static final long MOST_SCRATCH = 1 << 26;
    private static final int MOST_WARPS = 8;
    private static final int WARP = 32;
    private static final int MODEL_BYTES = 40;
    private static final int RECORD_BYTES = 16;
    private static final int STATISTICS_BYTES = 32;
    private static final int JOB_BYTES = 24 + OUTPUTS.size() * Long.BYTES + 24 + 3 * Integer.BYTES
            + 11 * Integer.BYTES;
    /** What a warp loads at once of a row of BF16 in the kernels of long rows. */
    private static final int FEW_CLASSES = 256;
    private static final int FEW_THREADS = 128;
    private static final int LEAST_WIDTH = 4;

    private final CudaStream stream;
    private final long rows;
    private final long rowsAtOnce;
    private final CudaMemory memory;
    private final List<CudaLaunch> launches = new ArrayList<>();

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
        DType type = batch.models().getFirst().logits().dtype();
        for (Model model : batch.models()) {
            require(TYPES.contains(type) && model.logits().dtype() == type,
                    "on a device all logits are of one type of %s, got %s beside %s", TYPES, model.logits(), type);
            CudaFormats.requirePlaced(model.logits());
            if (model.present() != null) {
                CudaFormats.requirePlaced(model.present());
            }
        }
        require(batch.classes() <= MOST_CLASSES, "on a device there are up to %d classes, got %d", MOST_CLASSES,
                batch.classes());
        require(batch.gates() == null || TYPES.contains(batch.gates().dtype()),
                "on a device gates are of one type of %s, got %s", TYPES, batch.gates());
        outputs.forEach((output, tensor) -> {
            CudaFormats.requirePlaced(tensor);
        });
        require(ranks(outputs) <= MOST_RANKS, "on a device there are up to %d best classes, got %d", MOST_RANKS,
                ranks(outputs));
        for (Tensor tensor : new Tensor[]{batch.gates(), batch.labels()}) {
            if (tensor != null) {
                CudaFormats.requirePlaced(tensor);
            }
        }
        return new LogitEnsembleCuda(stream, mode, batch, outputs);
    }

    private static void require(boolean holds, String message, Object... values) {
        if (!holds) {
            throw new IllegalArgumentException(message.formatted(values));
        }
    }

    private LogitEnsembleCuda(CudaStream stream, Mode mode, Batch batch, Map<Output, Tensor> outputs) {
        this.stream = stream;
        this.rows = batch.rows();
        int models = batch.models().size();
        int chunks = (batch.classes() + LogitEnsemble.CHUNK - 1) / LogitEnsemble.CHUNK;
        int parts = (chunks + MOST_WARPS - 1) / MOST_WARPS;
        int warps = (chunks + parts - 1) / parts;
        int ranks = ranks(outputs);
        boolean few = batch.classes() <= FEW_CLASSES;
        // Two classes a thread; a power of two, so that rows do not straddle warps.
        int width = Math.clamp(Integer.highestOneBit(batch.classes() * 2 - 1) / 2, LEAST_WIDTH, WARP);
        long recordBytes = (models + 1L) * chunks * RECORD_BYTES;
        long statisticsBytes = (models + 1L) * STATISTICS_BYTES;
        long rowBytes = recordBytes + statisticsBytes + Integer.BYTES;
        this.rowsAtOnce = Math.max(1, Math.min(rows, MOST_SCRATCH / rowBytes));
        long scratchAt = (JOB_BYTES + (long) models * MODEL_BYTES + 15) / 16 * 16;
        this.memory = CudaMemory.allocate(stream, scratchAt + rowsAtOnce * rowBytes);
        MemorySegment records = memory.segment().asSlice(scratchAt);
        MemorySegment statistics = records.asSlice(rowsAtOnce * recordBytes);
        MemorySegment partsDone = statistics.asSlice(rowsAtOnce * statisticsBytes);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(scratchAt, Long.BYTES);
            Writer job = new Writer(host);
            job.put(memory.segment().address() + JOB_BYTES).put(address(batch.gates())).put(address(batch.labels()));
            OUTPUTS.forEach(output -> job.put(address(outputs.get(output))));
            job.put(records.address()).put(statistics.address()).put(partsDone.address());
            for (Output output : OUTPUTS.subList(0, 3)) {
                job.put(outputs.containsKey(output) ? CudaFormats.number(outputs.get(output).dtype()) : 0);
            }
            job.put(batch.gates() == null ? 0 : CudaFormats.number(batch.gates().dtype()))
                    .put(batch.labels() != null && batch.labels().dtype() == DType.I64 ? 1 : 0).put(models)
                    .put(batch.classes()).put(mode.ordinal()).put(isLimited(batch) ? 1 : 0).put(parts)
                    .put(mayPass(mode, outputs) ? 1 : 0).put(ranks).put(width).put(0);
            for (int e = 0; e < models; e++) {
                write(batch.models().get(e), host.asSlice(JOB_BYTES + (long) e * MODEL_BYTES, MODEL_BYTES));
            }
            stream.upload(host, memory.segment().asSlice(0, scratchAt));
            stream.fill(partsDone, (byte) 0);
            DType type = batch.models().getFirst().logits().dtype();
            List<Phase> phases = phases(mode, batch, outputs);
            if (few) {
                launches.add(fewClasses(type, phases, batch.classes(), width, ranks));
            } else {
                for (Phase phase : phases) {
                    launches.add(phase == Phase.RANK
                            ? launch(type, phase, rowsAtOnce, 1, 2 * ranks + Math.min(ranks, chunks))
                            : launch(type, phase, rowsAtOnce * parts, warps, 0));
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
                || mode == Mode.LOG_PROBABILITIES && isLimited(batch)) {
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

    /** Shares tasks out among blocks, whose warps have room for a chunk each, and the block for more numbers. */
    private CudaLaunch launch(DType type, Phase phase, long tasks, int warps, int moreNumbers) {
        boolean measures = phase == Phase.MEASURE;
        CudaKernel kernel = CudaFormats.kernel(stream, "ensemble", "logit_ensemble", type,
                measures ? "measure" : "combine");
        CudaLaunch launch = measures
                ? kernel.prepare(8, 8, 8)
                : kernel.prepare(8, 8, 8, 4).set(3, phase.ordinal() - Phase.COMBINE.ordinal());
        int sharedBytes = (warps * LogitEnsemble.CHUNK + moreNumbers) * Float.BYTES;
        return on(kernel, launch, tasks, warps * WARP, sharedBytes);
    }

    /** One launch for all phases, a warp or a part of one for each row. */
    private CudaLaunch fewClasses(DType type, List<Phase> phases, int classes, int width, int ranks) {
        CudaKernel kernel = CudaFormats.kernel(stream, "ensemble", "few_classes", type, "combine_few");
        int set = phases.stream().mapToInt(phase -> 1 << phase.ordinal()).sum();
        int rowsOfBlock = FEW_THREADS / width;
        int pairs = (classes + LogitEnsemble.LANES - 1) / LogitEnsemble.LANES;
        return on(kernel, kernel.prepare(8, 8, 8, 4).set(3, set), (rowsAtOnce + rowsOfBlock - 1) / rowsOfBlock,
                FEW_THREADS, (FEW_THREADS * 2 * pairs + rowsOfBlock * 3 * ranks) * Float.BYTES);
    }

    private CudaLaunch on(CudaKernel kernel, CudaLaunch launch, long tasks, int threads, int sharedBytes) {
        return launch.grid((int) Math.min(tasks, kernel.residentBlocks(threads, sharedBytes)))
                .block(threads, sharedBytes).set(0, memory.segment());
    }

    /** How many best classes are wanted. */
    private static int ranks(Map<Output, Tensor> outputs) {
        Tensor ranked = outputs.getOrDefault(Output.TOP_CLASSES, outputs.get(Output.TOP_LOG_PROBABILITIES));
        return ranked == null ? 0 : (int) ranked.shape().extent(1);
    }

    private static long address(Tensor tensor) {
        return tensor == null ? 0 : CudaMemory.address(tensor.data());
    }

    private static boolean isLimited(Batch batch) {
        return batch.models().stream().anyMatch(model -> model.present() != null);
    }

    /** Whether nothing is wanted that needs every class of a mean of probabilities. */
    private static boolean mayPass(Mode mode, Map<Output, Tensor> outputs) {
        return mode == Mode.PROBABILITIES
                && Set.of(Output.ARGMAX, Output.LOSS, Output.LOG_SUM_EXP).containsAll(outputs.keySet());
    }

    private static void write(Model model, MemorySegment row) {
        row.set(JAVA_LONG, 0, model.logits().data().address() + model.logits().dtype().byteSize(model.first()));
        row.set(JAVA_LONG, 8, address(model.present()));
        row.set(JAVA_LONG, 16, model.stride());
        row.set(JAVA_DOUBLE, 24, model.weight());
        row.set(JAVA_FLOAT, 32, ModelChunks.inverse(model));
    }

    /** In the order of the kernels. */
    private enum Phase {
        MEASURE, COMBINE, NORMALISE, RANK
    }

    /** Writes numbers side by side. */
    private static final class Writer {
        private final MemorySegment to;
        private long at;

        Writer(MemorySegment to) {
            this.to = to;
        }

        Writer put(long number) {
            to.set(JAVA_LONG, at, number);
            at += Long.BYTES;
            return this;
        }

        Writer put(int number) {
            to.set(JAVA_INT, at, number);
            at += Integer.BYTES;
            return this;
        }
    }

    /**
     * Enqueues the launches.
     *
     * @throws dev.fusor.device.cuda.CudaException if the driver refuses one
     */
    public void run() {
        for (long first = 0; first < rows; first += rowsAtOnce) {
            for (CudaLaunch launch : launches) {
                launch.set(1, first).set(2, Math.min(rowsAtOnce, rows - first)).on(stream);
            }
        }
    }

    /** Frees the tables, in order with what was enqueued. */
    @Override
    public void close() {
        launches.forEach(CudaLaunch::close);
        memory.close();
    }
}
