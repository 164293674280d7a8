// How many blocks a multiprocessor holds, by the rules of the programming guide: threads, blocks, registers, shared memory.
#include <algorithm>

#include "driver.h"

using namespace fusor::sim;

namespace {

constexpr std::uint64_t kSharedUnit = 128;

std::uint64_t roundUp(std::uint64_t value, std::uint64_t unit) { return (value + unit - 1) / unit * unit; }

std::uint64_t volume(unsigned x, unsigned y, unsigned z) { return static_cast<std::uint64_t>(x) * y * z; }

CUresult clusters(const Function& function, const CUlaunchConfig& config, std::uint64_t size, int& count) {
    const Architecture& architecture = architectureOf(*function.module->context);
    const auto threads = static_cast<std::uint32_t>(volume(config.blockDimX, config.blockDimY, config.blockDimZ));
    if (architecture.major < 9 || size == 0) {
        return architecture.major < 9 ? CUDA_ERROR_NOT_SUPPORTED : CUDA_ERROR_INVALID_CLUSTER_SIZE;
    }
    const int resident = blocksPerMultiprocessor(function, architecture, threads, config.sharedMemBytes);
    count = static_cast<int>(static_cast<std::uint64_t>(resident) * architecture.multiprocessors / size);
    return CUDA_SUCCESS;
}

}  // namespace

namespace fusor::sim {

int blocksPerMultiprocessor(const Function& function, const Architecture& architecture, std::uint32_t threads, std::uint64_t dynamicShared) {
    if (threads == 0 || threads > kThreadsPerBlock) {
        return 0;
    }
    const std::uint64_t warps = (threads + 31) / 32;
    std::uint64_t blocks = std::min<std::uint64_t>(architecture.blocksPerMultiprocessor, architecture.threadsPerMultiprocessor / 32 / warps);
    if (function.resources.registers > 0) {
        // A multiprocessor has four parts with a quarter of the registers each, and a warp lives in one of them.
        const std::uint64_t perWarp = roundUp(function.resources.registers * 32, kRegisterUnit);
        blocks = std::min(blocks, kRegistersPerMultiprocessor / 4 / perWarp * 4 / warps);
    }
    const std::uint64_t shared = roundUp(function.entry->sharedBytes + dynamicShared, kSharedUnit) + architecture.sharedReservedPerBlock;
    if (shared > 0) {
        blocks = std::min(blocks, architecture.sharedPerMultiprocessor / shared);
    }
    return static_cast<int>(blocks);
}

}  // namespace fusor::sim

FUSOR_SIM_API cuOccupancyMaxActiveBlocksPerMultiprocessor(int* count, CUfunction handle, int blockSize, std::size_t dynamicShared) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Function* function = functionOf(handle);
    if (function == nullptr || count == nullptr || blockSize <= 0) {
        return function == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    *count = blocksPerMultiprocessor(*function, architectureOf(*function->module->context), static_cast<std::uint32_t>(blockSize), dynamicShared);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuOccupancyMaxPotentialBlockSize(int* gridSize, int* blockSize, CUfunction handle, CUoccupancyB2DSize sharedOf,
                                               std::size_t dynamicShared, int limit) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Function* function = functionOf(handle);
    if (function == nullptr || gridSize == nullptr || blockSize == nullptr) {
        return function == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    const Architecture& architecture = architectureOf(*function->module->context);
    const int most = limit > 0 ? std::min(limit, kThreadsPerBlock) : kThreadsPerBlock;
    int best = 0;
    *blockSize = 0;
    *gridSize = 0;
    for (int size = most / 32 * 32; size > 0; size -= 32) {
        const std::size_t shared = sharedOf != nullptr ? sharedOf(size) : dynamicShared;
        const int resident = blocksPerMultiprocessor(*function, architecture, static_cast<std::uint32_t>(size), shared);
        if (resident * size > best) {
            best = resident * size;
            *blockSize = size;
            *gridSize = resident * architecture.multiprocessors;
        }
    }
    return best > 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

FUSOR_SIM_API cuOccupancyAvailableDynamicSMemPerBlock(std::size_t* bytes, CUfunction handle, int blocks, int blockSize) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Function* function = functionOf(handle);
    if (function == nullptr || bytes == nullptr || blocks <= 0 || blockSize <= 0) {
        return function == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    const Architecture& architecture = architectureOf(*function->module->context);
    if (blocksPerMultiprocessor(*function, architecture, static_cast<std::uint32_t>(blockSize), 0) < blocks) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    const std::int64_t each = architecture.sharedPerMultiprocessor / blocks / static_cast<int>(kSharedUnit) * static_cast<int>(kSharedUnit) -
                              architecture.sharedReservedPerBlock - static_cast<int>(roundUp(function->entry->sharedBytes, kSharedUnit));
    *bytes = static_cast<std::size_t>(std::clamp<std::int64_t>(each, 0, architecture.sharedPerBlockOptIn - function->entry->sharedBytes));
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuOccupancyMaxActiveClusters(int* count, CUfunction handle, const CUlaunchConfig* config) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Function* function = functionOf(handle);
    if (function == nullptr || count == nullptr || config == nullptr) {
        return function == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    std::uint64_t size = std::max(1u, function->entry->requiredCluster[0]);
    for (unsigned i = 0; i < config->numAttrs; i++) {
        if (config->attrs[i].id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION) {
            const auto& dim = config->attrs[i].value.clusterDim;
            size = volume(dim.x, dim.y, dim.z);
        }
    }
    return clusters(*function, *config, size, *count);
}

FUSOR_SIM_API cuOccupancyMaxPotentialClusterSize(int* size, CUfunction handle, const CUlaunchConfig* config) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Function* function = functionOf(handle);
    if (function == nullptr || size == nullptr || config == nullptr) {
        return function == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    for (int candidate = function->settings.nonPortableCluster ? kLargestCluster : kPortableCluster; candidate > 0; candidate /= 2) {
        int count = 0;
        if (const CUresult result = clusters(*function, *config, static_cast<std::uint64_t>(candidate), count); result != CUDA_SUCCESS) {
            return result;
        }
        if (count > 0) {
            *size = candidate;
            return CUDA_SUCCESS;
        }
    }
    return CUDA_ERROR_INVALID_VALUE;
}
