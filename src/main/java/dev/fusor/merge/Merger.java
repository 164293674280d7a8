package dev.fusor.merge;

import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.checkpoint.CheckpointWriter;
import dev.fusor.checkpoint.TensorEntry;
import dev.fusor.consensus.DisjointMerge.Sink;
import dev.fusor.device.CpuDevice;
import dev.fusor.device.cuda.CudaException;
import dev.fusor.merge.MergeReport.TensorHealth;
import dev.fusor.method.DeviceRanges;
import dev.fusor.method.Differing;
import dev.fusor.method.MergeInputs;
import dev.fusor.method.MergeMethod;
import dev.fusor.method.MergeMethods;
import dev.fusor.method.RangeMerge;
import dev.fusor.method.TrimmedMerge;
import dev.fusor.method.WholeTensors;
import dev.fusor.recipe.MergePlan;
import dev.fusor.recipe.TensorInput;
import dev.fusor.recipe.TensorPlan;
import dev.fusor.reduce.NonFinite;
import dev.fusor.reduce.Products;
import dev.fusor.tensor.DType;
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
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * Carries out a merge plan, on the CPU or, where it is told so, its ranges on a CUDA device:
 * tensor by tensor, each in ranges that the threads share out. A range is merged into a buffer of its thread and written to
 * its place, some ranges twice where task vectors are trimmed on the way (docs/adr/032); nothing larger than a range is ever held.
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
            Map<TensorPlan, Prepared> together = prepareTogether(whole, cuda);
            for (TensorPlan tensor : plan.tensors()) {
                Prepared before = together.remove(tensor);
                Prepared prepared = before == null ? prepare(tensor, whole, cuda) : before;
                merge(tensor, prepared, writer);
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

    /** What is known of a tensor before its ranges are merged: its inputs, and how to do it. */
    private record Prepared(List<TensorSource> inputs, Work work) {}

    /** A way to merge a tensor. */
    private interface Work {
        void run(Ranges ranges);
    }

    private Prepared prepare(TensorPlan tensor, WholeTensors whole, CudaRanges cuda) {
        List<TensorSource> sources = sources(tensor);
        if (tensor.carried()) {
            return new Prepared(sources, ranges -> ranges.run(ranges::carry));
        }
        MergeInputs inputs = inputs(tensor, sources);
        Optional<TrimmedMerge> inOne = cuda == null && estimate.allowsOne()
                ? method(tensor).inOne(inputs)
                : Optional.empty();
        return new Prepared(sources, inOne.isPresent()
                ? ranges -> ranges.run(inOne.get())
                : inRanges(method(tensor).prepare(inputs, whole), cuda));
    }

    private static Work inRanges(RangeMerge merge, CudaRanges cuda) {
        return cuda != null && merge instanceof DeviceRanges there
                ? ranges -> ranges.run(cuda, there)
                : ranges -> ranges.run(merge);
    }

    /** Those tensors that the method looks at together. */
    private Map<TensorPlan, Prepared> prepareTogether(WholeTensors whole, CudaRanges cuda) {
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
            prepared.put(tensors.get(i), new Prepared(sources.get(i), inRanges(merges.get(i), cuda)));
        }
        return prepared;
    }

    private void merge(TensorPlan tensor, Prepared prepared, CheckpointWriter writer) throws MergeException {
        Ranges ranges = new Ranges(tensor, prepared.inputs, writer);
        prepared.work.run(ranges);
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
        /** By their first elements. */
        private final Map<Long, Done> done = new ConcurrentHashMap<>();

        /**
         * A range that was written, and its numbers that are not finite.
         *
         * @param elements of the range
         * @param inputs the counts of each input
         * @param output the counts of the result
         */
        private record Done(long elements, List<NonFinite> inputs, NonFinite output) {}

        Ranges(TensorPlan tensor, List<TensorSource> inputs, CheckpointWriter writer) {
            this.tensor = tensor;
            this.inputs = inputs;
            this.writer = writer;
        }

        TensorHealth health() {
            return new TensorHealth(
                    IntStream.range(0, inputs.size()).mapToObj(i -> sum(range -> range.inputs.get(i))).toList(),
                    sum(Done::output));
        }

        private NonFinite sum(Function<Done, NonFinite> counts) {
            return done.values().stream().map(counts).reduce(NonFinite.NONE, NonFinite::plus);
        }

        void run(RangeMerge merge) {
            long length = tensor.shape().elements();
            // Packed types come in whole bytes: a range starts at a multiple of 8 elements.
            long tile = estimate.tileElements();
            device.run((length + tile - 1) / tile, number -> {
                long from = number * tile;
                long count = Math.min(tile, length - from);
                Tensor out = room(count);
                merge.merge(from, out);
                finish(from, slices(from, count), out);
            });
        }

        private Tensor room(long count) {
            return Tensor.of(outputBuffer.get().asSlice(0, tensor.outDtype().byteSize(count)), tensor.outDtype(),
                    Shape.of(count));
        }

        private List<Tensor> slices(long from, long count) {
            return inputs.stream().map(input -> input.slice(from, count)).toList();
        }

        /** In one, by ranges that are written before all is known and, where they were wrong, once more. */
        void run(TrimmedMerge merge) {
            Selected selected = merge.run(device, new Sink() {
                @Override
                public DType dtype() {
                    return tensor.outDtype();
                }

                @Override
                public Tensor begin(long from, int count) {
                    return room(count);
                }

                @Override
                public void done(long from, Tensor range) {
                    finish(from, done.containsKey(from) ? null : slices(from, range.elements()), range);
                }
            });
            long once = inputs.stream().mapToLong(input -> input.bytesOf(input.elements())).sum();
            bytesLookedAt.add(selected.bytesRead() - once);
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
            long elements = done.values().stream().mapToLong(Done::elements).sum();
            done.clear();
            progress.advanced(-bytes(elements));
        }

        /**
         * Counts and writes a range.
         *
         * @param slices of the inputs; those that are null are not counted, and null for a range that is written once more
         */
        private void finish(long from, List<Tensor> slices, Tensor out) {
            List<NonFinite> counts = slices == null
                    ? done.get(from).inputs
                    : slices.stream().map(Ranges::count).toList();
            try {
                writer.write(tensor.name(), tensor.outDtype().byteSize(from), out.data());
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            if (done.put(from, new Done(out.elements(), counts, count(out))) == null) {
                progress.advanced(bytes(out.elements()));
            }
        }

        private static NonFinite count(Tensor tensor) {
            return tensor == null || !tensor.dtype().isArithmetic() ? NonFinite.NONE : NonFinite.count(tensor);
        }

        /** Bytes of a range: those of its inputs and of the result. */
        private long bytes(long elements) {
            return inputs.stream().mapToLong(input -> input.dtype().byteSize(elements))
                    .reduce(tensor.outDtype().byteSize(elements), Long::sum);
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
    }

    /** Ends the threads and frees the buffers; the checkpoints stay open. */
    @Override
    public void close() {
        device.close();
        inputBuffers.close();
        arena.close();
    }
}
