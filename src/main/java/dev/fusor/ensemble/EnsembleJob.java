package dev.fusor.ensemble;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.ensemble.EnsembleGradient.Objective;
import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.ensemble.LogitEnsemble.Output;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;

import static dev.fusor.ensemble.BatchCheck.require;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/** What kernels of ensembles are told of a batch, what they keep of its rows in between, and the launches over them. */
final class EnsembleJob implements AutoCloseable {
    private static final long MOST_SCRATCH = 1 << 26;

    private static final List<Output> OUTPUTS = List.of(Output.values());
    private static final List<DType> TYPES = List.of(DType.F32, DType.F16, DType.BF16);
    private static final int MOST_WARPS = 8;
    private static final int WARP = 32;
    private static final int LEAST_WIDTH = 4;
    private static final int MODEL_BYTES = 48;
    private static final int RECORD_BYTES = 16;
    static final int STATISTICS_BYTES = 32;
    private static final int ADDRESSES = 3 + OUTPUTS.size() + 2 + 3;
    private static final int NUMBERS = 18;
    private static final int JOB_BYTES = ADDRESSES * Long.BYTES + NUMBERS * Integer.BYTES;

    /** In the order of the kernels. */
    enum Phase {
        MEASURE, COMBINE, NORMALISE, RANK
    }

    private final CudaStream stream;
    private final DType type;
    private final long rows;
    private final int chunks;
    private final int parts;
    private final int width;
    private final long rowsAtOnce;
    private final CudaMemory memory;
    private final List<CudaLaunch> launches = new ArrayList<>();

    /** What is differentiated, and where derivatives go; null where they are not wanted. */
    record Gradient(Objective objective, Tensor byWeight, Tensor byTemperature) {}

    /**
     * Checks what a device asks for beside {@link BatchCheck}.
     *
     * @param batch in device memory
     * @param outputs likewise
     * @throws IllegalArgumentException if the device's kernels have not what is wanted, or memory is not the device's
     */
    static void check(Batch batch, Collection<Tensor> outputs) {
        DType type = batch.models().getFirst().logits().dtype();
        List<Tensor> tensors = new ArrayList<>();
        for (Model model : batch.models()) {
            require(TYPES.contains(type) && model.logits().dtype() == type,
                    "on a device all logits are of one type of %s, got %s beside %s", TYPES, model.logits(), type);
            Collections.addAll(tensors, model.logits(), model.present());
        }
        require(batch.classes() <= LogitEnsembleCuda.MOST_CLASSES,
                "on a device there are up to %d classes, got %d", LogitEnsembleCuda.MOST_CLASSES, batch.classes());
        require(batch.gates() == null || TYPES.contains(batch.gates().dtype()),
                "on a device gates are of one type of %s, got %s", TYPES, batch.gates());
        Collections.addAll(tensors, batch.gates(), batch.labels());
        tensors.addAll(outputs);
        for (Tensor tensor : tensors) {
            if (tensor != null) {
                CudaFormats.requirePlaced(tensor);
            }
        }
    }

    /**
     * Allocates it, and enqueues the copy of its tables.
     *
     * @param batch that has been checked
     * @param outputs of COMBINE; the objective of a gradient is the LOSS or the ENTROPY
     * @param ranks how many best classes are wanted
     * @param gradient null if there is none
     * @param held null if rows are not held
     * @param mostBytes of logits that a launch goes over before the next one does: {@link #cachedBytes} if that reads them again
     */
    EnsembleJob(CudaStream stream, Mode mode, Batch batch, Map<Output, Tensor> outputs, int ranks, Gradient gradient,
            HeldRows held, long mostBytes) {
        this.stream = stream;
        this.type = batch.models().getFirst().logits().dtype();
        this.rows = batch.rows();
        int models = batch.models().size();
        this.chunks = chunks(batch.classes());
        this.parts = held == null ? (chunks + MOST_WARPS - 1) / MOST_WARPS : held.parts();
        // Two classes a thread; a power of two, so that rows do not straddle warps.
        this.width = Math.clamp(Integer.highestOneBit(batch.classes() * 2 - 1) / 2, LEAST_WIDTH, WARP);
        long recordBytes = (models + 1L) * chunks * RECORD_BYTES;
        long statisticsBytes = (models + 1L) * STATISTICS_BYTES;
        long rowBytes = recordBytes + statisticsBytes + Integer.BYTES;
        long logitBytes = type.byteSize((long) models * batch.classes());
        this.rowsAtOnce = Math.max(1, Math.min(Math.min(rows, MOST_SCRATCH / rowBytes), mostBytes / logitBytes));
        long scratchAt = (JOB_BYTES + (long) models * MODEL_BYTES + 15) / 16 * 16;
        this.memory = CudaMemory.allocate(stream, scratchAt + rowsAtOnce * rowBytes);
        MemorySegment records = memory.segment().asSlice(scratchAt);
        MemorySegment statistics = records.asSlice(rowsAtOnce * recordBytes);
        MemorySegment partsDone = statistics.asSlice(rowsAtOnce * statisticsBytes);
        Objective objective = gradient == null ? null : gradient.objective();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(scratchAt, Long.BYTES);
            Writer job = new Writer(host);
            job.put(memory.segment().address() + JOB_BYTES).put(CudaMemory.addressOrZero(batch.gates()))
                    .put(CudaMemory.addressOrZero(batch.labels()));
            OUTPUTS.forEach(output -> job.put(CudaMemory.addressOrZero(outputs.get(output))));
            job.put(gradient == null ? 0 : CudaMemory.addressOrZero(gradient.byWeight()))
                    .put(gradient == null ? 0 : CudaMemory.addressOrZero(gradient.byTemperature()));
            job.put(records.address()).put(statistics.address()).put(partsDone.address());
            for (Output output : OUTPUTS.subList(0, 3)) {
                job.put(outputs.containsKey(output) ? CudaFormats.number(outputs.get(output).dtype()) : 0);
            }
            job.put(batch.gates() == null ? 0 : CudaFormats.number(batch.gates().dtype()))
                    .put(batch.labels() != null && batch.labels().dtype() == DType.I64).put(models)
                    .put(batch.classes()).put(mode.ordinal()).put(isLimited(batch)).put(parts)
                    .put(mayPass(mode, outputs)).put(ranks).put(width)
                    .put(gradient != null || outputs.containsKey(Output.LOG_SUM_EXP))
                    .put(gradient != null || isNormalised(outputs))
                    .put(objective == Objective.ENTROPY || outputs.containsKey(Output.ARGMAX))
                    .put(objective == Objective.CROSS_ENTROPY)
                    .put(Float.floatToRawIntBits(start(mode, objective)));
            for (int e = 0; e < models; e++) {
                write(batch.models().get(e), host.asSlice(JOB_BYTES + (long) e * MODEL_BYTES, MODEL_BYTES));
            }
            stream.upload(host, memory.segment().asSlice(0, scratchAt));
            stream.fill(partsDone, (byte) 0);
        } catch (RuntimeException e) {
            memory.close();
            throw e;
        }
    }

    /** {@return how many bytes a second launch finds in the cache that a first has read, beside what both write} */
    static long cachedBytes(CudaStream stream) {
        return stream.device().info().cacheBytes() / 2;
    }

    /** {@return a kernel for the type of the logits} */
    CudaKernel kernel(String module, String name) {
        return CudaFormats.kernel(stream, "ensemble", module, type, name);
    }

    /** Adds a launch that takes a phase over parts of rows. */
    void overParts(Phase phase) {
        if (phase == Phase.MEASURE) {
            overParts(kernel("logit_ensemble", "measure"));
        } else {
            combine(phase, rowsAtOnce * parts, warps() * WARP, 0);
        }
    }

    /** Adds a launch that takes the phases up to RANK over rows that are held. */
    void overHeldRows(HeldRows held, List<Phase> phases) {
        CudaKernel kernel = held.kernel();
        CudaLaunch launch = phases.contains(Phase.MEASURE)
                ? kernel.prepare(8, 8, 8, 4).set(3, phases.contains(Phase.NORMALISE) ? 1 : 0)
                : kernel.prepare(8, 8, 8);
        add(kernel, launch, Math.min(rowsAtOnce, held.together()) * parts, held.threads(), held.sharedBytes());
        if (parts > 1) {
            launch.cooperative();
        }
    }

    /** Adds a launch whose blocks take parts of rows, a warp for each chunk of one. */
    void overParts(CudaKernel kernel) {
        add(kernel, kernel.prepare(8, 8, 8), rowsAtOnce * parts, warps() * WARP, bytes(warps(), 0));
    }

    /** Adds a launch of a phase that comes after MEASURE, with room for more numbers behind the values of chunks. */
    void combine(Phase phase, long tasks, int threads, int moreNumbers) {
        CudaKernel kernel = kernel("logit_ensemble", "combine");
        add(kernel, kernel.prepare(8, 8, 8, 4).set(3, phase.ordinal() - Phase.COMBINE.ordinal()), tasks, threads,
                bytes(threads / WARP, moreNumbers));
    }

    private int warps() {
        return (chunks + parts - 1) / parts;
    }

    private static int bytes(int warps, int moreNumbers) {
        return (warps * LogitEnsemble.CHUNK + moreNumbers) * Float.BYTES;
    }

    /** Adds a launch whose blocks have so many tasks in turn for the rows in between which memory is used again. */
    void add(CudaKernel kernel, CudaLaunch launch, long tasks, int threads, int sharedBytes) {
        launches.add(launch);
        launch.grid((int) Math.min(tasks, kernel.residentBlocks(threads, sharedBytes))).block(threads, sharedBytes)
                .set(0, memory.segment());
    }

    /** {@return how many rows memory is used for at once} */
    long rowsAtOnce() {
        return rowsAtOnce;
    }

    /** {@return how many launches have these rows} */
    int launches() {
        return launches.size();
    }

    /** {@return how many chunks a row has} */
    int chunks() {
        return chunks;
    }

    /** {@return how many threads have a row of few classes} */
    int width() {
        return width;
    }

    /** Enqueues the launches. */
    void run() {
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

    static int chunks(int classes) {
        return (classes + LogitEnsemble.CHUNK - 1) / LogitEnsemble.CHUNK;
    }

    static boolean isLimited(Batch batch) {
        return batch.models().stream().anyMatch(model -> model.present() != null);
    }

    /** Whether nothing is wanted that needs every class of a mean of probabilities. */
    private static boolean mayPass(Mode mode, Map<Output, Tensor> outputs) {
        return mode == Mode.PROBABILITIES
                && Set.of(Output.ARGMAX, Output.LOSS, Output.LOG_SUM_EXP).containsAll(outputs.keySet());
    }

    /** Whether something is wanted that needs the sum of the exponentials of scores. */
    private static boolean isNormalised(Map<Output, Tensor> outputs) {
        return !Collections.disjoint(outputs.keySet(), Set.of(Output.LOG_PROBABILITIES, Output.PROBABILITIES,
                Output.TOP_LOG_PROBABILITIES, Output.ENTROPY, Output.LOSS));
    }

    private static float start(Mode mode, Objective objective) {
        return switch (mode) {
            case MAXIMUM, MOST_CONFIDENT -> Float.NEGATIVE_INFINITY;
            case PROBABILITIES -> objective == null ? 0 : Float.MIN_VALUE;
            default -> 0;
        };
    }

    private static void write(Model model, MemorySegment row) {
        row.set(JAVA_LONG, 0, model.logits().data().address() + model.logits().dtype().byteSize(model.first()));
        row.set(JAVA_LONG, 8, CudaMemory.addressOrZero(model.present()));
        row.set(JAVA_LONG, 16, model.stride());
        row.set(JAVA_DOUBLE, 24, model.weight());
        row.set(JAVA_DOUBLE, 32, model.temperature());
        row.set(JAVA_FLOAT, 40, ModelChunks.inverse(model));
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

        Writer put(boolean holds) {
            return put(holds ? 1 : 0);
        }
    }
}
