package dev.fusor.device.cuda;

import dev.fusor.bindings.cuda.LibCuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

/** A mark in a stream that others can wait for, and that can tell the time. */
public final class CudaEvent implements AutoCloseable {
    private final CudaDevice device;
    private final MemorySegment handle;

    private CudaEvent(CudaDevice device, int flags) {
        this.device = device;
        device.enter();
        this.handle = Api.queryHandle("cuEventCreate", () -> "making an event",
                out -> LibCuda.cuEventCreate(out, flags));
    }

    /**
     * {@return an event to wait for} It keeps no time, which makes it cheap. A thread that waits for it sleeps.
     *
     * @param device where
     */
    public static CudaEvent open(CudaDevice device) {
        return new CudaEvent(device, LibCuda.CU_EVENT_DISABLE_TIMING() | LibCuda.CU_EVENT_BLOCKING_SYNC());
    }

    /**
     * {@return an event that keeps the time}
     *
     * @param device where
     */
    public static CudaEvent timed(CudaDevice device) {
        return new CudaEvent(device, LibCuda.CU_EVENT_DEFAULT());
    }

    MemorySegment handle() {
        return handle;
    }

    /**
     * Marks what was enqueued so far.
     *
     * @param stream on which
     */
    public void record(CudaStream stream) {
        device.enter();
        int result = LibCuda.cuEventRecord(handle, stream.handle());
        if (result != LibCuda.CUDA_SUCCESS()) {
            throw Api.failure(result, "cuEventRecord", "recording an event");
        }
    }

    /** Waits until what was marked is done; returns at once where nothing was. */
    public void synchronize() {
        device.enter();
        Api.check(LibCuda.cuEventSynchronize(handle), "cuEventSynchronize", () -> "waiting for an event");
    }

    /** {@return whether what was marked is done} */
    public boolean isDone() {
        device.enter();
        return Done.of(LibCuda.cuEventQuery(handle), "cuEventQuery");
    }

    /**
     * {@return the milliseconds of device time since another event} Needs a driver for CUDA 12.8.
     *
     * @param earlier timed and done, as this one is
     */
    public float millisecondsSince(CudaEvent earlier) {
        device.enter();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_FLOAT);
            Api.check(LibCuda.cuEventElapsedTime_v2(out, earlier.handle, handle), "cuEventElapsedTime_v2",
                    () -> "asking for the time between two events");
            return out.get(JAVA_FLOAT, 0);
        }
    }

    /** Destroys the event; what waits for it waits on. */
    @Override
    public void close() {
        device.enterToRelease();
        Api.release("cuEventDestroy_v2", () -> "closing an event", () -> LibCuda.cuEventDestroy_v2(handle));
    }
}
