package dev.fusor.merge;

import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.checkpoint.CheckpointWriter;
import dev.fusor.checkpoint.TensorEntry;
import dev.fusor.device.CpuDevice;
import dev.fusor.device.cuda.CudaException;
import dev.fusor.merge.MergeReport.TensorHealth;
import dev.fusor.method.DeviceRanges;
import dev.fusor.method.Differing;
import dev.fusor.method.MergeInputs;
import dev.fusor.method.MergeMethod;
import dev.fusor.method.MergeMethods;
import dev.fusor.method.RangeMerge;
import dev.fusor.method.WholeTensors;
import dev.fusor.recipe.MergePlan;
import dev.fusor.recipe.TensorInput;
import dev.fusor.recipe.TensorPlan;
import dev.fusor.reduce.NonFinite;
import dev.fusor.reduce.Products;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.MagnitudeSelection.Part;
import dev.fusor.trim.MagnitudeSelection.Selected;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;

/**
 * Carries out a merge plan, on the CPU or, where it is told so, its ranges on a CUDA device:
 * tensor by tensor, each in ranges that the threads share out. A range is merged into a buffer of its thread and written to
 * its place; nothing larger than a range is ever held.
 */
public final class Merger implements AutoCloseable {
    private final MergePlan plan;
    private final List<Checkpoint> checkpoints;
    private final MergeOptions options;
    private final Estimate estimate;
    private final Progress progress;
    private final Optional<Alignment> alignment;
    private final CpuDevice device;
    private final Arena arena = Arena.ofShared();
    private final FileSource.Buffers inputBuffers;
    private final ThreadLocal<MemorySegment> outputBuffer;
    private final SequencedMap<String, TensorHealth> health = new LinkedHashMap<>();
    private final List<String> warnings = new ArrayList<>();
    private final LongAdder bytesLookedAt = new LongAdder();

    /**
     * Prepares a merge; nothing is read or written yet.
     *
     * @param plan what to do
     * @param checkpoints the plan's models, in its order; they stay open until the merge is closed
     * @param options how to do it
     * @param progress is told how far it has come
     * @param alignment of the plan's models, if it has one
     * @throws MergeException if the memory allowed is too little
     * @throws IllegalArgumentException if the plan aligns models and no alignment is given, or the other way round
     */
    public Merger(MergePlan plan, List<Checkpoint> checkpoints, MergeOptions options, Progress progress,
            Optional<Alignment> alignment) throws MergeException {
        if (plan.alignTo().isPresent() != alignment.isPresent()) {
            throw new IllegalArgumentException("the plan %s models, got %s alignment".formatted(
                    plan.alignTo().isPresent() ? "aligns" : "does not align", alignment.isPresent() ? "an" : "no"));
        }
        this.alignment = alignment;
        this.plan = plan;
        this.checkpoints = List.copyOf(checkpoints);
        this.options = options;
        this.estimate = Estimate.of(plan, checkpoints, options);
        this.progress = progress;
        this.device = CpuDevice.open(options.threads());
        int places = plan.tensors().stream().mapToInt(tensor -> tensor.inputs().size()).max().orElse(1);
        this.inputBuffers = new FileSource.Buffers(places);
        this.outputBuffer = ThreadLocal
                .withInitial(() -> arena.allocate((long) estimate.tileElements() * Double.BYTES, 64));
    }

    /** {@return the version of Fusor} */
    public static String version() {
        String version = Merger.class.getModule().isNamed()
                ? Merger.class.getModule().getDescriptor().rawVersion().orElse(null)
                : Merger.class.getPackage().getImplementationVersion();
        return version == null ? "development" : version;
    }

    /** {@return what the plan will take} */
    public Estimate estimate() {
        return estimate;
    }

    /**
     * Merges into a new checkpoint. A JVM that is asked to end meanwhile deletes first what was written so far.
     *
     * @param output the folder to make
     * @param recipe the recipe's text, kept beside the output
     * @return what was done
     * @throws IOException if reading or writing fails; the output's name is then untouched
     * @throws MergeException if the inputs do not allow the merge
     */
    public MergeReport merge(Path output, String recipe) throws IOException, MergeException {
        long start = System.nanoTime();
        List<CheckpointWriter.Spec> specs = plan.tensors().stream()
                .map(tensor -> new CheckpointWriter.Spec(tensor.name(), tensor.outDtype(), tensor.shape())).toList();
        Checkpoint donor = checkpoints.get(plan.donor());
        try (AbortOnExit<CheckpointWriter> abort = new AbortOnExit<>();
                CheckpointWriter writer = abort.open(() -> CheckpointWriter
                        .create(output, specs, options.shardBytes(), donor.metadata(), options.overwrite()))) {
            mergeAll(writer);
            Companions.copy(donor, plan, writer.staging());
            if (alignment.isPresent()) {
                alignment.get().write(writer.staging());
            }
            new Manifest(plan, checkpoints, options, health).write(writer, recipe);
            writer.commit();
        } catch (UncheckedIOException e) {
            throw e.getCause();
        } catch (CudaException e) {
            throw new MergeException("the merge was given up: %s; --device cpu merges to the same bits"
                    .formatted(e.getMessage()));
        }
        return new MergeReport(estimate.bytesToRead(), bytesLookedAt.sum(), estimate.bytesToWrite(),
                (System.nanoTime() - start) / 1e9,
                warnings);
    }

    private void mergeAll(CheckpointWriter writer) throws MergeException {
        try (CudaRanges cuda = options.cuda().isEmpty()
                ? null
                : new CudaRanges(options.cuda().getAsInt(), device, estimate.inputs(),
                        options.maxMemory() - estimate.memory())) {
            WholeTensors whole = new Looks(cuda == null ? WholeTensors.on(device) : cuda);
            Map<TensorPlan, Prepared> together = prepareTogether(whole);
            for (TensorPlan tensor : plan.tensors()) {
                Prepared before = together.remove(tensor);
                Prepared prepared = before == null ? prepare(tensor, whole) : before;
                merge(tensor, prepared, writer, cuda);
                if (cuda != null) {
                    cuda.release(prepared.inputs);
                }
            }
        }
    }

    /** Counts what is looked at. */
    private final class Looks implements WholeTensors {
        private final WholeTensors there;

        Looks(WholeTensors there) {
            this.there = there;
        }

        @Override
        public CpuDevice cpu() {
            return there.cpu();
        }

        @Override
        public Products products(TensorSource a, TensorSource b) {
            looked(a.bytesOf(a.elements()) + b.bytesOf(b.elements()));
            return there.products(a, b);
        }

        @Override
        public Selected selected(List<Part> parts, List<Wanted> wanted, Ties ties) {
            return there.selected(parts, wanted, ties);
        }

        @Override
        public Differing differing(TensorSource base, List<TensorSource> models, double fraction) {
            return there.differing(base, models, fraction);
        }

        @Override
        public void looked(long bytes) {
            bytesLookedAt.add(bytes);
        }
    }

    /** What is known of a tensor before its ranges are merged: its inputs, and how, or nothing if it is carried. */
    private record Prepared(List<TensorSource> inputs, RangeMerge merge) {}

    private Prepared prepare(TensorPlan tensor, WholeTensors whole) {
        List<TensorSource> sources = sources(tensor);
        return new Prepared(sources,
                tensor.carried() ? null : method(tensor).prepare(inputs(tensor, sources), whole));
    }

    /** Those tensors that the method looks at together. */
    private Map<TensorPlan, Prepared> prepareTogether(WholeTensors whole) {
        List<TensorPlan> tensors = plan.tensors().stream()
                .filter(tensor -> !tensor.carried() && method(tensor).spans(tensor.parameters())).toList();
        Map<TensorPlan, Prepared> prepared = new HashMap<>();
        if (tensors.isEmpty()) {
            return prepared;
        }
        List<List<TensorSource>> sources = tensors.stream().map(this::sources).toList();
        List<MergeInputs> inputs = new ArrayList<>();
        for (int i = 0; i < tensors.size(); i++) {
            inputs.add(inputs(tensors.get(i), sources.get(i)));
        }
        List<RangeMerge> merges = method(tensors.getFirst()).prepareTogether(inputs, whole);
        for (int i = 0; i < tensors.size(); i++) {
            prepared.put(tensors.get(i), new Prepared(sources.get(i), merges.get(i)));
        }
        return prepared;
    }

    private void merge(TensorPlan tensor, Prepared prepared, CheckpointWriter writer, CudaRanges cuda)
            throws MergeException {
        Ranges ranges = new Ranges(tensor, prepared.inputs, writer);
        if (tensor.carried()) {
            ranges.run(ranges::carry);
        } else if (cuda != null && prepared.merge instanceof DeviceRanges there) {
            ranges.run(cuda, there);
        } else {
            ranges.run(prepared.merge);
        }
        TensorHealth found = ranges.health();
        if (found.any()) {
            if (options.failOnNan()) {
                throw new MergeException(
                        "the tensor '%s' has values that are not finite (%s) and --fail-on-nan was given; leave it out to merge all the same"
                                .formatted(tensor.name(), found.inWords(models(tensor))));
            }
            health.put(tensor.name(), found);
            warnings.add(tensor.name() + ": " + found.inWords(models(tensor)));
        }
    }

    private List<TensorSource> sources(TensorPlan tensor) {
        List<TensorSource> sources = new ArrayList<>();
        for (TensorInput input : tensor.inputs()) {
            sources.add(source(input, tensor.shape(), sources.size()));
        }
        return sources;
    }

    private TensorSource source(TensorInput input, Shape shape, int place) {
        Checkpoint checkpoint = checkpoints.get(input.model());
        TensorEntry entry = checkpoint.tensor(input.tensor());
        if (alignment.isPresent() && alignment.get().moves(input.model(), input.tensor())) {
            return new GatheredSource(alignment.get().source(input.model(), entry, checkpoint), inputBuffers, place);
        }
        if (options.reading() == Reading.MAPPED) {
            Tensor whole = checkpoint.map(input.tensor());
            return whole.shape().equals(shape) ? whole : whole.slice(0, shape.elements());
        }
        return new FileSource(checkpoint, entry, shape, inputBuffers, place);
    }

    private static MergeMethod method(TensorPlan tensor) {
        return MergeMethods.named(tensor.method()).orElseThrow();
    }

    private MergeInputs inputs(TensorPlan tensor, List<TensorSource> inputs) {
        TensorSource base = tensor.base().isPresent() ? inputs.get(tensor.base().getAsInt()) : null;
        List<TensorSource> models = new ArrayList<>();
        List<Map<String, Double>> parameters = new ArrayList<>();
        for (int i = 0; i < inputs.size(); i++) {
            if (base == null || i != tensor.base().getAsInt()) {
                models.add(inputs.get(i));
                parameters.add(tensor.inputs().get(i).parameters());
            }
        }
        return new MergeInputs(tensor.name(), plan.seed(), base, models, parameters, tensor.parameters());
    }

    private List<String> models(TensorPlan tensor) {
        return tensor.inputs().stream().map(input -> plan.models().get(input.model())).toList();
    }

    /** The ranges of one tensor. */
    private final class Ranges {
        private final TensorPlan tensor;
        private final List<TensorSource> inputs;
        private final CheckpointWriter writer;
        private final NonFinite[] inputHealth;
        private final AtomicLong bytesDone = new AtomicLong();
        private NonFinite outputHealth = NonFinite.NONE;

        Ranges(TensorPlan tensor, List<TensorSource> inputs, CheckpointWriter writer) {
            this.tensor = tensor;
            this.inputs = inputs;
            this.writer = writer;
            this.inputHealth = new NonFinite[inputs.size()];
            Arrays.fill(inputHealth, NonFinite.NONE);
        }

        TensorHealth health() {
            return new TensorHealth(List.of(inputHealth), outputHealth);
        }

        void run(RangeMerge merge) {
            long length = tensor.shape().elements();
            // Packed types come in whole bytes: a range starts at a multiple of 8 elements.
            long tile = estimate.tileElements();
            device.run((length + tile - 1) / tile, number -> {
                long from = number * tile;
                long count = Math.min(tile, length - from);
                long bytes = tensor.outDtype().byteSize(count);
                Tensor out = Tensor.of(outputBuffer.get().asSlice(0, bytes), tensor.outDtype(), Shape.of(count));
                merge.merge(from, out);
                finish(from, inputs.stream().map(input -> input.slice(from, count)).toList(), out);
            });
        }

        /** On the device as long as it takes the merge, which it may no longer do when ranges become smaller. */
        void run(CudaRanges cuda, DeviceRanges merge) {
            List<TensorSource> order = merge.inputs();
            while (cuda.takes(merge, tensor.outDtype())) {
                if (cuda.run(merge, tensor.shape().elements(), tensor.outDtype(), (from, slices, out) -> finish(from,
                        inputs.stream().map(input -> slices.get(order.indexOf(input))).toList(), out))) {
                    return;
                }
                forget();
            }
            run(merge);
        }

        /** As if nothing had been done: it will be done again. */
        private void forget() {
            Arrays.fill(inputHealth, NonFinite.NONE);
            outputHealth = NonFinite.NONE;
            progress.advanced(-bytesDone.getAndSet(0));
        }

        /** Counts and writes a range; inputs that are null are not counted. */
        private void finish(long from, List<Tensor> slices, Tensor out) {
            if (out.dtype().isArithmetic()) {
                count(slices, out);
            }
            try {
                writer.write(tensor.name(), tensor.outDtype().byteSize(from), out.data());
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            long bytes = out.data().byteSize();
            for (TensorSource input : inputs) {
                bytes += input.dtype().byteSize(out.elements());
            }
            bytesDone.addAndGet(bytes);
            progress.advanced(bytes);
        }

        void carry(long from, Tensor out) {
            Tensor first = inputs.getFirst().slice(from, out.elements());
            for (int i = 1; i < inputs.size(); i++) {
                Tensor other = inputs.get(i).slice(from, out.elements());
                if (first.data().mismatch(other.data()) != -1) {
                    throw new UncheckedIOException(new IOException(
                            "the tensor '%s' of type %s differs between %s and %s, and values of that type are only copied; take the tensor from one model by a passthrough slice"
                                    .formatted(tensor.name(), tensor.outDtype(),
                                            plan.models().get(tensor.inputs().getFirst().model()),
                                            plan.models().get(tensor.inputs().get(i).model()))));
                }
            }
            out.data().copyFrom(first.data());
        }

        private void count(List<Tensor> slices, Tensor out) {
            NonFinite[] found = slices.stream().map(slice -> slice == null ? NonFinite.NONE : NonFinite.count(slice))
                    .toArray(NonFinite[]::new);
            NonFinite result = NonFinite.count(out);
            synchronized (this) {
                for (int i = 0; i < found.length; i++) {
                    inputHealth[i] = inputHealth[i].plus(found[i]);
                }
                outputHealth = outputHealth.plus(result);
            }
        }
    }

    /** Ends the threads and frees the buffers; the checkpoints stay open. */
    @Override
    public void close() {
        device.close();
        inputBuffers.close();
        arena.close();
    }
}
