// Device memory, page-locked and registered host memory, and what pointers can be asked.
#include <algorithm>

#include "driver.h"

using namespace fusor::sim;

namespace {

std::uint64_t address(const void* host) { return reinterpret_cast<std::uint64_t>(host); }

CUresult attributeOf(void* data, CUpointer_attribute attribute, CUdeviceptr at) {
    Allocation found;
    if (!memory::find(at, found)) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    const bool device = found.kind == Kind::Device || found.kind == Kind::Variable;
    auto owner = driver().allocations.find(found.address);
    switch (attribute) {
        case CU_POINTER_ATTRIBUTE_CONTEXT:
            *static_cast<CUcontext*>(data) = reinterpret_cast<CUcontext>(owner == driver().allocations.end() ? nullptr : owner->second.context);
            return CUDA_SUCCESS;
        case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
            *static_cast<unsigned*>(data) = device ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
            return CUDA_SUCCESS;
        case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
            *static_cast<CUdeviceptr*>(data) = at;
            return CUDA_SUCCESS;
        case CU_POINTER_ATTRIBUTE_HOST_POINTER:
            *static_cast<void**>(data) = reinterpret_cast<void*>(at);
            return device ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
        case CU_POINTER_ATTRIBUTE_BUFFER_ID:
            *static_cast<unsigned long long*>(data) = found.serial;
            return CUDA_SUCCESS;
        case CU_POINTER_ATTRIBUTE_IS_MANAGED:
            *static_cast<unsigned*>(data) = 0;
            return CUDA_SUCCESS;
        case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
            *static_cast<int*>(data) = found.device;
            return CUDA_SUCCESS;
        case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
            *static_cast<CUdeviceptr*>(data) = found.address;
            return CUDA_SUCCESS;
        case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
            *static_cast<std::size_t*>(data) = found.bytes;
            return CUDA_SUCCESS;
        case CU_POINTER_ATTRIBUTE_MAPPED:
            *static_cast<unsigned*>(data) = 1;
            return CUDA_SUCCESS;
        case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
            *static_cast<CUmemoryPool*>(data) = reinterpret_cast<CUmemoryPool>(owner == driver().allocations.end() ? nullptr : owner->second.pool);
            return CUDA_SUCCESS;
        default: return CUDA_ERROR_NOT_SUPPORTED;
    }
}

}  // namespace

namespace fusor::sim {

CUresult releaseDevice(std::uint64_t at) {
    auto found = driver().allocations.find(at);
    if (found == driver().allocations.end()) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (Pool* pool = found->second.pool) {
        Allocation allocation;
        memory::find(at, allocation);
        pool->used -= allocation.bytes;
        pool->reserved = std::max(pool->used, std::min(pool->reserved, pool->releaseThreshold));
    }
    memory::release(at);
    driver().allocations.erase(found);
    return CUDA_SUCCESS;
}

bool isPageable(std::uint64_t at) {
    Allocation found;
    return !shadow::covers(at) && !memory::find(at, found);
}

}  // namespace fusor::sim

FUSOR_SIM_API cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
    FUSOR_SIM_CALL_IN_CONTEXT
    if (free == nullptr || total == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *total = memory::capacity();
    *free = *total - std::min<std::uint64_t>(*total, memory::used(currentContext()->device));
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuMemAlloc_v2(CUdeviceptr* out, std::size_t bytes) {
    FUSOR_SIM_CALL_IN_CONTEXT
    if (const CUresult refused = refusedByCapture(); refused != CUDA_SUCCESS) {
        return refused;
    }
    if (out == nullptr || bytes == 0) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    const std::uint64_t at = memory::allocate(bytes, Kind::Device, currentContext()->device);
    if (at == 0) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    driver().allocations[at] = {currentContext(), nullptr, currentCall()};
    *out = at;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuMemFree_v2(CUdeviceptr at) {
    FUSOR_SIM_CALL_IN_CONTEXT
    if (at == 0) {
        return CUDA_SUCCESS;
    }
    if (const CUresult refused = refusedByCapture(); refused != CUDA_SUCCESS) {
        return refused;
    }
    auto found = driver().allocations.find(at);
    if (found == driver().allocations.end() || found->second.freeing) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    // The driver waits for whatever may still use it.
    const CUresult result = drainContext(*found->second.context);
    releaseDevice(at);
    return result;
}

FUSOR_SIM_API cuMemGetAddressRange_v2(CUdeviceptr* base, std::size_t* bytes, CUdeviceptr at) {
    FUSOR_SIM_CALL_IN_CONTEXT
    Allocation found;
    if (!memory::find(at, found) || found.kind == Kind::Registered) {
        return CUDA_ERROR_NOT_FOUND;
    }
    if (base != nullptr) {
        *base = found.address;
    }
    if (bytes != nullptr) {
        *bytes = found.bytes;
    }
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuMemHostAlloc(void** out, std::size_t bytes, unsigned int flags) {
    FUSOR_SIM_CALL_IN_CONTEXT
    if (out == nullptr || bytes == 0 || (flags & ~7u) != 0) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    const std::uint64_t at = memory::allocate(bytes, Kind::Pinned, 0);
    if (at == 0) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    memory::markWritten(at, bytes);  // the host writes it unseen
    driver().hosts[at] = {currentContext(), flags, false, currentCall()};
    *out = reinterpret_cast<void*>(at);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuMemFreeHost(void* host) {
    FUSOR_SIM_CALL_IN_CONTEXT
    auto found = driver().hosts.find(address(host));
    if (found == driver().hosts.end() || found->second.registered) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    const CUresult result = drainContext(*found->second.context);
    memory::release(address(host));
    driver().hosts.erase(found);
    return result;
}

FUSOR_SIM_API cuMemHostRegister_v2(void* host, std::size_t bytes, unsigned int flags) {
    FUSOR_SIM_CALL_IN_CONTEXT
    if (host == nullptr || bytes == 0 || (flags & ~15u) != 0) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (!isPageable(address(host)) || !memory::enroll(host, bytes)) {
        return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
    }
    driver().hosts[address(host)] = {currentContext(), flags, true, currentCall()};
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuMemHostUnregister(void* host) {
    FUSOR_SIM_CALL_IN_CONTEXT
    auto found = driver().hosts.find(address(host));
    if (found == driver().hosts.end() || !found->second.registered) {
        return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
    }
    const CUresult result = drainContext(*found->second.context);
    memory::withdraw(host);
    driver().hosts.erase(found);
    return result;
}

FUSOR_SIM_API cuMemHostGetDevicePointer_v2(CUdeviceptr* out, void* host, unsigned int flags) {
    FUSOR_SIM_CALL_IN_CONTEXT
    if (out == nullptr || flags != 0 || isPageable(address(host))) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *out = address(host);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuMemHostGetFlags(unsigned int* flags, void* host) {
    FUSOR_SIM_CALL_IN_CONTEXT
    auto found = driver().hosts.find(address(host));
    if (flags == nullptr || found == driver().hosts.end()) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *flags = found->second.flags;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuPointerGetAttribute(void* data, CUpointer_attribute attribute, CUdeviceptr at) {
    FUSOR_SIM_CALL
    return data == nullptr ? CUDA_ERROR_INVALID_VALUE : attributeOf(data, attribute, at);
}

FUSOR_SIM_API cuPointerGetAttributes(unsigned int count, CUpointer_attribute* attributes, void** data, CUdeviceptr at) {
    FUSOR_SIM_CALL
    if (attributes == nullptr || data == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    for (unsigned i = 0; i < count; i++) {
        // Of a pointer that CUDA does not know this function gives zeros, and no error.
        Allocation found;
        if (memory::find(at, found)) {
            if (const CUresult result = attributeOf(data[i], attributes[i], at); result == CUDA_ERROR_NOT_SUPPORTED) {
                return result;
            }
        } else if (attributes[i] == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL) {
            *static_cast<int*>(data[i]) = -2;
        } else if (attributes[i] == CU_POINTER_ATTRIBUTE_MEMORY_TYPE || attributes[i] == CU_POINTER_ATTRIBUTE_IS_MANAGED ||
                   attributes[i] == CU_POINTER_ATTRIBUTE_MAPPED) {
            *static_cast<unsigned*>(data[i]) = 0;
        } else {
            *static_cast<void**>(data[i]) = nullptr;
        }
    }
    return CUDA_SUCCESS;
}
