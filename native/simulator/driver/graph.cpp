// Graphs and their launch: the nodes of a launched graph run in any order their edges allow.
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
    KernelCall changed = call;
    changed.grid = {parameters.gridDimX, parameters.gridDimY, parameters.gridDimZ};
    changed.block = {parameters.blockDimX, parameters.blockDimY, parameters.blockDimZ};
    changed.dynamicShared = parameters.sharedMemBytes;
    const auto handle = parameters.func != nullptr ? parameters.func : reinterpret_cast<CUfunction>(parameters.kern);
    CUresult result = setFunction(changed, handle);
    if (result == CUDA_SUCCESS) {
        result = packParameters(*changed.function, parameters.kernelParams, parameters.extra, changed.parameters);
    }
    if (result == CUDA_SUCCESS) {
        result = checkLaunch(changed);
    }
    if (result == CUDA_SUCCESS) {
        call = std::move(changed);
    }
    return result;
}

bool usesUnloaded(const Node& node) { return node.kernel != nullptr && node.kernel->module->unloaded; }

}  // namespace

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
    Node* node = nodeOf(handle);
    if (node == nullptr || node->kernel == nullptr || parameters == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    KernelCall& call = *node->kernel;
    const Entry& entry = *call.function->entry;
    call.pointers.clear();
    for (std::uint32_t i = 0; i < entry.parameterCount; i++) {
        call.pointers.push_back(call.parameters.data() + entry.parameters[i].offset);
    }
    *parameters = {};
    parameters->func = reinterpret_cast<CUfunction>(call.function);
    parameters->gridDimX = call.grid.x;
    parameters->gridDimY = call.grid.y;
    parameters->gridDimZ = call.grid.z;
    parameters->blockDimX = call.block.x;
    parameters->blockDimY = call.block.y;
    parameters->blockDimZ = call.block.z;
    parameters->sharedMemBytes = call.dynamicShared;
    parameters->kernelParams = call.pointers.data();
    parameters->ctx = reinterpret_cast<CUcontext>(call.function->module->context);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuGraphInstantiateWithFlags(CUgraphExec* out, CUgraph handle, unsigned long long flags) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Graph* graph = graphOf(handle);
    if (graph == nullptr || out == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    constexpr unsigned long long known =
        CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD | CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY;
    if ((flags & ~known) != 0) {
        return flags == CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH ? CUDA_ERROR_NOT_SUPPORTED : CUDA_ERROR_INVALID_VALUE;
    }
    auto exec = std::make_shared<GraphExec>();
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
    if (std::any_of(exec->nodes.begin(), exec->nodes.end(), usesUnloaded)) {
        driver().report = "a graph launches a kernel of a module that was unloaded";
        return CUDA_ERROR_INVALID_HANDLE;
    }
    return enqueue(*stream, [nodes = exec->nodes] { return runAll(nodes); });
}

FUSOR_SIM_API cuGraphDestroy(CUgraph graph) {
    FUSOR_SIM_CALL
    return destroy(driver().graphs, graph) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

FUSOR_SIM_API cuGraphExecDestroy(CUgraphExec exec) {
    FUSOR_SIM_CALL
    return destroy(driver().execs, exec) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
