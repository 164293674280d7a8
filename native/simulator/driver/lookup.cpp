// Functions by name, and the driver's log, which is empty: what went wrong in a kernel is in fusor_sim_report.
#include <dlfcn.h>

#include <string>

#include "driver.h"

using namespace fusor::sim;

FUSOR_SIM_API cuGetProcAddress_v2(const char* symbol, void** function, int, cuuint64_t, CUdriverProcAddressQueryResult* status) {
    if (symbol == nullptr || function == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    // The newest version of a function has the highest number behind its name.
    for (const char* version : {"_v4", "_v3", "_v2", ""}) {
        *function = dlsym(RTLD_DEFAULT, (std::string(symbol) + version).c_str());
        if (*function != nullptr) {
            break;
        }
    }
    if (status != nullptr) {
        *status = *function == nullptr ? CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND : CU_GET_PROC_ADDRESS_SUCCESS;
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
