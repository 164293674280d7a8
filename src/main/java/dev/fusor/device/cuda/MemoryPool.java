package dev.fusor.device.cuda;

import dev.fusor.bindings.cuda.CUmemLocation_st;
import dev.fusor.bindings.cuda.CUmemPoolProps_st;
import dev.fusor.bindings.cuda.LibCuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

/** Makes the stream-ordered memory pool of a device. */
final class MemoryPool {
    /** CU_MEM_ALLOCATION_TYPE_PINNED of cuda.h: the bindings have no constant for it, nor for the next. */
    private static final int ALLOCATION_TYPE_PINNED = 1;

    /** CU_MEM_LOCATION_TYPE_DEVICE. */
    private static final int LOCATION_TYPE_DEVICE = 1;

    private MemoryPool() {}

    static MemorySegment create(int device) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment properties = CUmemPoolProps_st.allocate(arena);
            CUmemPoolProps_st.allocType(properties, ALLOCATION_TYPE_PINNED);
            MemorySegment location = CUmemPoolProps_st.location(properties);
            CUmemLocation_st.type(location, LOCATION_TYPE_DEVICE);
            CUmemLocation_st.id(location, device);
            MemorySegment pool = Api.queryHandle("cuMemPoolCreate", () -> "making a memory pool",
                    out -> LibCuda.cuMemPoolCreate(out, properties));
            MemorySegment threshold = arena.allocateFrom(JAVA_LONG, Long.MAX_VALUE);
            int result = LibCuda.cuMemPoolSetAttribute(pool, LibCuda.CU_MEMPOOL_ATTR_RELEASE_THRESHOLD(), threshold);
            if (result != LibCuda.CUDA_SUCCESS()) {
                Api.release("cuMemPoolDestroy", () -> "closing a memory pool", () -> LibCuda.cuMemPoolDestroy(pool));
                throw Api.failure(result, "cuMemPoolSetAttribute", "making a memory pool keep what is freed");
            }
            return pool;
        }
    }
}
