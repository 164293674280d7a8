// Launches: the limits of the hardware, checked in the call, and the run itself when the stream comes to it.
#include "../runtime/launch.h"

#include <algorithm>
#include <cstring>

#include "driver.h"

using namespace fusor::sim;

namespace {

std::uint64_t volume(const Dim& dim) { return static_cast<std::uint64_t>(dim.x) * dim.y * dim.z; }

// Devices whose memory a kernel may touch. Access to a pool opens its whole device here, which is more than it does in truth.
std::uint64_t peersOf(const Context& context) {
    std::uint64_t peers = 0;
    for (const int peer : context.peers) {
        peers |= 1ull << peer;
    }
    const auto add = [&](const Pool& pool) {
        if (pool.device != context.device && pool.access.count(context.device) == 1) {
            peers |= 1ull << pool.device;
        }
    };
    for (const auto& [key, pool] : driver().pools) {
        add(*pool);
    }
    for (const Device& device : driver().devices) {
        add(*device.standardPool);
    }
    return peers;
}

std::uintptr_t key(void** at) { return reinterpret_cast<std::uintptr_t>(*at); }

CUresult resultOf(FaultKind kind) {
    switch (kind) {
        case FaultKind::None: return CUDA_SUCCESS;
        case FaultKind::IllegalAddress:
        case FaultKind::Uninitialised: return CUDA_ERROR_ILLEGAL_ADDRESS;
        case FaultKind::MisalignedAddress: return CUDA_ERROR_MISALIGNED_ADDRESS;
        case FaultKind::Hang:
        case FaultKind::Deadlock: return CUDA_ERROR_LAUNCH_TIMEOUT;
        case FaultKind::Unsupported: return CUDA_ERROR_NOT_SUPPORTED;
        default: return CUDA_ERROR_LAUNCH_FAILED;
    }
}

CUresult launch(CUfunction handle, Dim grid, Dim block, Dim cluster, unsigned shared, bool cooperative, CUstream streamHandle, void** parameters,
                void** extra) {
    Stream* stream = streamOf(streamHandle);
    auto call = std::make_shared<KernelCall>();
    if (stream == nullptr || setFunction(*call, handle) != CUDA_SUCCESS) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (call->module->context != stream->context) {
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    const auto& required = call->function->entry->requiredCluster;
    if (cluster.x == 0) {
        cluster = required[0] > 0 ? Dim{required[0], required[1], required[2]} : Dim{1, 1, 1};
    }
    call->grid = grid;
    call->block = block;
    call->cluster = cluster;
    call->dynamicShared = shared;
    call->cooperative = cooperative;
    if (const CUresult result = checkLaunch(*call); result != CUDA_SUCCESS) {
        return result;
    }
    if (const CUresult result = packParameters(*call->function, parameters, extra, call->parameters); result != CUDA_SUCCESS) {
        return result;
    }
    return enqueueKernel(*stream, std::move(call));
}

}  // namespace

namespace fusor::sim {

CUresult packParameters(const Function& function, void** parameters, void** extra, std::vector<std::uint8_t>& packed) {
    const Entry& entry = *function.entry;
    packed.assign(std::max(entry.parameterBytes, 1u), 0);
    if (extra != nullptr) {
        const void* buffer = nullptr;
        std::size_t bytes = 0;
        for (void** at = extra; key(at) != kLaunchParameterEnd; at += 2) {
            if (key(at) == kLaunchParameterBuffer) {
                buffer = at[1];
            } else if (key(at) == kLaunchParameterBufferSize) {
                bytes = *static_cast<const std::size_t*>(at[1]);
            } else {
                return CUDA_ERROR_INVALID_VALUE;
            }
        }
        if (parameters != nullptr || buffer == nullptr || bytes < entry.parameterBytes) {
            return CUDA_ERROR_INVALID_VALUE;
        }
        std::memcpy(packed.data(), buffer, entry.parameterBytes);
        return CUDA_SUCCESS;
    }
    if (entry.parameterCount > 0 && parameters == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    for (std::uint32_t i = 0; i < entry.parameterCount; i++) {
        if (parameters[i] == nullptr) {
            return CUDA_ERROR_INVALID_VALUE;
        }
        std::memcpy(packed.data() + entry.parameters[i].offset, parameters[i], entry.parameters[i].size);
    }
    return CUDA_SUCCESS;
}

CUresult setFunction(KernelCall& call, CUfunction handle) {
    call.function = functionOf(handle);
    if (call.function == nullptr) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    call.module = call.function->module->shared_from_this();
    return CUDA_SUCCESS;
}

CUresult checkLaunch(const KernelCall& call) {
    const Function& function = *call.function;
    const Architecture& architecture = architectureOf(*function.module->context);
    const Entry& entry = *function.entry;
    const std::uint64_t threads = volume(call.block);
    if (volume(call.grid) == 0 || threads == 0 || call.grid.x > 2147483647u || call.grid.y > 65535 || call.grid.z > 65535 ||
        call.block.x > 1024 || call.block.y > 1024 || call.block.z > 64 || threads > kThreadsPerBlock) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    const auto& required = entry.requiredThreads;
    if (required[0] > 0 && (call.block.x != required[0] || call.block.y != required[1] || call.block.z != required[2])) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (entry.maximumThreads > 0 && threads > entry.maximumThreads) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (call.dynamicShared > static_cast<std::uint32_t>(function.settings.mostDynamicShared)) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    const int resident = blocksPerMultiprocessor(function, architecture, static_cast<std::uint32_t>(threads), call.dynamicShared);
    if (resident == 0) {
        return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
    }
    if (call.cooperative && volume(call.grid) > static_cast<std::uint64_t>(resident) * architecture.multiprocessors) {
        return CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE;
    }
    const std::uint64_t cluster = volume(call.cluster);
    if (cluster != 1) {
        if (architecture.major < 9) {
            return CUDA_ERROR_NOT_SUPPORTED;
        }
        if (cluster == 0 || cluster > static_cast<std::uint64_t>(function.settings.nonPortableCluster ? kLargestCluster : kPortableCluster)) {
            return CUDA_ERROR_INVALID_CLUSTER_SIZE;
        }
        if (call.grid.x % call.cluster.x != 0 || call.grid.y % call.cluster.y != 0 || call.grid.z % call.cluster.z != 0) {
            return CUDA_ERROR_INVALID_VALUE;
        }
        if (entry.requiredCluster[0] > 0 && (call.cluster.x != entry.requiredCluster[0] || call.cluster.y != entry.requiredCluster[1] ||
                                             call.cluster.z != entry.requiredCluster[2])) {
            return CUDA_ERROR_INVALID_CLUSTER_SIZE;
        }
    }
    return CUDA_SUCCESS;
}

CUresult execute(const KernelCall& call) {
    const Function& function = *call.function;
    const Context& context = *function.module->context;
    if (call.module->unloaded) {
        driver().report = std::string("the module of ") + function.entry->name + " was unloaded before its launch ran";
        return CUDA_ERROR_LAUNCH_FAILED;
    }
    Launch launch{};
    launch.module = function.module->code->module;
    launch.entry = function.entry;
    launch.parameters = call.parameters.data();
    launch.variables = function.module->variables.data();
    launch.grid = call.grid;
    launch.block = call.block;
    launch.cluster = call.cluster;
    launch.dynamicSharedBytes = call.dynamicShared;
    launch.cooperative = call.cooperative;
    launch.device = context.device;
    launch.peers = peersOf(context);
    Schedule schedule = driver().schedule;
    schedule.seed = driver().random() | 1;
    const Fault fault = run(launch, schedule);
    if (fault.kind != FaultKind::None) {
        driver().report = fault.report;
    }
    return resultOf(fault.kind);
}

}  // namespace fusor::sim

FUSOR_SIM_API cuLaunchKernel(CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by,
                             unsigned int bz, unsigned int shared, CUstream stream, void** parameters, void** extra) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return launch(function, {gx, gy, gz}, {bx, by, bz}, {}, shared, false, stream, parameters, extra);
}

FUSOR_SIM_API cuLaunchCooperativeKernel(CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx,
                                        unsigned int by, unsigned int bz, unsigned int shared, CUstream stream, void** parameters) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return launch(function, {gx, gy, gz}, {bx, by, bz}, {}, shared, true, stream, parameters, nullptr);
}

FUSOR_SIM_API cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction function, void** parameters, void** extra) {
    FUSOR_SIM_CALL_IN_CONTEXT
    if (config == nullptr || (config->numAttrs > 0 && config->attrs == nullptr)) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    Dim cluster{};
    bool cooperative = false;
    for (unsigned i = 0; i < config->numAttrs; i++) {
        const CUlaunchAttributeValue& value = config->attrs[i].value;
        switch (config->attrs[i].id) {
            case CU_LAUNCH_ATTRIBUTE_IGNORE:
            case CU_LAUNCH_ATTRIBUTE_PRIORITY:
            case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
            case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW: break;
            case CU_LAUNCH_ATTRIBUTE_COOPERATIVE: cooperative = value.cooperative != 0; break;
            case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
                cluster = {value.clusterDim.x, value.clusterDim.y, value.clusterDim.z};
                if (volume(cluster) == 0) {
                    return CUDA_ERROR_INVALID_VALUE;
                }
                break;
            default:
                driver().report = "the simulated driver knows no launch attribute " + std::to_string(config->attrs[i].id);
                return CUDA_ERROR_NOT_SUPPORTED;
        }
    }
    return launch(function, {config->gridDimX, config->gridDimY, config->gridDimZ}, {config->blockDimX, config->blockDimY, config->blockDimZ},
                  cluster, config->sharedMemBytes, cooperative, config->hStream, parameters, extra);
}
