package dev.fusor.merge;

import dev.fusor.device.CpuDevice;
import dev.fusor.device.cuda.CudaDevice;
import dev.fusor.device.cuda.CudaException;
import dev.fusor.device.cuda.CudaStream;
import java.util.ArrayList;
import java.util.List;

/**
 * Takes tensors through a CUDA device range by range: while one range is merged or reduced, the next is read and copied up and
 * the one before is copied down and written. Memory of the host is bounded: {@link #DEPTH} ranges are under way at most.
 *
 * <p>It belongs to the thread that made it.
 */
final class CudaPipeline implements AutoCloseable {
    /** Ranges under way: one that is read and copied up, one that is merged, one that is copied down and written. */
    static final int DEPTH = 3;

    private static final int LARGEST_RANGE = 1 << 22;
    private static final int SMALLEST_RANGE = 1 << 12;

    /** What is begun with a slot and a range. */
    interface Begin {
        /** Begins with elements {@code from} to {@code from + count}. */
        void begin(CudaSlot slot, long from, int count);
    }

    private final Owned open = new Owned();
    private final CudaDevice device;
    private final CudaSlot.Streams streams;
    private final int inputs;
    private final ResidentTensors resident = new ResidentTensors(this);
    private final Owned memory = new Owned();
    private final List<CudaSlot> slots = new ArrayList<>();
    private int rangeElements = LARGEST_RANGE;

    /**
     * Opens a device.
     *
     * @param ordinal which
     * @param cpu reads inputs
     * @param inputs of a range at most
     * @param hostBytes of page-locked memory at most
     */
    CudaPipeline(int ordinal, CpuDevice cpu, int inputs, long hostBytes) throws MergeException {
        this.inputs = inputs;
        while (rangeElements > SMALLEST_RANGE && hostBytes() > hostBytes) {
            rangeElements /= 2;
        }
        if (hostBytes() > hostBytes) {
            throw new MergeException(
                    "--max-memory leaves %d bytes for page-locked buffers and %d are wanted at least; allow more, or give --device cpu"
                            .formatted(Math.max(0, hostBytes), hostBytes()));
        }
        try {
            this.device = open.keep(openDevice(ordinal));
            this.streams = new CudaSlot.Streams(cpu, open.keep(CudaStream.open(device)),
                    open.keep(CudaStream.open(device)), open.keep(CudaStream.open(device)));
        } catch (RuntimeException e) {
            throw open.closeAfter(e);
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

    private long hostBytes() {
        return DEPTH * CudaSlot.hostBytes(inputs, rangeElements);
    }

    /** {@return what reads inputs} */
    CpuDevice cpu() {
        return streams.cpu();
    }

    /** {@return the stream that kernels run on} */
    CudaStream work() {
        return streams.work();
    }

    /** {@return the tensors that are on the device whole} */
    ResidentTensors resident() {
        return resident;
    }

    /** {@return the elements of a range at most} */
    int rangeElements() {
        return rangeElements;
    }

    /** Allocates the buffers of ranges, unless they are there. */
    void openSlots() {
        if (!slots.isEmpty()) {
            return;
        }
        try {
            for (int i = 0; i < DEPTH; i++) {
                slots.add(memory.keep(new CudaSlot(device, streams, resident, inputs, rangeElements)));
            }
            work().synchronize(); // memory is there for the other streams from here on
        } catch (RuntimeException e) {
            slots.clear();
            throw memory.closeAfter(e);
        }
    }

    /**
     * Goes through a tensor. The buffers must be there.
     *
     * @param elements of the tensor
     * @param most elements of a range
     * @param sink takes what comes back
     * @param begin begins with each range
     */
    void eachRange(long elements, int most, CudaRanges.Sink sink, Begin begin) {
        int number = 0;
        for (long from = 0; from < elements; from += most, number++) {
            CudaSlot slot = slots.get(number % DEPTH);
            slot.deliver(sink);
            begin.begin(slot, from, (int) Math.min(most, elements - from));
        }
        for (int i = 0; i < DEPTH; i++) {
            slots.get((number + i) % DEPTH).deliver(sink);
        }
    }

    /** Smaller ranges from now on, if that may help after a failure; otherwise the failure. */
    void halve(CudaException failure) {
        if (!failure.isOutOfMemory() || rangeElements == SMALLEST_RANGE) {
            throw failure;
        }
        RuntimeException another = closeSlots();
        if (another != null) {
            throw another;
        }
        rangeElements /= 2;
    }

    /** Waits for everything under way. */
    void synchronize() {
        device.synchronize();
    }

    private RuntimeException closeSlots() {
        RuntimeException failure = null;
        try {
            synchronize(); // copies under way use the buffers
        } catch (CudaException e) {
            failure = slots.isEmpty() ? null : e;
        }
        slots.clear();
        return memory.closeAfter(failure);
    }

    /** Waits for what is under way and frees everything. */
    @Override
    public void close() {
        RuntimeException failure = resident.closeAfter(closeSlots());
        failure = open.closeAfter(failure);
        if (failure != null) {
            throw failure;
        }
    }
}
