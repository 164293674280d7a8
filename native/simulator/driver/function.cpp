// Functions: what they take of a multiprocessor, and what can be set for them.
#include <algorithm>
#include <cstdlib>

#include "driver.h"

using namespace fusor::sim;

namespace {

int mostThreads(const Entry& entry, const Resources& resources) {
    int most = entry.maximumThreads > 0 ? std::min(static_cast<int>(entry.maximumThreads), kThreadsPerBlock) : kThreadsPerBlock;
    if (resources.registers > 0) {
        const int perWarp = static_cast<int>((resources.registers * 32 + kRegisterUnit - 1) / kRegisterUnit) * kRegisterUnit;
        most = std::min(most, kRegistersPerMultiprocessor / perWarp / 4 * 4 * 32);
    }
    return most;
}

int constantBytes(const Module& module) {
    std::uint64_t bytes = 0;
    for (std::uint32_t i = 0; i < module.variableCount; i++) {
        bytes += module.variables[i].constant ? module.variables[i].size : 0;
    }
    return static_cast<int>(bytes);
}

}  // namespace

namespace fusor::sim {

Resources resourcesOf(const Code& code, const Entry& entry) {
    auto found = code.resources.find(entry.name);
    return found == code.resources.end() ? Resources{0, entry.localBytes, entry.sharedBytes} : found->second;
}

// Without being asked for more, static and dynamic shared memory share the 48 KiB that every architecture has.
FunctionSettings initialSettings(const Entry& entry) {
    FunctionSettings settings;
    settings.mostDynamicShared = std::max(0, kSharedPerBlock - static_cast<int>(entry.sharedBytes));
    return settings;
}

int attributeOf(const Code& code, const Entry& entry, const FunctionSettings& settings, const Architecture& architecture,
                CUfunction_attribute attribute) {
    const Resources resources = resourcesOf(code, entry);
    switch (attribute) {
        case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: return mostThreads(entry, resources);
        case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: return static_cast<int>(entry.sharedBytes);
        case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES: return constantBytes(*code.module);
        case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES: return static_cast<int>(resources.stackBytes);
        case CU_FUNC_ATTRIBUTE_NUM_REGS: return static_cast<int>(resources.registers);
        case CU_FUNC_ATTRIBUTE_PTX_VERSION: {
            const std::string_view target = code.module->target;
            return std::atoi(target.data() + target.find_first_of("0123456789"));
        }
        case CU_FUNC_ATTRIBUTE_BINARY_VERSION: return 10 * architecture.major + architecture.minor;
        case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: return settings.mostDynamicShared;
        case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT: return settings.sharedCarveout;
        case CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET: return 0;
        case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH: return static_cast<int>(entry.requiredCluster[0]);
        case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT: return static_cast<int>(entry.requiredCluster[1]);
        case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH: return static_cast<int>(entry.requiredCluster[2]);
        case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED: return settings.nonPortableCluster;
        default: return 0;
    }
}

CUresult setAttribute(const Entry& entry, FunctionSettings& settings, const Architecture& architecture, CUfunction_attribute attribute, int value) {
    switch (attribute) {
        case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
            if (value < 0 || value > architecture.sharedPerBlockOptIn - static_cast<int>(entry.sharedBytes)) {
                return CUDA_ERROR_INVALID_VALUE;
            }
            settings.mostDynamicShared = value;
            return CUDA_SUCCESS;
        case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
            if (value < -1 || value > 100) {
                return CUDA_ERROR_INVALID_VALUE;
            }
            settings.sharedCarveout = value;
            return CUDA_SUCCESS;
        case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED: settings.nonPortableCluster = value != 0; return CUDA_SUCCESS;
        default: return CUDA_ERROR_INVALID_VALUE;
    }
}

Function* functionOf(CUfunction handle) {
    if (driver().functions.count(handle) == 1) {
        return reinterpret_cast<Function*>(handle);
    }
    auto kernel = driver().kernels.find(handle);
    CUresult result = CUDA_SUCCESS;
    return kernel == driver().kernels.end() ? nullptr : functionOf(*kernel->second, *currentContext(), result);
}

}  // namespace fusor::sim

FUSOR_SIM_API cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction handle) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Function* function = functionOf(handle);
    if (function == nullptr || value == nullptr || attribute < 0 || attribute >= CU_FUNC_ATTRIBUTE_MAX) {
        return function == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    *value = attributeOf(*function->module->code, *function->entry, function->settings, architectureOf(*function->module->context), attribute);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuFuncSetAttribute(CUfunction handle, CUfunction_attribute attribute, int value) {
    FUSOR_SIM_CALL_IN_CONTEXT
    Function* function = functionOf(handle);
    if (function == nullptr) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    return setAttribute(*function->entry, function->settings, architectureOf(*function->module->context), attribute, value);
}

FUSOR_SIM_API cuFuncGetModule(CUmodule* out, CUfunction handle) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Function* function = functionOf(handle);
    if (function == nullptr || out == nullptr) {
        return function == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    *out = reinterpret_cast<CUmodule>(function->module);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuFuncGetParamInfo(CUfunction handle, std::size_t index, std::size_t* offset, std::size_t* size) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Function* function = functionOf(handle);
    if (function == nullptr) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (index >= function->entry->parameterCount || offset == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *offset = function->entry->parameters[index].offset;
    if (size != nullptr) {
        *size = function->entry->parameters[index].size;
    }
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuFuncLoad(CUfunction handle) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return functionOf(handle) == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS;
}
