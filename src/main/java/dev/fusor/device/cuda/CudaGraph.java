package dev.fusor.device.cuda;

import dev.fusor.bindings.cuda.LibCuda;
import java.lang.foreign.MemorySegment;

/** Work that was captured once and is launched whole, as often as wanted. */
public final class CudaGraph implements AutoCloseable {
    private final CudaDevice device;
    private final MemorySegment executable;

    private CudaGraph(CudaDevice device, MemorySegment executable) {
        this.device = device;
        this.executable = executable;
    }

    static CudaGraph end(CudaStream stream) {
        MemorySegment graph = Api.queryHandle("cuStreamEndCapture", () -> "ending a capture",
                out -> LibCuda.cuStreamEndCapture(stream.handle(), out));
        try {
            return new CudaGraph(stream.device(), Api.queryHandle("cuGraphInstantiateWithFlags",
                    () -> "making a graph ready", out -> LibCuda.cuGraphInstantiateWithFlags(out, graph, 0)));
        } finally {
            destroy(graph);
        }
    }

    /** Ends a capture that came to nothing. Why is known already. */
    static void abandon(CudaStream stream) {
        MemorySegment graph = MemorySegment.NULL;
        try {
            graph = Api.queryHandle("cuStreamEndCapture", () -> "ending a capture",
                    out -> LibCuda.cuStreamEndCapture(stream.handle(), out));
        } catch (CudaException e) {
            return; // the capture was invalid, and made no graph
        }
        destroy(graph);
    }

    private static void destroy(MemorySegment graph) {
        Api.release("cuGraphDestroy", () -> "closing a graph", () -> LibCuda.cuGraphDestroy(graph));
    }

    /**
     * Enqueues all of it.
     *
     * @param stream of the same device
     */
    public void on(CudaStream stream) {
        device.enter();
        int result = LibCuda.cuGraphLaunch(executable, stream.handle());
        if (result != LibCuda.CUDA_SUCCESS()) {
            throw Api.failure(result, "cuGraphLaunch", "launching a graph");
        }
    }

    /** Frees it; launches under way are finished. */
    @Override
    public void close() {
        device.enterToRelease();
        Api.release("cuGraphExecDestroy", () -> "closing a graph", () -> LibCuda.cuGraphExecDestroy(executable));
    }
}
