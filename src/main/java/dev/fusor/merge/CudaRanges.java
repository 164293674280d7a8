package dev.fusor.merge;

import dev.fusor.arithmetic.WeightedSumCuda;
import dev.fusor.arithmetic.WeightedSumCuda.Item;
import dev.fusor.device.CpuDevice;
import dev.fusor.device.cuda.CudaDevice;
import dev.fusor.device.cuda.CudaEvent;
import dev.fusor.device.cuda.CudaException;
import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.device.cuda.PinnedMemory;
import dev.fusor.method.WeightedRanges;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * Streams the ranges of host tensors through a CUDA device: while one range is summed, the next is read and copied up and the
 * one before is copied down and written. Memory is bounded: {@link #DEPTH} ranges are under way at most.
 *
 * <p>It belongs to the thread that made it.
 */
final class CudaRanges implements AutoCloseable {
    /** Ranges under way: one that is read and copied up, one that is summed, one that is copied down and written. */
    static final int DEPTH = 3;

    private static final int LARGEST_RANGE = 1 << 22;
    private static final int SMALLEST_RANGE = 1 << 12;
    private static final long ALIGNMENT = 256;

    /** Receives ranges as they come back, in order. */
    interface Sink {
        /**
         * Takes one range.
         *
         * @param from the flat index of its first element
         * @param inputs its inputs, in the order of {@link WeightedRanges#inputs}
         * @param out its result
         */
        void take(long from, List<Tensor> inputs, Tensor out);
    }

    private final CpuDevice cpu;
    private final Deque<AutoCloseable> open = new ArrayDeque<>();
    private final CudaDevice device;
    private final CudaStream up;
    private final CudaStream sums;
    private final CudaStream down;
    private final int inputs;
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
            this.sums = keep(CudaStream.open(device));
            this.down = keep(CudaStream.open(device));
        } catch (RuntimeException e) {
            closeAll(open, e);
            throw e;
        }
    }

    private static CudaDevice openDevice(int ordinal) throws MergeException {
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

    /** {@return whether a merge can be done on the device} Inputs of several types, and F64, are for the CPU. */
    static boolean takes(WeightedRanges merge, DType out) {
        DType type = merge.models().getFirst().dtype();
        return CudaFormats.supports(type) && CudaFormats.supports(out)
                && merge.inputs().stream().allMatch(input -> input.dtype() == type);
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
    boolean run(WeightedRanges merge, long elements, DType out, Sink sink) {
        try {
            if (slots.isEmpty()) {
                slots = openSlots();
            }
            stream(merge, elements, out, sink);
            return true;
        } catch (CudaException e) {
            if (!e.isOutOfMemory() || rangeElements == SMALLEST_RANGE) {
                throw e;
            }
            closeSlots();
            rangeElements /= 2;
            return false;
        }
    }

    private void stream(WeightedRanges merge, long elements, DType out, Sink sink) {
        List<TensorSource> sources = merge.inputs();
        int number = 0;
        for (long from = 0; from < elements; from += rangeElements, number++) {
            Slot slot = slots.get(number % DEPTH);
            slot.deliver(sink);
            slot.begin(merge, sources, from, (int) Math.min(rangeElements, elements - from), out);
        }
        for (int i = 0; i < DEPTH; i++) {
            slots.get((number + i) % DEPTH).deliver(sink);
        }
    }

    private List<Slot> openSlots() {
        List<Slot> made = new ArrayList<>();
        try {
            for (int i = 0; i < DEPTH; i++) {
                made.add(new Slot());
            }
            sums.synchronize(); // memory is there for the other streams from here on
            return made;
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
        private final CudaEvent summed;
        private final CudaEvent downloaded;
        private long from;
        private List<Tensor> inputsOfRange = List.of();
        private Tensor result;

        Slot() {
            long room = rangeElements * (long) Float.BYTES + ALIGNMENT;
            try {
                this.hostIn = mine(PinnedMemory.allocate(device, inputs * room));
                this.hostOut = mine(PinnedMemory.allocate(device, room));
                this.deviceIn = mine(CudaMemory.allocate(sums, inputs * room));
                this.deviceOut = mine(CudaMemory.allocate(sums, room));
                this.uploaded = mine(CudaEvent.open(device));
                this.summed = mine(CudaEvent.open(device));
                this.downloaded = mine(CudaEvent.open(device));
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

        void begin(WeightedRanges merge, List<TensorSource> sources, long start, int count, DType out) {
            DType type = sources.getFirst().dtype();
            List<Tensor> host = new ArrayList<>();
            List<Tensor> there = new ArrayList<>();
            for (int i = 0; i < sources.size(); i++) {
                host.add(part(hostIn.segment(), i, type, count));
                there.add(part(deviceIn.segment(), i, type, count));
            }
            cpu.run(sources.size(), i -> read(sources.get((int) i), start, host.get((int) i)));
            for (int i = 0; i < sources.size(); i++) {
                up.upload(host.get(i).data(), there.get(i).data());
            }
            uploaded.record(up);
            sums.waitFor(uploaded);
            Tensor base = merge.base() == null ? null : there.getFirst();
            Tensor deviceResult = part(deviceOut.segment(), 0, out, count);
            try (WeightedSumCuda sum = WeightedSumCuda.prepare(sums,
                    List.of(Item.of(base, base == null ? there : there.subList(1, there.size()), merge.weights(),
                            merge.divisor(), deviceResult)))) {
                sum.run();
            }
            summed.record(sums);
            down.waitFor(summed);
            Tensor hostResult = part(hostOut.segment(), 0, out, count);
            down.download(deviceResult.data(), hostResult.data());
            downloaded.record(down);
            from = start;
            inputsOfRange = host;
            result = hostResult;
        }

        private static void read(TensorSource source, long start, Tensor target) {
            if (source instanceof FileSource file) {
                file.read(start, target.data());
            } else {
                target.data().copyFrom(source.slice(start, target.elements()).data());
            }
        }

        /** Hands over the range that is in the buffers, if there is one. */
        void deliver(Sink sink) {
            if (result != null) {
                Tensor ready = result;
                result = null;
                downloaded.synchronize();
                sink.take(from, inputsOfRange, ready);
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
