package dev.fusor.simulator;

import dev.fusor.bindings.cuda.CUDA_KERNEL_NODE_PARAMS_v2_st;
import dev.fusor.bindings.cuda.LibCuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

/** What may be captured, what spoils a capture, and graphs that are changed after it. */
@RequiresSimulator
class GraphsTest {
    private static final int GLOBAL = LibCuda.CU_STREAM_CAPTURE_MODE_GLOBAL();
    private static final int THREAD_LOCAL = LibCuda.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL();
    private static final int RELAXED = LibCuda.CU_STREAM_CAPTURE_MODE_RELAXED();

    private static void begin(MemorySegment stream, int mode) {
        Cuda.check("begin", LibCuda.cuStreamBeginCapture_v2(stream, mode));
    }

    private static MemorySegment end(Cuda cuda, MemorySegment stream) {
        MemorySegment graph = cuda.arena().allocate(ADDRESS);
        Cuda.check("end", LibCuda.cuStreamEndCapture(stream, graph));
        return graph.get(ADDRESS, 0);
    }

    private static int endFails(Cuda cuda, MemorySegment stream) {
        return LibCuda.cuStreamEndCapture(stream, cuda.arena().allocate(ADDRESS));
    }

    private static MemorySegment instantiate(Cuda cuda, MemorySegment graph) {
        MemorySegment exec = cuda.arena().allocate(ADDRESS);
        Cuda.check("instantiate", LibCuda.cuGraphInstantiateWithFlags(exec, graph, 0));
        return exec.get(ADDRESS, 0);
    }

    private static MemorySegment node(Cuda cuda, MemorySegment graph, int wanted) {
        MemorySegment count = cuda.arena().allocate(JAVA_LONG);
        Cuda.check("nodes", LibCuda.cuGraphGetNodes(graph, MemorySegment.NULL, count));
        assertThat(count.get(JAVA_LONG, 0)).isEqualTo(wanted);
        MemorySegment nodes = cuda.arena().allocate(ADDRESS, wanted);
        Cuda.check("nodes", LibCuda.cuGraphGetNodes(graph, nodes, count));
        return nodes.get(ADDRESS, 0);
    }

    private static int fetched(Cuda cuda, long at) {
        MemorySegment host = cuda.arena().allocate(JAVA_INT);
        cuda.fetch(host, at);
        return host.get(JAVA_INT, 0);
    }

    private static void destroy(MemorySegment exec, MemorySegment graph) {
        Cuda.check("destroy", LibCuda.cuGraphExecDestroy(exec));
        Cuda.check("destroy", LibCuda.cuGraphDestroy(graph));
    }

    @Test
    void aForkThatIsNotJoinedFails() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment store = TestPtx.load(cuda, TestPtx.store());
            MemorySegment origin = cuda.stream(0);
            MemorySegment fork = cuda.stream(0);
            MemorySegment event = cuda.event();
            long at = cuda.allocate(4);
            begin(origin, GLOBAL);
            Cuda.check("record", LibCuda.cuEventRecord(event, origin));
            Cuda.check("wait", LibCuda.cuStreamWaitEvent(fork, event, 0));
            cuda.launch(store, 1, 1, 0, fork, at, 1);
            assertThat(endFails(cuda, origin)).isEqualTo(LibCuda.CUDA_ERROR_STREAM_CAPTURE_UNJOINED());
            // Both streams are free again.
            cuda.launch(store, 1, 1, 0, fork, at, 2);
            cuda.synchronize();
            assertThat(fetched(cuda, at)).isEqualTo(2);
        }
    }

    @Test
    void aForkedStreamCannotEndTheCapture() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment origin = cuda.stream(0);
            MemorySegment fork = cuda.stream(0);
            MemorySegment event = cuda.event();
            begin(origin, GLOBAL);
            Cuda.check("record", LibCuda.cuEventRecord(event, origin));
            Cuda.check("wait", LibCuda.cuStreamWaitEvent(fork, event, 0));
            assertThat(endFails(cuda, fork)).isEqualTo(LibCuda.CUDA_ERROR_STREAM_CAPTURE_UNMATCHED());
            assertThat(endFails(cuda, origin)).isEqualTo(LibCuda.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED());
        }
    }

    @Test
    void aSpoiltCaptureTakesNothingMore() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment store = TestPtx.load(cuda, TestPtx.store());
            MemorySegment stream = cuda.stream(0);
            MemorySegment event = cuda.event();
            long at = cuda.allocate(4);
            begin(stream, GLOBAL);
            assertThat(LibCuda.cuMemAlloc_v2(cuda.arena().allocate(JAVA_LONG), 16))
                    .isEqualTo(LibCuda.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED());
            int spoilt = LibCuda.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED();
            assertThat(LibCuda.cuLaunchKernel(store, 1, 1, 1, 1, 1, 1, 0, stream, cuda.parameters(at, 1),
                    MemorySegment.NULL)).isEqualTo(spoilt);
            assertThat(LibCuda.cuEventRecord(event, stream)).isEqualTo(spoilt);
            assertThat(LibCuda.cuStreamWaitEvent(stream, event, 0)).isEqualTo(spoilt);
            assertThat(endFails(cuda, stream)).isEqualTo(spoilt);
        }
    }

    @Test
    void theModeSaysWhichThreadsMayAllocateMeanwhile() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment context = cuda.arena().allocate(ADDRESS);
            Cuda.check("current", LibCuda.cuCtxGetCurrent(context));
            MemorySegment handle = context.get(ADDRESS, 0);
            MemorySegment stream = cuda.stream(0);
            for (int mode : new int[]{GLOBAL, THREAD_LOCAL, RELAXED}) {
                begin(stream, mode);
                int elsewhere = CompletableFuture.supplyAsync(() -> allocate(handle)).join();
                assertThat(elsewhere == 0).as("mode %d, other thread", mode).isEqualTo(mode != GLOBAL);
                assertThat(allocate(handle) == 0).as("mode %d, own thread", mode).isEqualTo(mode == RELAXED);
                assertThat(endFails(cuda, stream) == 0).isEqualTo(mode == RELAXED);
            }
            cuda.recover();
        }
    }

    private static int allocate(MemorySegment context) {
        try (Arena arena = Arena.ofConfined()) {
            Cuda.check("current", LibCuda.cuCtxSetCurrent(context));
            return LibCuda.cuMemAlloc_v2(arena.allocate(JAVA_LONG), 16);
        }
    }

    @Test
    void onlyTheThreadThatBeganMayEndUnlessRelaxed() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment context = cuda.arena().allocate(ADDRESS);
            Cuda.check("current", LibCuda.cuCtxGetCurrent(context));
            MemorySegment handle = context.get(ADDRESS, 0);
            MemorySegment stream = cuda.stream(0);
            begin(stream, THREAD_LOCAL);
            int result = CompletableFuture.supplyAsync(() -> {
                try (Arena arena = Arena.ofConfined()) {
                    Cuda.check("current", LibCuda.cuCtxSetCurrent(handle));
                    return LibCuda.cuStreamEndCapture(stream, arena.allocate(ADDRESS));
                }
            }).join();
            assertThat(result).isEqualTo(LibCuda.CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD());
            Cuda.check("destroy", LibCuda.cuGraphDestroy(end(cuda, stream)));
        }
    }

    @Test
    void theDefaultStreamWouldWaitForABlockingStreamThatCaptures() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment store = TestPtx.load(cuda, TestPtx.store());
            long at = cuda.allocate(4);
            MemorySegment blocking = cuda.stream(0);
            begin(blocking, RELAXED);
            assertThat(LibCuda.cuLaunchKernel(store, 1, 1, 1, 1, 1, 1, 0, MemorySegment.NULL, cuda.parameters(at, 1),
                    MemorySegment.NULL)).isEqualTo(LibCuda.CUDA_ERROR_STREAM_CAPTURE_IMPLICIT());
            assertThat(endFails(cuda, blocking)).isEqualTo(LibCuda.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED());
            MemorySegment other = cuda.stream(LibCuda.CU_STREAM_NON_BLOCKING());
            begin(other, RELAXED);
            cuda.launch(store, 1, 1, 0, MemorySegment.NULL, at, 5);
            Cuda.check("destroy", LibCuda.cuGraphDestroy(end(cuda, other)));
            assertThat(fetched(cuda, at)).isEqualTo(5);
        }
    }

    @Test
    void aStreamThatIsDestroyedTakesItsCaptureAlong() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment out = cuda.arena().allocate(ADDRESS);
            Cuda.check("create", LibCuda.cuStreamCreate(out, 0));
            begin(out.get(ADDRESS, 0), GLOBAL);
            Cuda.check("destroy", LibCuda.cuStreamDestroy_v2(out.get(ADDRESS, 0)));
            cuda.allocate(4);
            assertThat(Simulator.ledger()).doesNotContain("graph");
        }
    }

    @Test
    void parametersOfANodeCanBeReadAndThoseOfAnExecutableGraphBeSet() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment store = TestPtx.load(cuda, TestPtx.store());
            MemorySegment stream = cuda.stream(0);
            long at = cuda.allocate(4);
            begin(stream, GLOBAL);
            cuda.launch(store, 1, 1, 0, stream, at, 11);
            MemorySegment graph = end(cuda, stream);
            MemorySegment node = node(cuda, graph, 1);
            MemorySegment exec = instantiate(cuda, graph);

            MemorySegment parameters = CUDA_KERNEL_NODE_PARAMS_v2_st.allocate(cuda.arena());
            Cuda.check("get", LibCuda.cuGraphKernelNodeGetParams_v2(node, parameters));
            assertThat(CUDA_KERNEL_NODE_PARAMS_v2_st.gridDimX(parameters)).isOne();
            MemorySegment pointers = CUDA_KERNEL_NODE_PARAMS_v2_st.kernelParams(parameters).reinterpret(16);
            assertThat(pointers.get(ADDRESS, 0).reinterpret(8).get(JAVA_LONG, 0)).isEqualTo(at);
            assertThat(pointers.get(ADDRESS, 8).reinterpret(4).get(JAVA_INT, 0)).isEqualTo(11);

            Cuda.check("launch", LibCuda.cuGraphLaunch(exec, stream));
            CUDA_KERNEL_NODE_PARAMS_v2_st.kernelParams(parameters, cuda.parameters(at, 22));
            Cuda.check("set", LibCuda.cuGraphExecKernelNodeSetParams_v2(exec, node, parameters));
            cuda.synchronize();
            assertThat(fetched(cuda, at)).as("a launch that is queued keeps what it was given").isEqualTo(11);
            Cuda.check("launch", LibCuda.cuGraphLaunch(exec, stream));
            cuda.synchronize();
            assertThat(fetched(cuda, at)).isEqualTo(22);
            CUDA_KERNEL_NODE_PARAMS_v2_st.blockDimX(parameters, 1025);
            assertThat(LibCuda.cuGraphExecKernelNodeSetParams_v2(exec, node, parameters))
                    .isEqualTo(LibCuda.CUDA_ERROR_INVALID_VALUE());
            destroy(exec, graph);
        }
    }

    @Test
    void anExecutableGraphTakesAnotherGraphOfTheSameShapeAndNoOther() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment store = TestPtx.load(cuda, TestPtx.store());
            MemorySegment stream = cuda.stream(0);
            long at = cuda.allocate(4);
            MemorySegment[] graphs = new MemorySegment[3];
            for (int i = 0; i < 3; i++) {
                begin(stream, GLOBAL);
                cuda.launch(store, 1, 1, 0, stream, at, i);
                if (i == 2) {
                    cuda.launch(store, 1, 1, 0, stream, at, i);
                }
                graphs[i] = end(cuda, stream);
            }
            MemorySegment exec = instantiate(cuda, graphs[0]);
            MemorySegment info = cuda.arena().allocate(24, 8);
            Cuda.check("update", LibCuda.cuGraphExecUpdate_v2(exec, graphs[1], info));
            Cuda.check("launch", LibCuda.cuGraphLaunch(exec, stream));
            cuda.synchronize();
            assertThat(fetched(cuda, at)).isOne();
            assertThat(LibCuda.cuGraphExecUpdate_v2(exec, graphs[2], info))
                    .isEqualTo(LibCuda.CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE());
            destroy(exec, graphs[0]);
            Cuda.check("destroy", LibCuda.cuGraphDestroy(graphs[1]));
            Cuda.check("destroy", LibCuda.cuGraphDestroy(graphs[2]));
        }
    }

    @Test
    void aCapturedCopyReadsHostMemoryAtEachLaunch() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment stream = cuda.stream(0);
            MemorySegment host = cuda.arena().allocate(JAVA_INT);
            long at = cuda.allocate(4);
            begin(stream, GLOBAL);
            host.set(JAVA_INT, 0, 1);
            Cuda.check("copy", LibCuda.cuMemcpyHtoDAsync_v2(at, host, 4, stream));
            MemorySegment graph = end(cuda, stream);
            MemorySegment exec = instantiate(cuda, graph);
            for (int value = 2; value < 4; value++) {
                host.set(JAVA_INT, 0, value);
                Cuda.check("launch", LibCuda.cuGraphLaunch(exec, stream));
                assertThat(fetched(cuda, at)).isEqualTo(value);
            }
            destroy(exec, graph);
        }
    }

    @Test
    void whatCannotBeCapturedIsRefusedByName() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment stream = cuda.stream(0);
            begin(stream, RELAXED);
            assertThat(LibCuda.cuMemAllocAsync(cuda.arena().allocate(JAVA_LONG), 16, stream))
                    .isEqualTo(LibCuda.CUDA_ERROR_NOT_SUPPORTED());
            assertThat(Simulator.report()).contains("captures no such node: an allocation");
            assertThat(endFails(cuda, stream)).isEqualTo(LibCuda.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED());
        }
    }

    @Test
    void aGraphOfAnUnloadedModuleIsNotLaunched() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment module = cuda.arena().allocate(ADDRESS);
            MemorySegment text = cuda.arena().allocateFrom(new String(TestPtx.store()));
            Cuda.check("load", LibCuda.cuModuleLoadData(module, text));
            MemorySegment store = cuda.function(module.get(ADDRESS, 0), "store");
            MemorySegment stream = cuda.stream(0);
            long at = cuda.allocate(4);
            begin(stream, GLOBAL);
            cuda.launch(store, 1, 1, 0, stream, at, 1);
            MemorySegment graph = end(cuda, stream);
            MemorySegment exec = instantiate(cuda, graph);
            Cuda.check("unload", LibCuda.cuModuleUnload(module.get(ADDRESS, 0)));
            assertThat(LibCuda.cuGraphLaunch(exec, stream)).isEqualTo(LibCuda.CUDA_ERROR_INVALID_HANDLE());
            assertThat(Simulator.report()).contains("was unloaded");
            destroy(exec, graph);
        }
    }
}
