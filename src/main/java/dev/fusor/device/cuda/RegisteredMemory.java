package dev.fusor.device.cuda;

import dev.fusor.bindings.cuda.LibCuda;
import java.lang.foreign.MemorySegment;

/**
 * Host memory of somebody else, a mapped file among others, that is page-locked while this is open.
 *
 * <p>A read-only mapping can be registered where the device supports it ({@link #readOnly}).
 */
public final class RegisteredMemory implements AutoCloseable {
    private final CudaDevice device;
    private final MemorySegment memory;
    private boolean closed;

    private RegisteredMemory(CudaDevice device, MemorySegment memory) {
        this.device = device;
        this.memory = memory;
    }

    /**
     * Page-locks memory that may be read and written.
     *
     * @param device whose copies are fastest; other devices may use it too
     * @param memory native memory, at least 1 byte; it has to stay alive until this is closed
     * @return the registration
     * @throws CudaException if the driver refuses: parts are registered already, or the system allows no more of it
     */
    public static RegisteredMemory register(CudaDevice device, MemorySegment memory) {
        return register(device, memory, LibCuda.CU_MEMHOSTREGISTER_PORTABLE());
    }

    /**
     * Page-locks memory that is read alone, such as a file mapped for reading.
     *
     * @param device reads it
     * @param memory native memory, at least 1 byte; it has to stay alive until this is closed
     * @return the registration
     * @throws UnsupportedOperationException if the device cannot: copy through {@link PinnedMemory} then
     * @throws CudaException if the driver refuses
     */
    public static RegisteredMemory readOnly(CudaDevice device, MemorySegment memory) {
        if (device.attribute(LibCuda.CU_DEVICE_ATTRIBUTE_READ_ONLY_HOST_REGISTER_SUPPORTED()) == 0) {
            throw new UnsupportedOperationException(device + " cannot register memory for reading alone");
        }
        return register(device, memory, LibCuda.CU_MEMHOSTREGISTER_PORTABLE() | LibCuda.CU_MEMHOSTREGISTER_READ_ONLY());
    }

    private static RegisteredMemory register(CudaDevice device, MemorySegment memory, int flags) {
        if (!memory.isNative() || memory.byteSize() == 0) {
            throw new IllegalArgumentException("wanted native memory of at least 1 byte, got " + memory);
        }
        device.enter();
        Api.check(LibCuda.cuMemHostRegister_v2(memory, memory.byteSize(), flags), "cuMemHostRegister_v2",
                () -> "page-locking " + memory.byteSize() + " bytes");
        return new RegisteredMemory(device, memory);
    }

    /** Unlocks the memory. Copies from and to it have to be done. Closing twice is allowed. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        device.enterToRelease();
        closed = true;
        Api.release("cuMemHostUnregister", () -> "unlocking " + memory.byteSize() + " bytes",
                () -> LibCuda.cuMemHostUnregister(memory));
    }
}
