package dev.fusor.simulator;

import dev.fusor.bindings.cuda.CUmemPoolProps_st;
import dev.fusor.bindings.cuda.LibCuda;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/** Memory that comes and goes in the order of a stream. */
@RequiresSimulator
class PoolsTest {
    private static final int DEVICE_LOCATION = 1;
    private static final int PINNED_ALLOCATION = 1;
    private static final int READ_AND_WRITE = 3;

    private static long allocate(Cuda cuda, long bytes, MemorySegment pool, MemorySegment stream) {
        MemorySegment address = cuda.arena().allocate(JAVA_LONG);
        Cuda.check("alloc", LibCuda.cuMemAllocFromPoolAsync(address, bytes, pool, stream));
        return address.get(JAVA_LONG, 0);
    }

    private static MemorySegment pool(Cuda cuda, int device, long most) {
        MemorySegment properties = CUmemPoolProps_st.allocate(cuda.arena());
        CUmemPoolProps_st.allocType(properties, PINNED_ALLOCATION);
        CUmemPoolProps_st.location(properties).set(JAVA_INT, 0, DEVICE_LOCATION);
        CUmemPoolProps_st.location(properties).set(JAVA_INT, 4, device);
        CUmemPoolProps_st.maxSize(properties, most);
        MemorySegment pool = cuda.arena().allocate(ADDRESS);
        Cuda.check("create", LibCuda.cuMemPoolCreate(pool, properties));
        return pool.get(ADDRESS, 0);
    }

    private static long attribute(Cuda cuda, MemorySegment pool, int attribute) {
        MemorySegment value = cuda.arena().allocate(JAVA_LONG);
        Cuda.check("attribute", LibCuda.cuMemPoolGetAttribute(pool, attribute, value));
        return value.get(JAVA_LONG, 0);
    }

    @Test
    void anotherStreamThatDoesNotWaitSometimesComesTooEarly() {
        boolean early = false;
        for (int seed = 1; seed <= 20; seed++) {
            Simulator.schedule(Simulator.ThreadOrder.ASCENDING, seed, 1, false);
            try (Cuda cuda = new Cuda()) {
                MemorySegment store = TestPtx.load(cuda, TestPtx.store());
                MemorySegment owner = cuda.stream(LibCuda.CU_STREAM_NON_BLOCKING());
                MemorySegment other = cuda.stream(LibCuda.CU_STREAM_NON_BLOCKING());
                MemorySegment address = cuda.arena().allocate(JAVA_LONG);
                Cuda.check("alloc", LibCuda.cuMemAllocAsync(address, 4, owner));
                cuda.launch(store, 1, 1, 0, other, address.get(JAVA_LONG, 0), 1);
                early |= LibCuda.cuCtxSynchronize() == LibCuda.CUDA_ERROR_ILLEGAL_ADDRESS();
                cuda.recover();
            }
        }
        assertThat(early).isTrue();
    }

    @Test
    void withAnEventItNeverDoes() {
        for (int seed = 1; seed <= 20; seed++) {
            Simulator.schedule(Simulator.ThreadOrder.ASCENDING, seed, 1, false);
            try (Cuda cuda = new Cuda()) {
                MemorySegment store = TestPtx.load(cuda, TestPtx.store());
                MemorySegment owner = cuda.stream(LibCuda.CU_STREAM_NON_BLOCKING());
                MemorySegment other = cuda.stream(LibCuda.CU_STREAM_NON_BLOCKING());
                MemorySegment event = cuda.event();
                MemorySegment address = cuda.arena().allocate(JAVA_LONG);
                Cuda.check("alloc", LibCuda.cuMemAllocAsync(address, 4, owner));
                Cuda.check("record", LibCuda.cuEventRecord(event, owner));
                Cuda.check("wait", LibCuda.cuStreamWaitEvent(other, event, 0));
                cuda.launch(store, 1, 1, 0, other, address.get(JAVA_LONG, 0), 1);
                Cuda.check("free", LibCuda.cuMemFreeAsync(address.get(JAVA_LONG, 0), other));
                cuda.synchronize();
            }
        }
    }

    @Test
    void freeingTwiceIsAnErrorOfTheSecondCall() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment stream = cuda.stream(0);
            MemorySegment address = cuda.arena().allocate(JAVA_LONG);
            Cuda.check("alloc", LibCuda.cuMemAllocAsync(address, 4, stream));
            long at = address.get(JAVA_LONG, 0);
            Cuda.check("free", LibCuda.cuMemFreeAsync(at, stream));
            assertThat(LibCuda.cuMemFreeAsync(at, stream)).isEqualTo(LibCuda.CUDA_ERROR_INVALID_VALUE());
            assertThat(LibCuda.cuMemFree_v2(at)).isEqualTo(LibCuda.CUDA_ERROR_INVALID_VALUE());
            cuda.synchronize();
        }
    }

    @Test
    void aPoolKnowsWhatIsUsedAndWhatItKeeps() {
        int threshold = LibCuda.CU_MEMPOOL_ATTR_RELEASE_THRESHOLD();
        int used = LibCuda.CU_MEMPOOL_ATTR_USED_MEM_CURRENT();
        int usedHigh = LibCuda.CU_MEMPOOL_ATTR_USED_MEM_HIGH();
        int reserved = LibCuda.CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT();
        try (Cuda cuda = new Cuda()) {
            MemorySegment stream = cuda.stream(0);
            MemorySegment pool = pool(cuda, 0, 0);
            MemorySegment value = cuda.arena().allocateFrom(JAVA_LONG, 1000);
            Cuda.check("set", LibCuda.cuMemPoolSetAttribute(pool, threshold, value));
            assertThat(attribute(cuda, pool, threshold)).isEqualTo(1000);
            long first = allocate(cuda, 4096, pool, stream);
            long second = allocate(cuda, 1024, pool, stream);
            assertThat(attribute(cuda, pool, used)).isEqualTo(5120);
            Cuda.check("free", LibCuda.cuMemFreeAsync(first, stream));
            Cuda.check("free", LibCuda.cuMemFreeAsync(second, stream));
            assertThat(attribute(cuda, pool, used)).as("not before the stream comes to it").isEqualTo(5120);
            cuda.synchronize();
            assertThat(attribute(cuda, pool, used)).isZero();
            assertThat(attribute(cuda, pool, usedHigh)).isEqualTo(5120);
            assertThat(attribute(cuda, pool, reserved)).isEqualTo(1000);
            Cuda.check("trim", LibCuda.cuMemPoolTrimTo(pool, 10));
            assertThat(attribute(cuda, pool, reserved)).isEqualTo(10);
            value.set(JAVA_LONG, 0, 7);
            assertThat(LibCuda.cuMemPoolSetAttribute(pool, usedHigh, value))
                    .isEqualTo(LibCuda.CUDA_ERROR_INVALID_VALUE());
            value.set(JAVA_LONG, 0, 0);
            Cuda.check("set", LibCuda.cuMemPoolSetAttribute(pool, usedHigh, value));
            assertThat(attribute(cuda, pool, usedHigh)).isZero();
            Cuda.check("destroy", LibCuda.cuMemPoolDestroy(pool));
            assertThat(LibCuda.cuMemPoolDestroy(pool)).isEqualTo(LibCuda.CUDA_ERROR_INVALID_VALUE());
        }
    }

    @Test
    void aPoolGivesNoMoreThanItWasMadeFor() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment stream = cuda.stream(0);
            MemorySegment pool = pool(cuda, 0, 1 << 20);
            long half = allocate(cuda, 1 << 19, pool, stream);
            assertThatThrownBy(() -> allocate(cuda, (1 << 19) + 1, pool, stream))
                    .hasMessageContaining("CUDA_ERROR_OUT_OF_MEMORY");
            Cuda.check("free", LibCuda.cuMemFreeAsync(half, stream));
            cuda.synchronize();
            Cuda.check("destroy", LibCuda.cuMemPoolDestroy(pool));
        }
    }

    @Test
    void anotherDeviceReachesAPoolThatIsOpenToIt() {
        Simulator.devices("sm_90", 2);
        Simulator.reset();
        try (Cuda cuda = new Cuda(0)) {
            MemorySegment store = TestPtx.load(cuda, TestPtx.store());
            MemorySegment pool = pool(cuda, 1, 0);
            long at = allocate(cuda, 4, pool, MemorySegment.NULL);
            MemorySegment access = cuda.arena().allocateFrom(JAVA_INT, DEVICE_LOCATION, 0, READ_AND_WRITE);
            Cuda.check("access", LibCuda.cuMemPoolSetAccess(pool, access, 1));
            cuda.run(store, 1, 1, 0, at, 3);
            access.setAtIndex(JAVA_INT, 2, 0);
            Cuda.check("access", LibCuda.cuMemPoolSetAccess(pool, access, 1));
            assertThatThrownBy(() -> cuda.run(store, 1, 1, 0, at, 3)).hasMessageContaining("without peer access");
            cuda.recover();
            Cuda.check("destroy", LibCuda.cuMemPoolDestroy(pool));
        }
    }
}
