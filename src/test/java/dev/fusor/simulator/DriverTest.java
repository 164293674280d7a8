package dev.fusor.simulator;

import dev.fusor.bindings.cuda.LibCuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/** The driver API as the simulated driver answers it. */
@RequiresSimulator
class DriverTest {
    private static final int INTS = 64;
    private static final int BYTES = 4 * INTS;

    private static MemorySegment writer(Cuda cuda) {
        return cuda.function(cuda.module(Cuda.ptx("defects", "sm_90")), "one_writer");
    }

    private static MemorySegment pinned(Cuda cuda, long bytes) {
        MemorySegment pointer = cuda.arena().allocate(ADDRESS);
        Cuda.check("cuMemHostAlloc", LibCuda.cuMemHostAlloc(pointer, bytes, 0));
        return pointer.get(ADDRESS, 0).reinterpret(bytes);
    }

    private static int[] numbers() {
        return IntStream.range(0, INTS).toArray();
    }

    @Test
    void nothingWorksBeforeInitialisationOrWithoutAContext() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ADDRESS);
            assertThat(LibCuda.cuDeviceGetCount(out)).isEqualTo(LibCuda.CUDA_ERROR_NOT_INITIALIZED());
            assertThat(LibCuda.cuInit(1)).isEqualTo(LibCuda.CUDA_ERROR_INVALID_VALUE());
            Cuda.check("cuInit", LibCuda.cuInit(0));
            assertThat(LibCuda.cuMemAlloc_v2(out, 16)).isEqualTo(LibCuda.CUDA_ERROR_INVALID_CONTEXT());
        }
    }

    @Test
    void aMachineWithoutADeviceSaysSo() {
        Simulator.devices("sm_90", 0);
        Simulator.reset();
        assertThat(LibCuda.cuInit(0)).isEqualTo(LibCuda.CUDA_ERROR_NO_DEVICE());
    }

    @Test
    void theNthCallFailsAsPlannedAndNoOther() {
        Simulator.fault("cuMemAlloc_v2", 2, LibCuda.CUDA_ERROR_OUT_OF_MEMORY());
        try (Cuda cuda = new Cuda()) {
            cuda.allocate(16);
            assertThatThrownBy(() -> cuda.allocate(16)).hasMessageContaining("CUDA_ERROR_OUT_OF_MEMORY");
            cuda.allocate(16);
            assertThat(Simulator.calls("cuMemAlloc_v2")).isEqualTo(3);
        }
    }

    @Test
    void memoryRunsOut() {
        Simulator.capacity(1 << 20);
        try (Cuda cuda = new Cuda()) {
            cuda.allocate(1 << 19);
            assertThatThrownBy(() -> cuda.allocate((1 << 19) + 1)).hasMessageContaining("CUDA_ERROR_OUT_OF_MEMORY");
            cuda.allocate(1 << 19);
        }
    }

    @Test
    void aFaultOfAKernelStaysUntilTheContextIsReset() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment writer = writer(cuda);
            assertThatThrownBy(() -> cuda.run(writer, 4, 1, 0, 16L)).hasMessageContaining("CUDA_ERROR_ILLEGAL_ADDRESS");
            assertThatThrownBy(() -> cuda.allocate(16)).hasMessageContaining("CUDA_ERROR_ILLEGAL_ADDRESS");
            assertThatThrownBy(cuda::synchronize).hasMessageContaining("CUDA_ERROR_ILLEGAL_ADDRESS");
            cuda.recover();
            cuda.allocate(16);
        }
    }

    @Test
    void pointersSayWhatTheyPointTo() {
        int memoryType = 2; // CU_POINTER_ATTRIBUTE_MEMORY_TYPE, and CU_MEMORYTYPE_HOST and _DEVICE for its values
        try (Cuda cuda = new Cuda()) {
            long device = cuda.allocate(16);
            MemorySegment host = pinned(cuda, 16);
            MemorySegment type = cuda.arena().allocate(JAVA_INT);
            Cuda.check("attribute", LibCuda.cuPointerGetAttribute(type, memoryType, device + 15));
            assertThat(type.get(JAVA_INT, 0)).isEqualTo(2);
            Cuda.check("attribute", LibCuda.cuPointerGetAttribute(type, memoryType, host.address()));
            assertThat(type.get(JAVA_INT, 0)).isEqualTo(1);
            assertThat(LibCuda.cuPointerGetAttribute(type, memoryType, device + 16))
                    .isEqualTo(LibCuda.CUDA_ERROR_INVALID_VALUE());
            LibCuda.cuMemFreeHost(host);
        }
    }

    @Test
    void workOfAStreamWaitsUntilSomebodyWaitsForIt() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment stream = cuda.stream(LibCuda.CU_STREAM_NON_BLOCKING());
            MemorySegment host = pinned(cuda, BYTES);
            host.copyFrom(MemorySegment.ofArray(numbers()));
            long device = cuda.allocate(BYTES);
            MemorySegment back = pinned(cuda, BYTES);
            back.fill((byte) 0);
            Cuda.check("copy", LibCuda.cuMemcpyHtoDAsync_v2(device, host, BYTES, stream));
            Cuda.check("copy", LibCuda.cuMemcpyDtoHAsync_v2(back, device, BYTES, stream));
            assertThat(back.toArray(JAVA_INT)).containsOnly(0);
            host.fill((byte) 0); // too early: the copy reads page-locked memory when the stream comes to it
            Cuda.check("cuStreamSynchronize", LibCuda.cuStreamSynchronize(stream));
            assertThat(back.toArray(JAVA_INT)).containsOnly(0);
            assertThat(LibCuda.cuStreamQuery(stream)).isEqualTo(LibCuda.CUDA_SUCCESS());
            LibCuda.cuMemFreeHost(host);
            LibCuda.cuMemFreeHost(back);
        }
    }

    @Test
    void aCopyFromPageableMemoryIsStagedDuringTheCall() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment stream = cuda.stream(0);
            MemorySegment host = cuda.arena().allocateFrom(JAVA_INT, numbers());
            long device = cuda.allocate(BYTES);
            Cuda.check("copy", LibCuda.cuMemcpyHtoDAsync_v2(device, host, BYTES, stream));
            host.fill((byte) 0);
            MemorySegment back = cuda.arena().allocate(BYTES, 4);
            Cuda.check("copy", LibCuda.cuMemcpyDtoHAsync_v2(back, device, BYTES, stream));
            assertThat(back.toArray(JAVA_INT)).isEqualTo(numbers());
        }
    }

    @Test
    void anEventOrdersTwoStreamsUnderEverySeed() {
        for (int seed = 1; seed <= 20; seed++) {
            Simulator.schedule(Simulator.ThreadOrder.RANDOM, seed, 1, false);
            try (Cuda cuda = new Cuda()) {
                MemorySegment writer = writer(cuda);
                MemorySegment first = cuda.stream(LibCuda.CU_STREAM_NON_BLOCKING());
                MemorySegment second = cuda.stream(LibCuda.CU_STREAM_NON_BLOCKING());
                MemorySegment event = cuda.event();
                long device = cuda.allocate(16);
                MemorySegment back = pinned(cuda, 16);
                cuda.launch(writer, 4, 1, 0, first, device);
                Cuda.check("record", LibCuda.cuEventRecord(event, first));
                Cuda.check("wait", LibCuda.cuStreamWaitEvent(second, event, 0));
                Cuda.check("copy", LibCuda.cuMemcpyDtoHAsync_v2(back, device, 16, second));
                Cuda.check("sync", LibCuda.cuStreamSynchronize(second));
                assertThat(back.toArray(JAVA_INT)).as("seed %d", seed).containsExactly(0, 1, 2, 3);
                LibCuda.cuMemFreeHost(back);
            }
        }
    }

    @Test
    void withoutTheEventSomeSeedShowsTheOtherOrder() {
        boolean seen = false;
        for (int seed = 1; seed <= 20; seed++) {
            Simulator.schedule(Simulator.ThreadOrder.RANDOM, seed, 1, false);
            try (Cuda cuda = new Cuda()) {
                MemorySegment writer = writer(cuda);
                MemorySegment first = cuda.stream(LibCuda.CU_STREAM_NON_BLOCKING());
                MemorySegment second = cuda.stream(LibCuda.CU_STREAM_NON_BLOCKING());
                long device = cuda.allocate(16);
                MemorySegment back = pinned(cuda, 16);
                cuda.launch(writer, 4, 1, 0, first, device);
                Cuda.check("copy", LibCuda.cuMemcpyDtoHAsync_v2(back, device, 16, second));
                cuda.synchronize();
                seen |= back.get(JAVA_INT, 12) != 3;
                LibCuda.cuMemFreeHost(back);
            }
        }
        assertThat(seen).isTrue();
    }

    @Test
    void theDefaultStreamWaitsForBlockingStreamsAndTheyForIt() {
        for (int seed = 1; seed <= 20; seed++) {
            Simulator.schedule(Simulator.ThreadOrder.RANDOM, seed, 1, false);
            try (Cuda cuda = new Cuda()) {
                MemorySegment writer = writer(cuda);
                MemorySegment blocking = cuda.stream(0);
                long device = cuda.allocate(16);
                MemorySegment back = pinned(cuda, 32);
                cuda.launch(writer, 4, 1, 0, blocking, device);
                Cuda.check("copy", LibCuda.cuMemcpyDtoHAsync_v2(back, device, 16, MemorySegment.NULL));
                Cuda.check("fill", LibCuda.cuMemsetD8Async(device, (byte) 1, 16, MemorySegment.NULL));
                Cuda.check("copy", LibCuda.cuMemcpyDtoHAsync_v2(back.asSlice(16), device, 16, blocking));
                Cuda.check("sync", LibCuda.cuStreamSynchronize(blocking));
                assertThat(back.toArray(JAVA_INT)).as("seed %d", seed).containsExactly(0, 1, 2, 3, 0x01010101,
                        0x01010101,
                        0x01010101, 0x01010101);
                LibCuda.cuMemFreeHost(back);
            }
        }
    }

    @Test
    void aLoopOfQueriesEnds() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment event = cuda.event();
            MemorySegment stream = cuda.stream(0);
            cuda.launch(writer(cuda), 4, 1, 0, stream, cuda.allocate(16));
            Cuda.check("record", LibCuda.cuEventRecord(event, stream));
            int queries = 0;
            while (LibCuda.cuEventQuery(event) == LibCuda.CUDA_ERROR_NOT_READY()) {
                queries++;
            }
            assertThat(queries).isBetween(1, 10);
        }
    }

    @Test
    void aCapturedGraphRunsWhenLaunchedAndOnlyThen() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment stream = cuda.stream(0);
            MemorySegment other = cuda.stream(0);
            MemorySegment fork = cuda.event();
            MemorySegment join = cuda.event();
            long device = cuda.allocate(32);
            cuda.zero(device, 32);
            cuda.synchronize();
            MemorySegment writer = writer(cuda);
            Cuda.check("begin", LibCuda.cuStreamBeginCapture_v2(stream, LibCuda.CU_STREAM_CAPTURE_MODE_GLOBAL()));
            cuda.launch(writer, 4, 1, 0, stream, device);
            Cuda.check("fork", LibCuda.cuEventRecord(fork, stream));
            Cuda.check("fork", LibCuda.cuStreamWaitEvent(other, fork, 0));
            cuda.launch(writer, 4, 1, 0, other, device + 16);
            Cuda.check("join", LibCuda.cuEventRecord(join, other));
            Cuda.check("join", LibCuda.cuStreamWaitEvent(stream, join, 0));
            MemorySegment graph = cuda.arena().allocate(ADDRESS);
            Cuda.check("end", LibCuda.cuStreamEndCapture(stream, graph));
            MemorySegment exec = cuda.arena().allocate(ADDRESS);
            Cuda.check("instantiate", LibCuda.cuGraphInstantiateWithFlags(exec, graph.get(ADDRESS, 0), 0));
            MemorySegment back = cuda.arena().allocate(32, 4);
            cuda.fetch(back, device);
            assertThat(back.toArray(JAVA_INT)).containsOnly(0);
            Cuda.check("launch", LibCuda.cuGraphLaunch(exec.get(ADDRESS, 0), stream));
            cuda.synchronize();
            cuda.fetch(back, device);
            assertThat(back.toArray(JAVA_INT)).containsExactly(0, 1, 2, 3, 0, 1, 2, 3);
            Cuda.check("destroy", LibCuda.cuGraphExecDestroy(exec.get(ADDRESS, 0)));
            Cuda.check("destroy", LibCuda.cuGraphDestroy(graph.get(ADDRESS, 0)));
        }
    }

    @Test
    void aCallThatSynchronisesSpoilsACapture() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment stream = cuda.stream(0);
            MemorySegment graph = cuda.arena().allocate(ADDRESS);
            Cuda.check("begin", LibCuda.cuStreamBeginCapture_v2(stream, LibCuda.CU_STREAM_CAPTURE_MODE_GLOBAL()));
            assertThat(LibCuda.cuStreamSynchronize(stream)).isEqualTo(LibCuda.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED());
            assertThat(LibCuda.cuStreamEndCapture(stream, graph))
                    .isEqualTo(LibCuda.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED());
        }
    }

    @Test
    void memoryOfAPoolIsThereInTheOrderOfItsStream() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment stream = cuda.stream(LibCuda.CU_STREAM_NON_BLOCKING());
            MemorySegment address = cuda.arena().allocate(JAVA_LONG);
            MemorySegment writer = writer(cuda);
            Cuda.check("alloc", LibCuda.cuMemAllocAsync(address, 16, stream));
            long at = address.get(JAVA_LONG, 0);
            cuda.launch(writer, 4, 1, 0, stream, at);
            Cuda.check("free", LibCuda.cuMemFreeAsync(at, stream));
            cuda.synchronize();
            cuda.launch(writer, 4, 1, 0, stream, at);
            assertThatThrownBy(cuda::synchronize).hasMessageContaining("which was freed");
            cuda.recover();
        }
    }

    @Test
    void limitsOfTheHardwareAreThoseOfTheArchitecture() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment writer = writer(cuda);
            long out = cuda.allocate(1 << 20);
            assertThatThrownBy(() -> cuda.run(writer, 1, 1025, 0, out))
                    .hasMessageContaining("CUDA_ERROR_INVALID_VALUE");
            assertThatThrownBy(() -> cuda.run(writer, 0, 1, 0, out)).hasMessageContaining("CUDA_ERROR_INVALID_VALUE");
            assertThatThrownBy(() -> cuda.run(writer, 1, 1, (48 << 10) + 1, out))
                    .hasMessageContaining("CUDA_ERROR_INVALID_VALUE");
            Cuda.check("attribute", LibCuda.cuFuncSetAttribute(writer,
                    LibCuda.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES(), 227 << 10));
            cuda.run(writer, 1, 1, 227 << 10, out);
            assertThat(LibCuda.cuFuncSetAttribute(writer, LibCuda.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES(),
                    228 << 10)).isEqualTo(LibCuda.CUDA_ERROR_INVALID_VALUE());
            // 32 blocks of 64 threads on each of 132 multiprocessors are resident at once, and no more.
            cuda.runCooperative(writer, 32 * 132 / 64, 64, 0, out);
            assertThatThrownBy(() -> cuda.runCooperative(writer, 32 * 132 + 1, 64, 0, out))
                    .hasMessageContaining("CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE");
        }
    }

    @Test
    void ptxForANewerDeviceOrWithoutATranslationIsRefused() {
        Simulator.devices("sm_75", 1);
        Simulator.reset();
        try (Cuda cuda = new Cuda()) {
            assertThatThrownBy(() -> cuda.module(Cuda.ptx("histogram", "sm_90")))
                    .hasMessageContaining("CUDA_ERROR_NO_BINARY_FOR_GPU").hasMessageContaining("is for sm_90");
            cuda.module(Cuda.ptx("histogram", "sm_75"));
            byte[] changed = (new String(Cuda.ptx("histogram", "sm_75")) + "\n").getBytes();
            assertThatThrownBy(() -> cuda.module(changed)).hasMessageContaining("CUDA_ERROR_INVALID_PTX")
                    .hasMessageContaining("was not translated");
        }
    }

    @Test
    void anotherDevicesMemoryNeedsPeerAccess() {
        Simulator.devices("sm_90", 2);
        Simulator.reset();
        try (Cuda second = new Cuda(1)) {
            long there = second.allocate(16);
            MemorySegment secondContext = second.arena().allocate(ADDRESS);
            Cuda.check("current", LibCuda.cuCtxGetCurrent(secondContext));
            try (Cuda first = new Cuda(0)) {
                MemorySegment writer = writer(first);
                assertThatThrownBy(() -> first.run(writer, 4, 1, 0, there)).hasMessageContaining("without peer access");
                first.recover();
                MemorySegment again = writer(first);
                Cuda.check("peer", LibCuda.cuCtxEnablePeerAccess(secondContext.get(ADDRESS, 0), 0));
                first.run(again, 4, 1, 0, there);
            }
            Cuda.check("current", LibCuda.cuCtxSetCurrent(secondContext.get(ADDRESS, 0)));
        }
    }

    @Test
    void registeredHostMemoryIsInAKernelsReach() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment host = cuda.arena().allocate(16, 16);
            Cuda.check("register", LibCuda.cuMemHostRegister_v2(host, 16, 0));
            assertThat(LibCuda.cuMemHostRegister_v2(host, 16, 0))
                    .isEqualTo(LibCuda.CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED());
            cuda.run(writer(cuda), 4, 1, 0, host.address());
            assertThat(host.toArray(JAVA_INT)).containsExactly(0, 1, 2, 3);
            Cuda.check("unregister", LibCuda.cuMemHostUnregister(host));
            assertThat(LibCuda.cuMemHostUnregister(host)).isEqualTo(LibCuda.CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED());
        }
    }

    @Test
    void eventsMeasureTimeThatPasses() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment start = cuda.event();
            MemorySegment end = cuda.event();
            MemorySegment elapsed = cuda.arena().allocate(JAVA_FLOAT);
            Cuda.check("record", LibCuda.cuEventRecord(start, MemorySegment.NULL));
            Cuda.check("record", LibCuda.cuEventRecord(end, MemorySegment.NULL));
            assertThat(LibCuda.cuEventElapsedTime_v2(elapsed, start, end)).isEqualTo(LibCuda.CUDA_ERROR_NOT_READY());
            Cuda.check("sync", LibCuda.cuEventSynchronize(end));
            Cuda.check("elapsed", LibCuda.cuEventElapsedTime_v2(elapsed, start, end));
            assertThat(elapsed.get(JAVA_FLOAT, 0)).isNotNegative();
        }
    }
}
