// Capture of streams into graphs, and their launch: the nodes of a launched graph run in any order their edges allow.
#include <algorithm>

#include "driver.h"

using namespace fusor::sim;

namespace {

Graph* graphOf(CUgraph handle) {
    auto found = driver().graphs.find(handle);
    return found == driver().graphs.end() ? nullptr : found->second.get();
}

GraphExec* execOf(CUgraphExec handle) {
    auto found = driver().execs.find(handle);
    return found == driver().execs.end() ? nullptr : found->second.get();
}

Node* nodeOf(CUgraphNode handle) {
    for (auto& [key, graph] : driver().graphs) {
        for (auto& node : graph->nodes) {
            if (reinterpret_cast<CUgraphNode>(node.get()) == handle) {
                return node.get();
            }
        }
    }
    return nullptr;
}

// An exec has nodes of its own: a kernel's parameters may be set there alone.
Node copyOf(const Node& node) {
    Node copy = node;
    if (node.kernel != nullptr) {
        copy.kernel = std::make_shared<KernelCall>(*node.kernel);
    }
    return copy;
}

CUresult runNode(const Node& node) {
    if (node.kernel != nullptr) {
        return execute(*node.kernel);
    }
    return node.run ? node.run() : CUDA_SUCCESS;
}

CUresult runAll(const std::vector<Node>& nodes) {
    std::vector<bool> done(nodes.size());
    for (std::size_t turn = 0; turn < nodes.size(); turn++) {
        std::vector<std::size_t> due;
        for (std::size_t i = 0; i < nodes.size(); i++) {
            if (!done[i] && std::all_of(nodes[i].after.begin(), nodes[i].after.end(), [&](std::size_t before) { return done[before]; })) {
                due.push_back(i);
            }
        }
        const std::size_t chosen = due[driver().random() % due.size()];
        done[chosen] = true;
        if (const CUresult result = runNode(nodes[chosen]); result != CUDA_SUCCESS) {
            return result;
        }
    }
    return CUDA_SUCCESS;
}

CUresult setParameters(KernelCall& call, const CUDA_KERNEL_NODE_PARAMS& parameters) {
    Function* function = functionOf(parameters.func);
    if (function == nullptr) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    KernelCall changed = call;
    changed.function = function;
    changed.grid = {parameters.gridDimX, parameters.gridDimY, parameters.gridDimZ};
    changed.block = {parameters.blockDimX, parameters.blockDimY, parameters.blockDimZ};
    changed.dynamicShared = parameters.sharedMemBytes;
    CUresult result = packParameters(*function, parameters.kernelParams, parameters.extra, changed.parameters);
    if (result == CUDA_SUCCESS) {
        result = checkLaunch(*function, changed);
    }
    if (result == CUDA_SUCCESS) {
        call = std::move(changed);
    }
    return result;
}

}  // namespace

FUSOR_SIM_API cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode mode) {
    FUSOR_SIM_CALL_IN_CONTEXT
    Stream* stream = streamOf(handle);
    if (stream == nullptr) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (stream->legacy) {
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    if (stream->capture != nullptr) {
        return CUDA_ERROR_ILLEGAL_STATE;
    }
    auto graph = std::make_unique<Graph>();
    graph->what = "graph";
    graph->call = currentCall();
    graph->context = currentContext();
    graph->mode = mode;
    graph->streams = {stream};
    stream->capture = graph.get();
    stream->captureOrigin = true;
    stream->captureLast.clear();
    driver().graphs[graph.get()] = std::move(graph);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuStreamEndCapture(CUstream handle, CUgraph* out) {
    FUSOR_SIM_CALL_IN_CONTEXT
    Stream* origin = streamOf(handle);
    if (origin == nullptr || out == nullptr) {
        return origin == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    *out = nullptr;
    if (origin->capture == nullptr) {
        return CUDA_ERROR_ILLEGAL_STATE;
    }
    Graph* graph = origin->capture;
    if (!origin->captureOrigin) {
        graph->invalidated = true;
        return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
    }
    // Every node has to come before the origin's last one: what a forked stream did has to be joined.
    std::vector<bool> joined(graph->nodes.size());
    std::vector<std::size_t> open = origin->captureLast;
    while (!open.empty()) {
        const std::size_t node = open.back();
        open.pop_back();
        if (!joined[node]) {
            joined[node] = true;
            open.insert(open.end(), graph->nodes[node]->after.begin(), graph->nodes[node]->after.end());
        }
    }
    const bool unjoined = std::find(joined.begin(), joined.end(), false) != joined.end();
    for (Stream* stream : graph->streams) {
        stream->capture = nullptr;
        stream->captureOrigin = false;
        stream->captureLast.clear();
    }
    graph->streams.clear();
    for (auto& [key, event] : driver().events) {
        if (event->capture == graph) {
            event->capture = nullptr;
        }
    }
    if (graph->invalidated || unjoined) {
        const CUresult result = graph->invalidated ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
        driver().graphs.erase(graph);
        return result;
    }
    *out = reinterpret_cast<CUgraph>(graph);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus* status) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Stream* stream = streamOf(handle);
    if (stream == nullptr || status == nullptr) {
        return stream == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    *status = stream->capture == nullptr        ? CU_STREAM_CAPTURE_STATUS_NONE
              : stream->capture->invalidated ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                             : CU_STREAM_CAPTURE_STATUS_ACTIVE;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuGraphGetNodes(CUgraph handle, CUgraphNode* nodes, std::size_t* count) {
    FUSOR_SIM_CALL
    const Graph* graph = graphOf(handle);
    if (graph == nullptr || count == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (nodes != nullptr) {
        for (std::size_t i = 0; i < *count; i++) {
            nodes[i] = i < graph->nodes.size() ? reinterpret_cast<CUgraphNode>(graph->nodes[i].get()) : nullptr;
        }
    }
    *count = nodes == nullptr ? graph->nodes.size() : std::min(*count, graph->nodes.size());
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuGraphKernelNodeGetParams_v2(CUgraphNode handle, CUDA_KERNEL_NODE_PARAMS* parameters) {
    FUSOR_SIM_CALL
    const Node* node = nodeOf(handle);
    if (node == nullptr || node->kernel == nullptr || parameters == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    const KernelCall& call = *node->kernel;
    *parameters = {};
    parameters->func = reinterpret_cast<CUfunction>(call.function);
    parameters->gridDimX = call.grid.x;
    parameters->gridDimY = call.grid.y;
    parameters->gridDimZ = call.grid.z;
    parameters->blockDimX = call.block.x;
    parameters->blockDimY = call.block.y;
    parameters->blockDimZ = call.block.z;
    parameters->sharedMemBytes = call.dynamicShared;
    parameters->ctx = reinterpret_cast<CUcontext>(call.function->module->context);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuGraphInstantiateWithFlags(CUgraphExec* out, CUgraph handle, unsigned long long) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Graph* graph = graphOf(handle);
    if (graph == nullptr || out == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    auto exec = std::make_unique<GraphExec>();
    exec->what = "executable graph";
    exec->call = currentCall();
    exec->context = currentContext();
    exec->source = graph;
    for (const auto& node : graph->nodes) {
        exec->nodes.push_back(copyOf(*node));
        exec->origins.push_back(node.get());
    }
    *out = reinterpret_cast<CUgraphExec>(exec.get());
    driver().execs[exec.get()] = std::move(exec);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuGraphExecKernelNodeSetParams_v2(CUgraphExec handle, CUgraphNode nodeHandle, const CUDA_KERNEL_NODE_PARAMS* parameters) {
    FUSOR_SIM_CALL
    GraphExec* exec = execOf(handle);
    if (exec == nullptr || parameters == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    for (std::size_t i = 0; i < exec->nodes.size(); i++) {
        if (reinterpret_cast<CUgraphNode>(const_cast<Node*>(exec->origins[i])) == nodeHandle && exec->nodes[i].kernel != nullptr) {
            // A launch that is queued keeps what it was given.
            auto call = std::make_shared<KernelCall>(*exec->nodes[i].kernel);
            const CUresult result = setParameters(*call, *parameters);
            if (result == CUDA_SUCCESS) {
                exec->nodes[i].kernel = std::move(call);
            }
            return result;
        }
    }
    return CUDA_ERROR_INVALID_VALUE;
}

FUSOR_SIM_API cuGraphExecUpdate_v2(CUgraphExec handle, CUgraph graphHandle, CUgraphExecUpdateResultInfo* info) {
    FUSOR_SIM_CALL
    GraphExec* exec = execOf(handle);
    const Graph* graph = graphOf(graphHandle);
    if (exec == nullptr || graph == nullptr || info == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *info = {};
    bool same = exec->nodes.size() == graph->nodes.size();
    for (std::size_t i = 0; same && i < exec->nodes.size(); i++) {
        same = exec->nodes[i].after == graph->nodes[i]->after && (exec->nodes[i].kernel == nullptr) == (graph->nodes[i]->kernel == nullptr);
    }
    if (!same) {
        info->result = CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
        return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
    }
    for (std::size_t i = 0; i < exec->nodes.size(); i++) {
        exec->nodes[i] = copyOf(*graph->nodes[i]);
        exec->origins[i] = graph->nodes[i].get();
    }
    info->result = CU_GRAPH_EXEC_UPDATE_SUCCESS;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuGraphUpload(CUgraphExec handle, CUstream stream) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return execOf(handle) == nullptr ? CUDA_ERROR_INVALID_VALUE : streamOf(stream) == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS;
}

FUSOR_SIM_API cuGraphLaunch(CUgraphExec handle, CUstream streamHandle) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const GraphExec* exec = execOf(handle);
    Stream* stream = streamOf(streamHandle);
    if (exec == nullptr || stream == nullptr) {
        return exec == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE;
    }
    return enqueue(*stream, [nodes = exec->nodes] { return runAll(nodes); });
}

FUSOR_SIM_API cuGraphDestroy(CUgraph graph) {
    FUSOR_SIM_CALL
    return driver().graphs.erase(graph) == 1 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

FUSOR_SIM_API cuGraphExecDestroy(CUgraphExec exec) {
    FUSOR_SIM_CALL
    return driver().execs.erase(exec) == 1 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
