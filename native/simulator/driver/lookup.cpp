// Functions by name, and the driver's log, which is empty: what went wrong in a kernel is in fusor_sim_report.
#include <dlfcn.h>

#include <string>

#include "driver.h"

using namespace fusor::sim;

namespace {

// Functions that have several versions here, and the CUDA version since which each is the one that its plain name stands for.
struct Version {
    const char* name;
    const char* symbol;
    int since;
};

constexpr Version kVersions[] = {
    {"cuCtxCreate", "cuCtxCreate_v2", 3020},         {"cuCtxCreate", "cuCtxCreate_v4", 12050},
    {"cuDeviceGetUuid", "cuDeviceGetUuid", 9020},    {"cuDeviceGetUuid", "cuDeviceGetUuid_v2", 11040},
    {"cuEventElapsedTime", "cuEventElapsedTime", 2000}, {"cuEventElapsedTime", "cuEventElapsedTime_v2", 12080},
};

// This library may have been loaded outside the global scope, so it looks in itself.
void* symbolHere(const std::string& symbol) {
    static void* const self = [] {
        Dl_info info{};
        return dladdr(reinterpret_cast<const void*>(&driver), &info) == 0 ? nullptr : dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    }();
    return self == nullptr ? nullptr : dlsym(self, symbol.c_str());
}

void* find(const std::string& name, int version, bool& tooOld) {
    const char* chosen = nullptr;
    bool listed = false;
    for (const Version& each : kVersions) {
        if (name == each.name) {
            listed = true;
            chosen = each.since <= version ? each.symbol : chosen;
        }
    }
    tooOld = listed && chosen == nullptr;
    if (listed) {
        return tooOld ? nullptr : symbolHere(chosen);
    }
    for (const char* suffix : {"_v4", "_v3", "_v2", ""}) {
        if (void* found = symbolHere(name + suffix); found != nullptr) {
            return found;
        }
    }
    return nullptr;
}

}  // namespace

FUSOR_SIM_API cuGetProcAddress_v2(const char* symbol, void** function, int version, cuuint64_t, CUdriverProcAddressQueryResult* status) {
    FUSOR_SIM_CALL_THAT(Needs::Nothing)
    if (symbol == nullptr || function == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    bool tooOld = false;
    *function = find(symbol, version, tooOld);
    if (status != nullptr) {
        *status = *function != nullptr ? CU_GET_PROC_ADDRESS_SUCCESS
                  : tooOld             ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT
                                       : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    }
    return *function == nullptr ? CUDA_ERROR_NOT_FOUND : CUDA_SUCCESS;
}

FUSOR_SIM_API cuLogsRegisterCallback(CUlogsCallback callback, void*, CUlogsCallbackHandle* handle) {
    FUSOR_SIM_CALL
    if (callback == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (handle != nullptr) {
        *handle = nullptr;
    }
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuLogsCurrent(CUlogIterator* iterator, unsigned int) {
    FUSOR_SIM_CALL
    if (iterator == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *iterator = 0;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuLogsDumpToMemory(CUlogIterator*, char* buffer, std::size_t* size, unsigned int) {
    FUSOR_SIM_CALL
    if (buffer == nullptr || size == nullptr || *size == 0) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *buffer = '\0';
    *size = 0;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuProfilerStart(void) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuProfilerStop(void) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return CUDA_SUCCESS;
}
