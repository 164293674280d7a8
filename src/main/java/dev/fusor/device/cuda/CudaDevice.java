package dev.fusor.device.cuda;

import dev.fusor.bindings.cuda.LibCuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

/**
 * A CUDA device by one of its contexts: where modules are loaded and memory is allocated.
 *
 * <p>Closing it frees the modules and the memory pool that were made through it; memory, streams and events of it have to
 * be closed before.
 */
public final class CudaDevice implements AutoCloseable {
    private final int device;
    private final CudaDeviceInfo info;
    private final MemorySegment context;
    private final Deque<Runnable> cleanup = new ArrayDeque<>();
    private final Map<String, CudaModule> modules = new HashMap<>();
    private MemorySegment pool;
    private volatile boolean closed;

    private CudaDevice(int device, int ordinal, MemorySegment context) {
        this.device = device;
        this.context = context;
        this.info = CudaDriver.describe(device, ordinal);
    }

    /**
     * {@return a device by its primary context} That is the one that the CUDA runtime uses.
     *
     * @param ordinal the number of the device, from 0
     * @throws IllegalStateException if CUDA cannot be used, or has no such device; the message says why and what to do
     * @throws CudaException if the driver refuses
     */
    public static CudaDevice open(int ordinal) {
        CudaSupport.Ready ready = ready();
        if (ordinal < 0 || ordinal >= ready.devices().size()) {
            throw new IllegalStateException("there is no device cuda:%d: wanted 0 to %d (%s)".formatted(ordinal,
                    ready.devices().size() - 1, ready.describe()));
        }
        int device = CudaDriver.device(ordinal);
        MemorySegment context = Api.queryHandle("cuDevicePrimaryCtxRetain", () -> "opening cuda:" + ordinal,
                out -> LibCuda.cuDevicePrimaryCtxRetain(out, device));
        Runnable release = () -> Api.release("cuDevicePrimaryCtxRelease_v2", () -> "closing cuda:" + ordinal,
                () -> LibCuda.cuDevicePrimaryCtxRelease_v2(device));
        try {
            CudaDevice opened = new CudaDevice(device, ordinal, context);
            opened.cleanup.push(release);
            return opened;
        } catch (CudaException e) {
            release.run();
            throw e;
        }
    }

    /**
     * {@return a device by a context that somebody else made and keeps open}
     *
     * @param context the address that a {@code CUcontext} is
     * @throws IllegalStateException if CUDA cannot be used
     * @throws CudaException if it is no context
     */
    public static CudaDevice wrap(long context) {
        ready();
        MemorySegment handle = MemorySegment.ofAddress(context);
        Api.check(LibCuda.cuCtxSetCurrent(handle), "cuCtxSetCurrent", () -> "wrapping a context");
        int device = Api.queryInt("cuCtxGetDevice", () -> "asking a context for its device", LibCuda::cuCtxGetDevice);
        return new CudaDevice(device, device, handle);
    }

    /**
     * {@return the device of the context that is current on this thread} It was made by somebody else, who keeps it open.
     *
     * @throws IllegalStateException if CUDA cannot be used, or no context is current
     */
    public static CudaDevice ofCurrentContext() {
        ready();
        long current = Api.queryLong("cuCtxGetCurrent", () -> "asking for the current context",
                LibCuda::cuCtxGetCurrent);
        if (current == 0) {
            throw new IllegalStateException(
                    "no CUDA context is current on this thread: make one current, or use CudaDevice.open");
        }
        return wrap(current);
    }

    private static CudaSupport.Ready ready() {
        return switch (CudaDriver.probe()) {
            case CudaSupport.Ready ready -> ready;
            case CudaSupport.Unusable unusable -> throw new IllegalStateException(
                    "CUDA cannot be used: " + unusable.describe());
        };
    }

    /** {@return what it is} */
    public CudaDeviceInfo info() {
        return info;
    }

    /** {@return the address of the context, for other users of the driver API} */
    public long context() {
        return context.address();
    }

    /** Makes the context current on the calling thread. */
    void enter() {
        checkOpen();
        int result = LibCuda.cuCtxSetCurrent(context);
        if (result != LibCuda.CUDA_SUCCESS()) {
            throw Api.failure(result, "cuCtxSetCurrent", "entering the context of cuda:" + info.ordinal());
        }
    }

    /** The same before something is given back. */
    void enterToRelease() {
        checkOpen();
        Api.release("cuCtxSetCurrent", () -> "entering the context of cuda:" + info.ordinal(),
                () -> LibCuda.cuCtxSetCurrent(context));
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("the device cuda:" + info.ordinal() + " is closed");
        }
    }

    /** {@return the bytes of device memory that are free at the moment, for all processes} */
    public long freeMemory() {
        enter();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment sizes = arena.allocate(2 * Long.BYTES, Long.BYTES);
            Api.check(LibCuda.cuMemGetInfo_v2(sizes, sizes.asSlice(Long.BYTES)), "cuMemGetInfo_v2",
                    () -> "asking for free memory");
            return sizes.get(JAVA_LONG, 0);
        }
    }

    /** {@return the most bytes of shared memory that a block may have, by {@link CudaKernel#allowSharedMemory}} */
    public int sharedMemoryOfBlock() {
        return attribute(LibCuda.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN());
    }

    /** Waits for everything on the device, of every stream of the context. */
    public void synchronize() {
        enter();
        Api.check(LibCuda.cuCtxSynchronize(), "cuCtxSynchronize", () -> "waiting for cuda:" + info.ordinal());
    }

    /**
     * {@return a kernel of Fusor, compiled for this device at its first use}
     *
     * @param module family and file, such as {@code arithmetic/weighted_sum}
     * @param entry the name of the kernel
     * @throws IllegalArgumentException if there is no such module
     * @throws CudaException if the driver cannot compile it; the message has the log
     */
    public synchronized CudaKernel kernel(String module, String entry) {
        enter();
        CudaModule loaded = modules.get(module);
        if (loaded == null) {
            loaded = CudaModule.load(module, info.computeCapability());
            cleanup.push(loaded::unload);
            modules.put(module, loaded);
        }
        return new CudaKernel(this, loaded.function(entry), entry);
    }

    /**
     * {@return a kernel of a module that the caller brings}
     *
     * @param ptx its text
     * @param entry the name of the kernel
     * @throws CudaException if the driver cannot compile it; the message has the log
     */
    public synchronized CudaKernel kernelOf(String ptx, String entry) {
        enter();
        CudaModule loaded = modules.get(ptx);
        if (loaded == null) {
            loaded = CudaModule.compile(ptx, "PTX with " + entry);
            cleanup.push(loaded::unload);
            modules.put(ptx, loaded);
        }
        return new CudaKernel(this, loaded.function(entry), entry);
    }

    /** The pool that memory comes from; it keeps what is freed for the next allocation. */
    synchronized MemorySegment pool() {
        if (pool == null) {
            pool = MemoryPool.create(device);
            MemorySegment made = pool;
            cleanup.push(() -> Api.release("cuMemPoolDestroy", () -> "closing a memory pool",
                    () -> LibCuda.cuMemPoolDestroy(made)));
        }
        return pool;
    }

    int attribute(int attribute) {
        return CudaDriver.attribute(device, attribute);
    }

    /** Frees what was made through it. Closing twice is allowed. */
    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        enterToRelease();
        closed = true;
        RuntimeException failure = null;
        for (Runnable step : cleanup) {
            try {
                step.run();
            } catch (CudaException e) {
                failure = Objects.requireNonNullElse(failure, e);
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    @Override
    public String toString() {
        return info.describe();
    }
}
