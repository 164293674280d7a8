package dev.fusor.device.cuda;

import dev.fusor.bindings.cuda.LibCuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Page-locked host memory: what copies need to run beside kernels. Any thread may use it. */
public final class PinnedMemory implements AutoCloseable {
    private final CudaDevice device;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment segment;

    private PinnedMemory(CudaDevice device, MemorySegment address, long bytes) {
        this.device = device;
        this.segment = address.reinterpret(bytes, arena, null);
    }

    /**
     * {@return memory of undefined content}
     *
     * @param device whose copies are fastest; other devices may use it too
     * @param bytes 0 or more
     * @throws CudaException if there is too little memory, among others
     */
    public static PinnedMemory allocate(CudaDevice device, long bytes) {
        if (bytes < 0) {
            throw new IllegalArgumentException("memory has 0 bytes or more, got " + bytes);
        }
        device.enter();
        MemorySegment address = bytes == 0
                ? MemorySegment.NULL
                : Api.queryHandle("cuMemHostAlloc", () -> "allocating " + bytes + " bytes of page-locked memory",
                        out -> LibCuda.cuMemHostAlloc(out, bytes, LibCuda.CU_MEMHOSTALLOC_PORTABLE()));
        return new PinnedMemory(device, address, bytes);
    }

    /** {@return all of it} It cannot be used any more once this is closed. */
    public MemorySegment segment() {
        return segment;
    }

    /** Frees it. Copies from and to it have to be done. Closing twice is allowed. */
    @Override
    public void close() {
        if (!arena.scope().isAlive()) {
            return;
        }
        device.enterToRelease();
        arena.close();
        if (segment.byteSize() > 0) {
            MemorySegment address = MemorySegment.ofAddress(segment.address());
            Api.release("cuMemFreeHost", () -> "freeing " + segment.byteSize() + " bytes of page-locked memory",
                    () -> LibCuda.cuMemFreeHost(address));
        }
    }
}
