package dev.fusor.simulator;

import dev.fusor.bindings.cuda.LibCuda;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

/** Handles that end while their work goes on, host functions, and orders that come again. */
@RequiresSimulator
class StreamsTest {
    private static final MemorySegment PER_THREAD = MemorySegment.ofAddress(2);

    private final List<Long> order = new ArrayList<>();
    private int resultInHostFunction = -1;

    @SuppressWarnings("unused") // called by the driver
    private void note(MemorySegment data) {
        order.add(data.address());
        try (Arena arena = Arena.ofConfined()) {
            resultInHostFunction = LibCuda.cuMemAlloc_v2(arena.allocate(JAVA_LONG), 16);
        }
    }

    private MemorySegment hostFunction(Cuda cuda) throws ReflectiveOperationException {
        MethodHandle note = MethodHandles.lookup()
                .findVirtual(StreamsTest.class, "note", MethodType.methodType(void.class, MemorySegment.class))
                .bindTo(this);
        return Linker.nativeLinker().upcallStub(note, FunctionDescriptor.ofVoid(ADDRESS), cuda.arena());
    }

    private static int fetched(Cuda cuda, long at) {
        MemorySegment host = cuda.arena().allocate(JAVA_INT);
        cuda.fetch(host, at);
        return host.get(JAVA_INT, 0);
    }

    private static MemorySegment pinned(Cuda cuda) {
        MemorySegment pointer = cuda.arena().allocate(ADDRESS);
        Cuda.check("pinned", LibCuda.cuMemHostAlloc(pointer, 4, 0));
        MemorySegment host = pointer.get(ADDRESS, 0).reinterpret(4);
        host.set(JAVA_INT, 0, 0);
        return host;
    }

    @Test
    void workOfADestroyedStreamIsDoneInItsOwnTime() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment stream = cuda.arena().allocate(ADDRESS);
            Cuda.check("create", LibCuda.cuStreamCreate(stream, LibCuda.CU_STREAM_NON_BLOCKING()));
            MemorySegment host = pinned(cuda);
            long at = cuda.allocate(4);
            cuda.launch(TestPtx.load(cuda, TestPtx.store()), 1, 1, 0, stream.get(ADDRESS, 0), at, 7);
            Cuda.check("copy", LibCuda.cuMemcpyDtoHAsync_v2(host, at, 4, stream.get(ADDRESS, 0)));
            Cuda.check("destroy", LibCuda.cuStreamDestroy_v2(stream.get(ADDRESS, 0)));
            assertThat(host.get(JAVA_INT, 0)).isZero();
            assertThat(LibCuda.cuStreamSynchronize(stream.get(ADDRESS, 0)))
                    .isEqualTo(LibCuda.CUDA_ERROR_INVALID_HANDLE());
            cuda.synchronize();
            assertThat(host.get(JAVA_INT, 0)).isEqualTo(7);
        }
    }

    @Test
    void aHandleStaysInvalidWhenOthersAreMade() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment out = cuda.arena().allocate(ADDRESS);
            Cuda.check("create", LibCuda.cuEventCreate(out, 0));
            MemorySegment gone = out.get(ADDRESS, 0);
            Cuda.check("destroy", LibCuda.cuEventDestroy_v2(gone));
            for (int i = 0; i < 100; i++) {
                cuda.event();
            }
            assertThat(LibCuda.cuEventQuery(gone)).isEqualTo(LibCuda.CUDA_ERROR_INVALID_HANDLE());
            assertThat(LibCuda.cuEventDestroy_v2(gone)).isEqualTo(LibCuda.CUDA_ERROR_INVALID_HANDLE());
        }
    }

    @Test
    void aWaitForADestroyedEventStillWaits() {
        for (int seed = 1; seed <= 20; seed++) {
            Simulator.schedule(Simulator.ThreadOrder.ASCENDING, seed, 1, false);
            try (Cuda cuda = new Cuda()) {
                MemorySegment store = TestPtx.load(cuda, TestPtx.store());
                MemorySegment first = cuda.stream(LibCuda.CU_STREAM_NON_BLOCKING());
                MemorySegment out = cuda.arena().allocate(ADDRESS);
                Cuda.check("create", LibCuda.cuEventCreate(out, 0));
                long at = cuda.allocate(4);
                cuda.launch(store, 1, 1, 0, first, at, 1);
                Cuda.check("record", LibCuda.cuEventRecord(out.get(ADDRESS, 0), first));
                // The default stream as the one that waits: it is in no list of streams that were made.
                MemorySegment second = PER_THREAD;
                Cuda.check("wait", LibCuda.cuStreamWaitEvent(second, out.get(ADDRESS, 0), 0));
                Cuda.check("destroy", LibCuda.cuEventDestroy_v2(out.get(ADDRESS, 0)));
                cuda.launch(store, 1, 1, 0, second, at, 2);
                cuda.synchronize();
                assertThat(fetched(cuda, at)).as("seed %d", seed).isEqualTo(2);
            }
        }
    }

    @Test
    void theDefaultStreamOfAThreadWaitsForTheOneOfAll() {
        for (int seed = 1; seed <= 20; seed++) {
            Simulator.schedule(Simulator.ThreadOrder.ASCENDING, seed, 1, false);
            try (Cuda cuda = new Cuda()) {
                MemorySegment store = TestPtx.load(cuda, TestPtx.store());
                long at = cuda.allocate(4);
                cuda.launch(store, 1, 1, 0, MemorySegment.NULL, at, 1);
                cuda.launch(store, 1, 1, 0, PER_THREAD, at, 2);
                Cuda.check("sync", LibCuda.cuStreamSynchronize(PER_THREAD));
                assertThat(fetched(cuda, at)).as("seed %d", seed).isEqualTo(2);
            }
        }
    }

    private List<Long> orderUnder(int seed) throws ReflectiveOperationException {
        order.clear();
        Simulator.reset();
        Simulator.schedule(Simulator.ThreadOrder.ASCENDING, seed, 1, false);
        try (Cuda cuda = new Cuda()) {
            MemorySegment note = hostFunction(cuda);
            List<MemorySegment> streams = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                streams.add(cuda.stream(LibCuda.CU_STREAM_NON_BLOCKING()));
            }
            for (int i = 0; i < 24; i++) {
                Cuda.check("host",
                        LibCuda.cuLaunchHostFunc(streams.get(i % 8), note, MemorySegment.ofAddress(i)));
            }
            cuda.synchronize();
        }
        return List.copyOf(order);
    }

    @Test
    void theSameSeedGivesTheSameOrderAndAnotherAnother() throws ReflectiveOperationException {
        List<Long> first = orderUnder(1);
        assertThat(first).hasSize(24).doesNotHaveDuplicates();
        assertThat(orderUnder(2)).isNotEqualTo(first);
        assertThat(orderUnder(1)).isEqualTo(first);
        for (long i = 0; i < 8; i++) {
            assertThat(first.indexOf(i)).isLessThan(first.indexOf(i + 8));
            assertThat(first.indexOf(i + 8)).isLessThan(first.indexOf(i + 16));
        }
    }

    @Test
    void aHostFunctionMayCallNothing() throws ReflectiveOperationException {
        try (Cuda cuda = new Cuda()) {
            Cuda.check("host", LibCuda.cuLaunchHostFunc(MemorySegment.NULL, hostFunction(cuda), MemorySegment.NULL));
            assertThat(order).isEmpty();
            cuda.synchronize();
            assertThat(order).hasSize(1);
            assertThat(resultInHostFunction).isEqualTo(LibCuda.CUDA_ERROR_NOT_PERMITTED());
        }
    }

    @Test
    void aCopyBetweenDeviceMemoryDoesNotWait() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment stream = cuda.stream(0);
            long from = cuda.allocate(4);
            long to = cuda.allocate(4);
            cuda.launch(TestPtx.load(cuda, TestPtx.store()), 1, 1, 0, stream, from, 3);
            Cuda.check("copy", LibCuda.cuMemcpyDtoD_v2(to, from, 4));
            assertThat(LibCuda.cuStreamQuery(stream)).isEqualTo(LibCuda.CUDA_ERROR_NOT_READY());
            assertThat(fetched(cuda, to)).isEqualTo(3);
        }
    }
}
