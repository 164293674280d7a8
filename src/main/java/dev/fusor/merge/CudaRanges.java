package dev.fusor.merge;

import dev.fusor.device.CpuDevice;
import dev.fusor.device.cuda.CudaException;
import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.method.DeviceRanges;
import dev.fusor.method.Differing;
import dev.fusor.method.WholeTensors;
import dev.fusor.reduce.Products;
import dev.fusor.reduce.RangedReductionCuda;
import dev.fusor.reduce.ReductionCuda;
import dev.fusor.reduce.ReductionCuda.Kind;
import dev.fusor.tensor.DType;
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
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Stream;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;

/**
 * Merges, reduces and searches host tensors on a CUDA device, range by range.
 *
 * <p>Tensors that are trimmed before they are merged are brought to the device whole, if there is room for them, and stay until
 * they are released: where to cut is found there, and their ranges are merged without being copied up once more. Where there is
 * no room, the processor finds where to cut.
 *
 * <p>It belongs to the thread that made it.
 */
final class CudaRanges implements WholeTensors, AutoCloseable {
    /** So many rows end where vectors may begin, however long they are. */
    private static final int ROWS = 16;

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

    private final CudaPipeline pipeline;
    private final ResidentTensors resident;

    /**
     * Opens a device.
     *
     * @param ordinal which
     * @param cpu reads inputs
     * @param inputs of a tensor at most, the base counted
     * @param hostBytes of page-locked memory at most
     */
    CudaRanges(int ordinal, CpuDevice cpu, int inputs, long hostBytes) throws MergeException {
        this.pipeline = new CudaPipeline(ordinal, cpu, inputs, hostBytes);
        this.resident = pipeline.resident();
    }

    /** {@return whether a merge can be done on the device} */
    boolean takes(DeviceRanges merge, DType out) {
        return RangeKernels.take(merge, out, pipeline.rangeElements());
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
            pipeline.openSlots();
            resident.moveUnits(merge.inputs());
            pipeline.eachRange(elements, wholeRows(RangeKernels.row(merge)), sink,
                    (slot, from, count) -> slot.merge(merge, from, count, out));
            return true;
        } catch (CudaException e) {
            makeRoom(e);
            return false;
        }
    }

    /** The elements of a range of whole rows, of a multiple of {@link #ROWS} if that many fit. */
    private int wholeRows(int row) {
        int rows = pipeline.rangeElements() / row;
        return row * (rows < ROWS ? rows : rows / ROWS * ROWS);
    }

    /** Nothing resident, or smaller ranges from now on, if that may help. */
    private void makeRoom(CudaException failure) {
        if (failure.isOutOfMemory() && !resident.isEmpty()) {
            resident.giveUp();
        } else {
            pipeline.halve(failure);
        }
    }

    @Override
    public CpuDevice cpu() {
        return pipeline.cpu();
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
                makeRoom(e);
            }
        }
    }

    private Products stream(TensorSource a, TensorSource b) {
        List<TensorSource> sources = List.of(a, b);
        int most = pipeline.rangeElements();
        pipeline.openSlots();
        resident.moveUnits(sources);
        try (RangedReductionCuda reduction = new RangedReductionCuda(pipeline.work(), Kind.PRODUCTS, a.dtype(),
                a.elements(), most)) {
            pipeline.eachRange(a.elements(), most, (_, _, _) -> {},
                    (slot, from, count) -> slot.reduce(reduction, sources, from, count));
            reduction.fold();
            double[] found = download(reduction.results(), Kind.PRODUCTS.results());
            return new Products(found[0], found[1], found[2]);
        }
    }

    private double[] download(MemorySegment results, int count) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment found = arena.allocate(JAVA_DOUBLE, count);
            pipeline.work().download(results, found);
            pipeline.work().synchronize();
            return found.toArray(JAVA_DOUBLE);
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
        return thereIf(searched && taken, () -> selectedThere(parts, wanted, ties),
                () -> WholeTensors.super.selected(parts, wanted, ties));
    }

    /** Brings the tensors to the device, as for a selection, and computes the variances there. */
    @Override
    public Differing differing(TensorSource base, List<TensorSource> models, double fraction) {
        Part part = new Part(base, models);
        return thereIf(base.elements() > 0 && MagnitudeSelectionCuda.supports(part),
                () -> differingThere(part, fraction), () -> WholeTensors.super.differing(base, models, fraction));
    }

    /** On the device if it takes it and has room, otherwise on the CPU. */
    private <T> T thereIf(boolean taken, Supplier<T> there, Supplier<T> here) {
        try {
            return (taken ? there : here).get();
        } catch (CudaException e) {
            if (!e.isOutOfMemory()) {
                throw e;
            }
            resident.releaseAll();
            return here.get();
        }
    }

    private Selected selectedThere(List<Part> parts, List<Wanted> wanted, Ties ties) {
        long bytes = bring(parts);
        List<Part> there = parts.stream().map(part -> new Part(resident.whole(part.base()),
                part.models().stream().<TensorSource>map(resident::whole).toList())).toList();
        Selected selected = MagnitudeSelectionCuda.on(pipeline.work()).select(there, wanted, ties);
        return new Selected(selected.cuts(), bytes, selected.passes());
    }

    /** Makes tensors resident. {@return their bytes} */
    private long bring(List<Part> parts) {
        List<List<TensorSource>> groups = parts.stream()
                .map(part -> Stream.concat(Stream.of(part.base()), part.models().stream()).toList()).toList();
        resident.bring(groups);
        return groups.stream().flatMap(List::stream).mapToLong(source -> source.bytesOf(source.elements())).sum();
    }

    /** The variances lie there while they are selected from, and what is left of a task vector while it is summed up. */
    private Differing differingThere(Part part, double fraction) {
        long bytes = bring(List.of(part));
        Tensor base = resident.whole(part.base());
        List<Tensor> models = part.models().stream().map(resident::whole).toList();
        TaskVectorVarianceCuda variance = TaskVectorVarianceCuda.on(pipeline.work());
        try (CudaMemory memory = CudaMemory.allocate(pipeline.work(), DType.F32.byteSize(base.elements()))) {
            Tensor numbers = memory.tensor(DType.F32, base.elements());
            MagnitudeCut cut = MagnitudeCut.ALL;
            if (fraction < 1) {
                MagnitudeSelectionCuda selection = MagnitudeSelectionCuda.on(pipeline.work());
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
        try (ReductionCuda reduction = ReductionCuda.prepare(pipeline.work(), Kind.SUM_OF_SQUARES,
                List.of(List.of(there)))) {
            reduction.run();
            return download(reduction.results(), 1)[0];
        }
    }

    /** Frees what was brought whole of some tensors, once the kernels have come so far. */
    void release(List<TensorSource> sources) {
        resident.release(sources);
    }

    /** Waits for what is under way and frees everything. */
    @Override
    public void close() {
        pipeline.close();
    }
}
