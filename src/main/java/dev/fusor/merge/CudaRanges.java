package dev.fusor.merge;

import dev.fusor.arithmetic.WeightedSumCuda;
import dev.fusor.arithmetic.WeightedSumCuda.Item;
import dev.fusor.consensus.DisjointMerge.Voter;
import dev.fusor.consensus.DisjointMergeCuda;
import dev.fusor.consensus.TaskVectorFusionCuda;
import dev.fusor.device.CpuDevice;
import dev.fusor.device.cuda.CudaDevice;
import dev.fusor.device.cuda.CudaEvent;
import dev.fusor.device.cuda.CudaException;
import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.device.cuda.PinnedMemory;
import dev.fusor.drop.DropFactors;
import dev.fusor.drop.StoredDrop;
import dev.fusor.linalg.PermutedInterpolationCuda;
import dev.fusor.method.DeviceRanges;
import dev.fusor.method.Differing;
import dev.fusor.method.DisjointRanges;
import dev.fusor.method.FusedRanges;
import dev.fusor.method.VaryingRanges;
import dev.fusor.method.WeightedRanges;
import dev.fusor.method.WholeTensors;
import dev.fusor.reduce.Products;
import dev.fusor.reduce.RangedReductionCuda;
import dev.fusor.reduce.ReductionCuda;
import dev.fusor.reduce.ReductionCuda.Kind;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.MagnitudeSelection;
import dev.fusor.trim.MagnitudeSelection.Part;
import dev.fusor.trim.MagnitudeSelection.Selected;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import dev.fusor.trim.MagnitudeSelectionCuda;
import dev.fusor.trim.TaskVectorVarianceCuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;

/**
 * Streams the ranges of host tensors through a CUDA device: while one range is merged or reduced, the next is read and
 * copied up and the one before is copied down and written. Memory of the host is bounded: {@link #DEPTH} ranges are under way at
 * most.
 *
 * <p>Tensors that are trimmed before they are merged are brought to the device whole, if there is room for them, and stay until
 * they are released: where to cut is found there, and their ranges are merged without being copied up once more. Where there is
 * no room, the processor finds where to cut.
 *
 * <p>Aligned tensors are brought whole as well, as they lie in their files, and their units are moved there; where there is no room for both
 * orders of one, the processor gathers the ranges of all from then on (docs/adr/035).
 *
 * <p>It belongs to the thread that made it.
 */
final class CudaRanges implements WholeTensors, AutoCloseable {
    /** Ranges under way: one that is read and copied up, one that is merged, one that is copied down and written. */
    static final int DEPTH = 3;

    private static final int LARGEST_RANGE = 1 << 22;
    private static final int SMALLEST_RANGE = 1 << 12;
    private static final long ALIGNMENT = 256;

    /** So many rows end where vectors may begin, however long they are. */
    private static final int ROWS = 16;

    private static final Sink NOWHERE = (_, _, _) -> {};

    /** Receives ranges as they come back, in order. */
    interface Sink {
        /**
         * Takes one range.
         *
         * @param from the flat index of its first element
         * @param inputs its inputs, in the order of {@link DeviceRanges#inputs}; null for one whose units were moved on the device, and
         * whose numbers are all finite, as matching found
         * @param out its result
         */
        void take(long from, List<Tensor> inputs, Tensor out);
    }

    private final CpuDevice cpu;
    private final Deque<AutoCloseable> open = new ArrayDeque<>();
    private final CudaDevice device;
    private final CudaStream up;
    private final CudaStream work;
    private final CudaStream down;
    private final int inputs;
    private final Map<TensorSource, CudaMemory> resident = new IdentityHashMap<>();
    /** Of those, the ones whose units were moved there. */
    private final Set<TensorSource> moved = Collections.newSetFromMap(new IdentityHashMap<>());
    private boolean movesUnits = true;
    private List<Slot> slots = List.of();
    private int rangeElements;

    /**
     * Opens a device.
     *
     * @param ordinal which
     * @param cpu reads inputs
     * @param inputs of a tensor at most, the base counted
     * @param hostBytes of page-locked memory at most
     */
    CudaRanges(int ordinal, CpuDevice cpu, int inputs, long hostBytes) throws MergeException {
        this.cpu = cpu;
        this.inputs = inputs;
        this.rangeElements = LARGEST_RANGE;
        while (rangeElements > SMALLEST_RANGE && hostBytes(rangeElements, inputs) > hostBytes) {
            rangeElements /= 2;
        }
        if (hostBytes(rangeElements, inputs) > hostBytes) {
            throw new MergeException(
                    "--max-memory leaves %d bytes for page-locked buffers and %d are wanted at least; allow more, or give --device cpu"
                            .formatted(Math.max(0, hostBytes), hostBytes(rangeElements, inputs)));
        }
        try {
            this.device = keep(openDevice(ordinal));
            this.up = keep(CudaStream.open(device));
            this.work = keep(CudaStream.open(device));
            this.down = keep(CudaStream.open(device));
        } catch (RuntimeException e) {
            closeAll(open, e);
            throw e;
        }
    }

    static CudaDevice openDevice(int ordinal) throws MergeException {
        try {
            return CudaDevice.open(ordinal);
        } catch (IllegalStateException e) { // gone since the command line looked
            throw new MergeException("the merge was given up: %s; --device cpu merges to the same bits"
                    .formatted(e.getMessage()));
        }
    }

    private static long hostBytes(int elements, int inputs) {
        return DEPTH * (inputs + 1L) * (elements * (long) Float.BYTES + ALIGNMENT);
    }

    private <T extends AutoCloseable> T keep(T resource) {
        open.push(resource);
        return resource;
    }

    /**
     * {@return whether a merge can be done on the device} Inputs of several types, F64, and rows that are longer than a range are
     * for the CPU.
     */
    boolean takes(DeviceRanges merge, DType out) {
        DType type = merge.models().getFirst().dtype();
        return CudaFormats.supports(type) && CudaFormats.supports(out)
                && merge.inputs().stream().allMatch(input -> input.dtype() == type)
                && (!(merge instanceof DisjointRanges disjoint)
                        || disjoint.row() <= rangeElements && disjoint.drops().stream().allMatch(RowDrops::takes));
    }

    /**
     * Merges a tensor.
     *
     * @param merge says how
     * @param elements of the tensor
     * @param out the type of the result
     * @param sink takes the ranges
     * @return false if the device has too little memory for ranges of this size: they are smaller from now on, and the tensor has
     * to be begun anew
     * @throws CudaException if the driver fails otherwise, or ranges cannot become smaller
     */
    boolean run(DeviceRanges merge, long elements, DType out, Sink sink) {
        try {
            openSlots();
            moveUnits(merge.inputs());
            int row = merge instanceof DisjointRanges disjoint ? disjoint.row() : 1;
            eachRange(elements, wholeRows(row), sink, (slot, from, count) -> slot.merge(merge, from, count, out));
            return true;
        } catch (CudaException e) {
            halve(e);
            return false;
        }
    }

    @Override
    public CpuDevice cpu() {
        return cpu;
    }

    /** Streams both tensors; what kernels do not take is for the CPU. */
    @Override
    public Products products(TensorSource a, TensorSource b) {
        if (!CudaFormats.supports(a.dtype()) || a.dtype() != b.dtype()) {
            return WholeTensors.super.products(a, b);
        }
        while (true) {
            try {
                return stream(a, b);
            } catch (CudaException e) {
                halve(e);
            }
        }
    }

    /**
     * Brings task vectors' tensors to the device, to be selected from and then merged. What is computed, and what nothing is
     * searched in, is for the CPU.
     */
    @Override
    public Selected selected(List<Part> parts, List<Wanted> wanted, Ties ties) {
        long elements = parts.stream().mapToLong(part -> part.models().getFirst().elements()).sum();
        boolean searched = wanted.stream().anyMatch(one -> one.k() > 0 && one.k() < elements);
        boolean taken = parts.stream().allMatch(part -> part.base() != null && MagnitudeSelectionCuda.supports(part));
        if (searched && taken) {
            try {
                return selectedThere(parts, wanted, ties);
            } catch (CudaException e) {
                if (!e.isOutOfMemory()) {
                    throw e;
                }
                releaseAll();
            }
        }
        return WholeTensors.super.selected(parts, wanted, ties);
    }

    /** Brings the tensors to the device, as for a selection, and computes the variances there. */
    @Override
    public Differing differing(TensorSource base, List<TensorSource> models, double fraction) {
        Part part = new Part(base, models);
        if (base.elements() > 0 && MagnitudeSelectionCuda.supports(part)) {
            try {
                return differingThere(part, fraction);
            } catch (CudaException e) {
                if (!e.isOutOfMemory()) {
                    throw e;
                }
                releaseAll();
            }
        }
        return WholeTensors.super.differing(base, models, fraction);
    }

    /** The variances lie there while they are selected from, and what is left of a task vector while it is summed up. */
    private Differing differingThere(Part part, double fraction) {
        long bytes = bring(List.of(part));
        Tensor base = residentTensor(part.base());
        List<Tensor> models = part.models().stream().map(this::residentTensor).toList();
        TaskVectorVarianceCuda variance = TaskVectorVarianceCuda.on(work);
        try (CudaMemory memory = CudaMemory.allocate(work, DType.F32.byteSize(base.elements()))) {
            Tensor numbers = memory.tensor(DType.F32, base.elements());
            MagnitudeCut cut = MagnitudeCut.ALL;
            if (fraction < 1) {
                MagnitudeSelectionCuda selection = MagnitudeSelectionCuda.on(work);
                variance.variances(base, models, numbers);
                long kept = MagnitudeSelection.kept(fraction, selection.nonZero(null, numbers));
                cut = selection.select(null, numbers, kept, Ties.EXACT_K);
            }
            double[] sums = new double[models.size()];
            for (int m = 0; m < sums.length; m++) {
                variance.selected(base, models, m, cut, numbers);
                sums[m] = sumOfSquares(numbers);
            }
            return new Differing(cut, sums, bytes);
        }
    }

    private double sumOfSquares(Tensor there) {
        try (ReductionCuda reduction = ReductionCuda.prepare(work, Kind.SUM_OF_SQUARES, List.of(List.of(there)));
                Arena arena = Arena.ofConfined()) {
            reduction.run();
            MemorySegment found = arena.allocate(JAVA_DOUBLE);
            work.download(reduction.results(), found);
            work.synchronize();
            return found.get(JAVA_DOUBLE, 0);
        }
    }

    private Selected selectedThere(List<Part> parts, List<Wanted> wanted, Ties ties) {
        long bytes = bring(parts);
        List<Part> there = parts.stream()
                .map(part -> new Part(residentTensor(part.base()),
                        part.models().stream().<TensorSource>map(this::residentTensor).toList()))
                .toList();
        Selected selected = MagnitudeSelectionCuda.on(work).select(there, wanted, ties);
        return new Selected(selected.cuts(), bytes, selected.passes());
    }

    /** Makes tensors resident. {@return their bytes} */
    private long bring(List<Part> parts) {
        openSlots();
        List<TensorSource> all = parts.stream().flatMap(CudaRanges::sources).toList();
        moveUnits(all);
        List<List<TensorSource>> absent = parts.stream()
                .map(part -> sources(part).filter(source -> !resident.containsKey(source)).toList()).toList();
        absent.forEach(this::makeRoom);
        absent.forEach(this::fillRoom);
        return all.stream().mapToLong(source -> source.bytesOf(source.elements())).sum();
    }

    /** Memory for whole tensors, until they are released. */
    private void makeRoom(List<TensorSource> sources) {
        sources.forEach(source -> resident.computeIfAbsent(source,
                key -> CudaMemory.allocate(work, key.dtype().byteSize(key.elements()))));
        work.synchronize(); // memory is there for the other streams from here on
    }

    /** Fills it, for tensors of as many elements. */
    private void fillRoom(List<TensorSource> sources) {
        if (!sources.isEmpty()) {
            eachRange(sources.getFirst().elements(), rangeElements, NOWHERE,
                    (slot, from, count) -> slot.bring(sources, from, count));
        }
    }

    /** Brings those tensors whose units move, one after the other, if there is room. */
    private void moveUnits(List<TensorSource> sources) {
        try {
            for (TensorSource source : sources) {
                if (movesUnits && source instanceof GatheredSource moving && !resident.containsKey(source)) {
                    moveUnits(moving);
                }
            }
        } catch (CudaException e) {
            if (!e.isOutOfMemory()) {
                throw e;
            }
            releaseAll();
            movesUnits = false;
        }
    }

    private void moveUnits(GatheredSource source) {
        Tensor unmoved = source.permuted().unmoved();
        makeRoom(List.of(unmoved, source));
        fillRoom(List.of(unmoved));
        Tensor there = Tensor.of(residentTensor(unmoved).data(), unmoved.dtype(), unmoved.shape());
        try (PermutedInterpolationCuda move = PermutedInterpolationCuda.prepare(work,
                List.of(PermutedInterpolationCuda.Item.move(source.permuted().view(there), residentTensor(source))))) {
            move.run();
        }
        moved.add(source);
        release(List.of(unmoved));
    }

    private static Stream<TensorSource> sources(Part part) {
        return Stream.concat(Stream.of(part.base()), part.models().stream());
    }

    private Tensor residentTensor(TensorSource source) {
        return residentRange(source, 0, source.elements());
    }

    private Tensor residentRange(TensorSource source, long from, long count) {
        DType type = source.dtype();
        return Tensor.of(resident.get(source).segment().asSlice(type.byteSize(from), type.byteSize(count)), type,
                Shape.of(count));
    }

    /** Frees what was brought whole of some tensors, once the kernels have come so far. */
    void release(List<TensorSource> sources) {
        for (TensorSource source : sources) {
            moved.remove(source);
            CudaMemory memory = resident.remove(source);
            if (memory != null) {
                memory.close();
            }
        }
    }

    private void releaseAll() {
        device.synchronize(); // copies under way use it
        release(List.copyOf(resident.keySet()));
    }

    private Products stream(TensorSource a, TensorSource b) {
        openSlots();
        moveUnits(List.of(a, b));
        try (RangedReductionCuda reduction = new RangedReductionCuda(work, Kind.PRODUCTS, a.dtype(), a.elements(),
                rangeElements); Arena arena = Arena.ofConfined()) {
            List<TensorSource> sources = List.of(a, b);
            eachRange(a.elements(), rangeElements, NOWHERE,
                    (slot, from, count) -> slot.reduce(reduction, sources, from, count));
            reduction.fold();
            MemorySegment found = arena.allocate(JAVA_DOUBLE, Kind.PRODUCTS.results());
            work.download(reduction.results(), found);
            work.synchronize();
            return new Products(found.getAtIndex(JAVA_DOUBLE, 0), found.getAtIndex(JAVA_DOUBLE, 1),
                    found.getAtIndex(JAVA_DOUBLE, 2));
        }
    }

    /** Nothing resident, or smaller ranges from now on, if that may help. */
    private void halve(CudaException failure) {
        if (failure.isOutOfMemory() && !resident.isEmpty()) {
            releaseAll();
            movesUnits = false;
            return;
        }
        if (!failure.isOutOfMemory() || rangeElements == SMALLEST_RANGE) {
            throw failure;
        }
        closeSlots();
        rangeElements /= 2;
    }

    /** What is begun with a slot and a range. */
    private interface Begin {
        void begin(Slot slot, long from, int count);
    }

    /** The elements of a range of whole rows, of a multiple of {@link #ROWS} if that many fit. */
    private int wholeRows(int row) {
        int rows = rangeElements / row;
        return row * (rows < ROWS ? rows : rows / ROWS * ROWS);
    }

    private void eachRange(long elements, int most, Sink sink, Begin begin) {
        int number = 0;
        for (long from = 0; from < elements; from += most, number++) {
            Slot slot = slots.get(number % DEPTH);
            slot.deliver(sink);
            begin.begin(slot, from, (int) Math.min(most, elements - from));
        }
        for (int i = 0; i < DEPTH; i++) {
            slots.get((number + i) % DEPTH).deliver(sink);
        }
    }

    private void openSlots() {
        if (!slots.isEmpty()) {
            return;
        }
        List<Slot> made = new ArrayList<>();
        try {
            for (int i = 0; i < DEPTH; i++) {
                made.add(new Slot());
            }
            work.synchronize(); // memory is there for the other streams from here on
            slots = made;
        } catch (RuntimeException e) {
            closeAll(new ArrayDeque<>(made), e);
            throw e;
        }
    }

    private void closeSlots() {
        RuntimeException failure = null;
        try {
            device.synchronize(); // copies under way use the buffers
        } catch (CudaException e) {
            failure = e;
        }
        List<Slot> old = slots;
        slots = List.of();
        failure = closeAll(new ArrayDeque<>(old), failure);
        if (failure != null && !old.isEmpty()) {
            throw failure;
        }
    }

    /** Closes everything, and gives the first failure, with the others in it. */
    private static RuntimeException closeAll(Deque<? extends AutoCloseable> resources, RuntimeException first) {
        RuntimeException failure = first;
        while (!resources.isEmpty()) {
            try {
                resources.pop().close();
            } catch (Exception e) {
                if (failure == null) {
                    failure = e instanceof RuntimeException unchecked ? unchecked : new IllegalStateException(e);
                } else {
                    failure.addSuppressed(e);
                }
            }
        }
        return failure;
    }

    /** Waits for what is under way and frees everything. */
    @Override
    public void close() {
        RuntimeException failure = null;
        try {
            closeSlots();
        } catch (RuntimeException e) {
            failure = e;
        }
        failure = closeAll(new ArrayDeque<>(resident.values()), failure);
        failure = closeAll(open, failure);
        if (failure != null) {
            throw failure;
        }
    }

    /** The buffers of one range, on both sides, and the range that is in them. */
    private final class Slot implements AutoCloseable {
        private final Deque<AutoCloseable> own = new ArrayDeque<>();
        private final PinnedMemory hostIn;
        private final PinnedMemory hostOut;
        private final CudaMemory deviceIn;
        private final CudaMemory deviceOut;
        private final CudaEvent uploaded;
        private final CudaEvent merged;
        private final CudaEvent done;
        private long from;
        private List<Tensor> inputsOfRange = List.of();
        private Tensor result; // null for a range that is read only
        private boolean busy;

        Slot() {
            long room = rangeElements * (long) Float.BYTES + ALIGNMENT;
            try {
                this.hostIn = mine(PinnedMemory.allocate(device, inputs * room));
                this.hostOut = mine(PinnedMemory.allocate(device, room));
                this.deviceIn = mine(CudaMemory.allocate(work, inputs * room));
                this.deviceOut = mine(CudaMemory.allocate(work, room));
                this.uploaded = mine(CudaEvent.open(device));
                this.merged = mine(CudaEvent.open(device));
                this.done = mine(CudaEvent.open(device));
            } catch (RuntimeException e) {
                closeAll(own, e);
                throw e;
            }
        }

        private <T extends AutoCloseable> T mine(T resource) {
            own.push(resource);
            return resource;
        }

        private Tensor part(MemorySegment memory, int place, DType type, int count) {
            long room = rangeElements * (long) Float.BYTES + ALIGNMENT;
            return Tensor.of(memory.asSlice(place * room, type.byteSize(count)), type, Shape.of(count));
        }

        /** Reads a range of each source but of those that were moved on the device. Threads that are left over read parts of it. */
        private void read(List<TensorSource> sources, long start, int count) {
            DType type = sources.getFirst().dtype();
            List<Tensor> host = new ArrayList<>();
            for (int i = 0; i < sources.size(); i++) {
                host.add(moved.contains(sources.get(i)) ? null : part(hostIn.segment(), i, type, count));
            }
            int pieces = Math.max(1, cpu.threads() / sources.size());
            cpu.run((long) sources.size() * pieces, task -> {
                int i = (int) (task / pieces);
                long piece = task % pieces;
                long first = count * piece / pieces;
                long length = count * (piece + 1) / pieces - first;
                if (host.get(i) != null && length > 0) {
                    read(sources.get(i), start + first, host.get(i).slice(first, length));
                }
            });
            from = start;
            inputsOfRange = host;
        }

        /** What is enqueued on the stream of kernels from here on finds on the device what was copied up. */
        private void copiedUp() {
            uploaded.record(up);
            work.waitFor(uploaded);
        }

        /** A range of each source, read and on the device. */
        private List<Tensor> fill(List<TensorSource> sources, long start, int count) {
            read(sources, start, count);
            List<Tensor> there = new ArrayList<>();
            for (int i = 0; i < sources.size(); i++) {
                if (resident.containsKey(sources.get(i))) {
                    there.add(residentRange(sources.get(i), start, count));
                } else {
                    there.add(part(deviceIn.segment(), i, sources.getFirst().dtype(), count));
                    up.upload(inputsOfRange.get(i).data(), there.getLast().data());
                }
            }
            copiedUp();
            return there;
        }

        /** Brings a range of each source to where the whole of it is to be. */
        void bring(List<TensorSource> sources, long start, int count) {
            read(sources, start, count);
            for (int i = 0; i < sources.size(); i++) {
                up.upload(inputsOfRange.get(i).data(), residentRange(sources.get(i), start, count).data());
            }
            copiedUp();
            result = null;
            done.record(up);
            busy = true;
        }

        void merge(DeviceRanges merge, long start, int count, DType out) {
            List<Tensor> there = fill(merge.inputs(), start, count);
            Tensor base = merge.base() == null ? null : there.getFirst();
            List<Tensor> models = base == null ? there : there.subList(1, there.size());
            Tensor deviceResult = part(deviceOut.segment(), 0, out, count);
            launch(merge, base, models, start, deviceResult);
            merged.record(work);
            down.waitFor(merged);
            result = part(hostOut.segment(), 0, out, count);
            down.download(deviceResult.data(), result.data());
            done.record(down);
            busy = true;
        }

        private void launch(DeviceRanges merge, Tensor base, List<Tensor> models, long start, Tensor out) {
            switch (merge) {
                case WeightedRanges sum -> {
                    try (WeightedSumCuda launch = WeightedSumCuda.prepare(work,
                            List.of(Item.of(base, models, sum.weights(), sum.divisor(), out)))) {
                        launch.run();
                    }
                }
                case DisjointRanges disjoint -> {
                    try (RowDrops drops = new RowDrops(work)) {
                        List<Voter> voters = disjoint.voters(models, drops.of(disjoint.drops(), base, models, start));
                        try (DisjointMergeCuda launch = DisjointMergeCuda.prepare(work, disjoint.rule(),
                                List.of(new DisjointMergeCuda.Item(base, voters, start, out)))) {
                            launch.run();
                        }
                    }
                }
                case VaryingRanges varying -> {
                    try (CudaMemory factors = CudaMemory.allocate(work, DType.F32.byteSize(out.elements()))) {
                        launch(varying, base, models, start, out, factors.tensor(DType.F32, out.elements()));
                    }
                }
                case FusedRanges fused -> {
                    try (TaskVectorFusionCuda launch = TaskVectorFusionCuda.prepare(work, fused.fusion(),
                            fused.lambda(), List.of(new TaskVectorFusionCuda.Item(base, models, out)))) {
                        launch.run();
                    }
                }
            }
        }

        private void launch(VaryingRanges varying, Tensor base, List<Tensor> models, long start, Tensor out,
                Tensor factors) {
            DropFactors selected = null;
            if (varying.selects()) {
                TaskVectorVarianceCuda.on(work).factors(base, models, varying.cut(), start, factors);
                selected = new StoredDrop(start, factors);
            }
            try (DisjointMergeCuda launch = DisjointMergeCuda.prepare(work, VaryingRanges.RULE,
                    List.of(new DisjointMergeCuda.Item(base, varying.voters(models, selected), start, out)))) {
                launch.run();
            }
        }

        void reduce(RangedReductionCuda reduction, List<TensorSource> sources, long start, int count) {
            reduction.add(start, fill(sources, start, count));
            result = null;
            done.record(work);
            busy = true;
        }

        private static void read(TensorSource source, long start, Tensor target) {
            switch (source) {
                case FileSource file -> file.read(start, target.data());
                case GatheredSource gathered -> gathered.permuted().copy(start, target);
                default -> target.data().copyFrom(source.slice(start, target.elements()).data());
            }
        }

        /** Hands over the range that is in the buffers, if there is one. */
        void deliver(Sink sink) {
            if (busy) {
                busy = false;
                done.synchronize();
                if (result != null) {
                    sink.take(from, inputsOfRange, result);
                }
            }
        }

        @Override
        public void close() {
            RuntimeException failure = closeAll(own, null);
            if (failure != null) {
                throw failure;
            }
        }
    }
}
