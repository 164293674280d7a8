package dev.fusor.device.cuda;

import dev.fusor.bindings.cuda.LibCuda;
import java.lang.foreign.MemorySegment;

/**
 * A stream: what is enqueued on it runs in order, beside what other streams hold.
 *
 * <p>Copies between host and device return at once; the host's memory is read or written later, so it has to be
 * page-locked ({@link PinnedMemory}, {@link RegisteredMemory}), or the call may wait, and must stay alive until then.
 */
public final class CudaStream implements AutoCloseable {
    private final CudaDevice device;
    private final MemorySegment handle;
    private final boolean own;

    private CudaStream(CudaDevice device, MemorySegment handle, boolean own) {
        this.device = device;
        this.handle = handle;
        this.own = own;
    }

    /**
     * {@return a new stream} It does not wait for the default stream.
     *
     * @param device where
     */
    public static CudaStream open(CudaDevice device) {
        device.enter();
        return new CudaStream(device, Api.queryHandle("cuStreamCreate", () -> "making a stream",
                out -> LibCuda.cuStreamCreate(out, LibCuda.CU_STREAM_NON_BLOCKING())), true);
    }

    /**
     * {@return a stream that somebody else made} Closing it does nothing.
     *
     * @param device of the stream's context
     * @param handle the address that a {@code CUstream} is; 0 for the default stream
     */
    public static CudaStream wrap(CudaDevice device, long handle) {
        return new CudaStream(device, MemorySegment.ofAddress(handle), false);
    }

    /** {@return the device} */
    public CudaDevice device() {
        return device;
    }

    MemorySegment handle() {
        return handle;
    }

    /** {@return the address of the stream, for other users of the driver API} */
    public long address() {
        return handle.address();
    }

    /** Waits until all that was enqueued is done. */
    public void synchronize() {
        device.enter();
        Api.check(LibCuda.cuStreamSynchronize(handle), "cuStreamSynchronize", () -> "waiting for a stream");
    }

    /** {@return whether all that was enqueued is done} */
    public boolean isDone() {
        device.enter();
        return Done.of(LibCuda.cuStreamQuery(handle), "cuStreamQuery");
    }

    /**
     * Lets what is enqueued from now on wait for an event.
     *
     * @param event recorded before, on any stream
     */
    public void waitFor(CudaEvent event) {
        device.enter();
        int result = LibCuda.cuStreamWaitEvent(handle, event.handle(), 0);
        if (result != LibCuda.CUDA_SUCCESS()) {
            throw Api.failure(result, "cuStreamWaitEvent", "letting a stream wait");
        }
    }

    /**
     * Copies to the device.
     *
     * @param from host memory
     * @param to device memory of the same size
     * @throws IllegalArgumentException if either is elsewhere, or sizes differ
     */
    public void upload(MemorySegment from, MemorySegment to) {
        long bytes = copied(from, to);
        if (DeviceSegments.isDevice(from)) {
            throw new IllegalArgumentException("an upload reads host memory, got device memory");
        }
        if (bytes > 0) {
            int result = LibCuda.cuMemcpyHtoDAsync_v2(CudaMemory.address(to), from, bytes, handle);
            if (result != LibCuda.CUDA_SUCCESS()) {
                throw Api.failure(result, "cuMemcpyHtoDAsync_v2", "copying " + bytes + " bytes to the device");
            }
        }
    }

    /**
     * Copies from the device.
     *
     * @param from device memory
     * @param to host memory of the same size
     * @throws IllegalArgumentException if either is elsewhere, or sizes differ
     */
    public void download(MemorySegment from, MemorySegment to) {
        long bytes = copied(from, to);
        if (DeviceSegments.isDevice(to)) {
            throw new IllegalArgumentException("a download writes host memory, got device memory");
        }
        if (bytes > 0) {
            int result = LibCuda.cuMemcpyDtoHAsync_v2(to, CudaMemory.address(from), bytes, handle);
            if (result != LibCuda.CUDA_SUCCESS()) {
                throw Api.failure(result, "cuMemcpyDtoHAsync_v2", "copying " + bytes + " bytes from the device");
            }
        }
    }

    private long copied(MemorySegment from, MemorySegment to) {
        if (from.byteSize() != to.byteSize()) {
            throw new IllegalArgumentException("a copy takes memory of one size, got %d and %d bytes"
                    .formatted(from.byteSize(), to.byteSize()));
        }
        device.enter();
        return from.byteSize();
    }

    /**
     * Copies within the device.
     *
     * @param from device memory
     * @param to device memory of the same size
     */
    public void copy(MemorySegment from, MemorySegment to) {
        long bytes = copied(from, to);
        if (bytes > 0) {
            Api.check(
                    LibCuda.cuMemcpyDtoDAsync_v2(CudaMemory.address(to), CudaMemory.address(from), bytes, handle),
                    "cuMemcpyDtoDAsync_v2", () -> "copying " + bytes + " bytes within the device");
        }
    }

    /**
     * Sets every byte.
     *
     * @param memory device memory
     * @param value of each byte
     */
    public void fill(MemorySegment memory, byte value) {
        device.enter();
        if (memory.byteSize() > 0) {
            Api.check(LibCuda.cuMemsetD8Async(CudaMemory.address(memory), value, memory.byteSize(), handle),
                    "cuMemsetD8Async", () -> "filling " + memory.byteSize() + " bytes");
        }
    }

    /**
     * {@return a graph of what an action enqueues here} Nothing of it runs until the graph is launched.
     *
     * @param work enqueues on this stream, on the calling thread, and waits for nothing
     * @throws CudaException if it does what a graph cannot hold
     */
    public CudaGraph capture(Runnable work) {
        device.enter();
        Api.check(LibCuda.cuStreamBeginCapture_v2(handle, LibCuda.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL()),
                "cuStreamBeginCapture_v2", () -> "beginning a capture");
        boolean whole = false;
        try {
            work.run();
            whole = true;
        } finally {
            if (!whole) {
                CudaGraph.abandon(this);
            }
        }
        return CudaGraph.end(this);
    }

    /** Destroys the stream when what was enqueued is done; waits for nothing. */
    @Override
    public void close() {
        if (own) {
            device.enterToRelease();
            Api.release("cuStreamDestroy_v2", () -> "closing a stream", () -> LibCuda.cuStreamDestroy_v2(handle));
        }
    }
}
