package dev.fusor.simulator;

import dev.fusor.bindings.cuda.LibCuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

/** Who may use which context, and what goes with one. */
@RequiresSimulator
class ContextsTest {
    private static MemorySegment create(Arena arena) {
        MemorySegment context = arena.allocate(ADDRESS);
        Cuda.check("cuCtxCreate", LibCuda.cuCtxCreate_v4(context, MemorySegment.NULL, 0, 0));
        return context.get(ADDRESS, 0);
    }

    private static MemorySegment current(Arena arena) {
        MemorySegment context = arena.allocate(ADDRESS);
        Cuda.check("cuCtxGetCurrent", LibCuda.cuCtxGetCurrent(context));
        return context.get(ADDRESS, 0);
    }

    @Test
    void aPrimaryContextEndsWithItsLastRelease() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment context = arena.allocate(ADDRESS);
            MemorySegment memory = arena.allocate(JAVA_LONG);
            Cuda.check("cuInit", LibCuda.cuInit(0));
            assertThat(LibCuda.cuDevicePrimaryCtxRelease_v2(0)).isEqualTo(LibCuda.CUDA_ERROR_INVALID_CONTEXT());
            Cuda.check("retain", LibCuda.cuDevicePrimaryCtxRetain(context, 0));
            Cuda.check("retain", LibCuda.cuDevicePrimaryCtxRetain(context, 0));
            Cuda.check("current", LibCuda.cuCtxSetCurrent(context.get(ADDRESS, 0)));
            Cuda.check("release", LibCuda.cuDevicePrimaryCtxRelease_v2(0));
            Cuda.check("alloc", LibCuda.cuMemAlloc_v2(memory, 16));
            assertThat(Simulator.live()).isEqualTo(2);
            Cuda.check("release", LibCuda.cuDevicePrimaryCtxRelease_v2(0));
            assertThat(Simulator.live()).isZero();
            assertThat(LibCuda.cuMemAlloc_v2(memory, 16)).isEqualTo(LibCuda.CUDA_ERROR_CONTEXT_IS_DESTROYED());
            assertThat(LibCuda.cuCtxSetCurrent(context.get(ADDRESS, 0)))
                    .isEqualTo(LibCuda.CUDA_ERROR_INVALID_CONTEXT());
        }
    }

    @Test
    void aContextThatAnotherThreadDestroyedCannotBeUsed() {
        try (Arena arena = Arena.ofShared()) {
            Cuda.check("cuInit", LibCuda.cuInit(0));
            MemorySegment context = create(arena);
            CompletableFuture.runAsync(() -> Cuda.check("destroy", LibCuda.cuCtxDestroy_v2(context))).join();
            MemorySegment memory = arena.allocate(JAVA_LONG);
            assertThat(LibCuda.cuMemAlloc_v2(memory, 16)).isEqualTo(LibCuda.CUDA_ERROR_CONTEXT_IS_DESTROYED());
            assertThat(LibCuda.cuCtxDestroy_v2(context)).isEqualTo(LibCuda.CUDA_ERROR_INVALID_CONTEXT());
            assertThat(current(arena)).isEqualTo(context);
        }
    }

    @Test
    void eachThreadHasItsOwnStackOfContexts() {
        try (Arena arena = Arena.ofShared()) {
            Cuda.check("cuInit", LibCuda.cuInit(0));
            MemorySegment first = create(arena);
            MemorySegment second = create(arena);
            assertThat(current(arena)).isEqualTo(second);
            CompletableFuture.runAsync(() -> assertThat(current(arena)).isEqualTo(MemorySegment.NULL)).join();
            MemorySegment popped = arena.allocate(ADDRESS);
            Cuda.check("pop", LibCuda.cuCtxPopCurrent_v2(popped));
            assertThat(popped.get(ADDRESS, 0)).isEqualTo(second);
            assertThat(current(arena)).isEqualTo(first);
            Cuda.check("push", LibCuda.cuCtxPushCurrent_v2(second));
            Cuda.check("destroy", LibCuda.cuCtxDestroy_v2(second));
            assertThat(current(arena)).isEqualTo(first);
            Cuda.check("destroy", LibCuda.cuCtxDestroy_v2(first));
            assertThat(LibCuda.cuCtxPopCurrent_v2(popped)).isEqualTo(LibCuda.CUDA_ERROR_INVALID_CONTEXT());
        }
    }

    @Test
    void everythingGoesWithItsContext() {
        try (Arena arena = Arena.ofConfined()) {
            Cuda.check("cuInit", LibCuda.cuInit(0));
            MemorySegment context = create(arena);
            MemorySegment out = arena.allocate(ADDRESS);
            Cuda.check("alloc", LibCuda.cuMemAlloc_v2(out, 16));
            Cuda.check("pinned", LibCuda.cuMemHostAlloc(out, 16, 0));
            Cuda.check("register", LibCuda.cuMemHostRegister_v2(arena.allocate(64), 64, 0));
            Cuda.check("stream", LibCuda.cuStreamCreate(out, 0));
            Cuda.check("async", LibCuda.cuMemAllocAsync(out, 16, out.get(ADDRESS, 0)));
            Cuda.check("event", LibCuda.cuEventCreate(out, 0));
            MemorySegment ptx = arena.allocateFrom(new String(TestPtx.store()));
            Cuda.check("module", LibCuda.cuModuleLoadData(out, ptx));
            assertThat(Simulator.ledger().lines()).hasSize(8).first().asString().startsWith("context");
            Cuda.check("destroy", LibCuda.cuCtxDestroy_v2(context));
            assertThat(Simulator.live()).isZero();
        }
    }

    @Test
    void anEventOfABrokenContextHoldsNobodyUpForEver() {
        Simulator.devices("sm_90", 2);
        Simulator.reset();
        try (Cuda healthy = new Cuda(1); Arena arena = Arena.ofConfined()) {
            MemorySegment waiting = healthy.stream(LibCuda.CU_STREAM_NON_BLOCKING());
            MemorySegment healthyContext = current(arena);
            try (Cuda broken = new Cuda(0)) {
                MemorySegment store = TestPtx.load(broken, TestPtx.store());
                MemorySegment event = broken.event();
                broken.launch(store, 1, 1, 0, MemorySegment.NULL, 16L, 1);
                Cuda.check("record", LibCuda.cuEventRecord(event, MemorySegment.NULL));
                Cuda.check("current", LibCuda.cuCtxSetCurrent(healthyContext));
                Cuda.check("wait", LibCuda.cuStreamWaitEvent(waiting, event, 0));
                Cuda.check("synchronize", LibCuda.cuStreamSynchronize(waiting));
                Cuda.check("reset", LibCuda.cuDevicePrimaryCtxReset_v2(0));
            }
        }
    }

    @Test
    void flagsAndLimitsAreKept() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment flags = cuda.arena().allocate(JAVA_INT);
            MemorySegment active = cuda.arena().allocate(JAVA_INT);
            Cuda.check("flags", LibCuda.cuDevicePrimaryCtxSetFlags_v2(0, 4));
            Cuda.check("state", LibCuda.cuDevicePrimaryCtxGetState(0, flags, active));
            assertThat(flags.get(JAVA_INT, 0)).isEqualTo(4);
            assertThat(active.get(JAVA_INT, 0)).isOne();
            MemorySegment limit = cuda.arena().allocate(JAVA_LONG);
            Cuda.check("limit", LibCuda.cuCtxSetLimit(LibCuda.CU_LIMIT_STACK_SIZE(), 4096));
            Cuda.check("limit", LibCuda.cuCtxGetLimit(limit, LibCuda.CU_LIMIT_STACK_SIZE()));
            assertThat(limit.get(JAVA_LONG, 0)).isEqualTo(4096);
            assertThat(LibCuda.cuCtxSetLimit(LibCuda.CU_LIMIT_MAX(), 1))
                    .isEqualTo(LibCuda.CUDA_ERROR_UNSUPPORTED_LIMIT());
        }
    }
}
