// Device memory, page-locked and registered host memory, stream-ordered pools, and what pointers can be asked.
#include <algorithm>

#include "driver.h"

using namespace fusor::sim;

namespace {

std::uint64_t address(const void* host) { return reinterpret_cast<std::uint64_t>(host); }

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

Pool* poolOf(CUmemoryPool handle) {
    for (Device& device : driver().devices) {
        if (reinterpret_cast<CUmemoryPool>(device.standardPool.get()) == handle) {
            return device.standardPool.get();
        }
    }
    auto found = driver().pools.find(handle);
    return found == driver().pools.end() ? nullptr : found->second.get();
}

bool isDevice(CUdevice device) { return device >= 0 && device < static_cast<int>(driver().devices.size()); }

// The address is known at once; the memory is there when the stream comes to it, and not before.
CUresult allocateInStream(CUdeviceptr* out, std::size_t bytes, Pool* pool, Stream* stream) {
    if (stream == nullptr || pool == nullptr) {
        return stream == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    if (out == nullptr || bytes == 0) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    const std::uint64_t at = memory::allocate(bytes, Kind::Device, pool->device);
    if (at == 0) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    memory::hide(at);
    const CUresult result = enqueue(*stream, [at] {
        memory::show(at);
        return CUDA_SUCCESS;
    });
    if (result != CUDA_SUCCESS) {
        memory::release(at);
        return result;
    }
    pool->used += bytes;
    pool->usedHigh = std::max(pool->usedHigh, pool->used);
    pool->reserved = std::max(pool->reserved, pool->used);
    pool->reservedHigh = std::max(pool->reservedHigh, pool->reserved);
    driver().allocations[at] = {stream->context, pool, currentCall()};
    *out = at;
    return CUDA_SUCCESS;
}

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
    if (found == driver().allocations.end()) {
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
    driver().hosts[at] = {flags, false, currentCall()};
    *out = reinterpret_cast<void*>(at);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuMemFreeHost(void* host) {
    FUSOR_SIM_CALL_IN_CONTEXT
    auto found = driver().hosts.find(address(host));
    if (found == driver().hosts.end() || found->second.registered) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    const CUresult result = drainContext(*currentContext());
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
    driver().hosts[address(host)] = {flags, true, currentCall()};
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuMemHostUnregister(void* host) {
    FUSOR_SIM_CALL_IN_CONTEXT
    auto found = driver().hosts.find(address(host));
    if (found == driver().hosts.end() || !found->second.registered) {
        return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
    }
    const CUresult result = drainContext(*currentContext());
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

FUSOR_SIM_API cuMemAllocAsync(CUdeviceptr* out, std::size_t bytes, CUstream stream) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return allocateInStream(out, bytes, driver().devices[currentContext()->device].pool, streamOf(stream));
}

FUSOR_SIM_API cuMemAllocFromPoolAsync(CUdeviceptr* out, std::size_t bytes, CUmemoryPool pool, CUstream stream) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return allocateInStream(out, bytes, poolOf(pool), streamOf(stream));
}

FUSOR_SIM_API cuMemFreeAsync(CUdeviceptr at, CUstream handle) {
    FUSOR_SIM_CALL_IN_CONTEXT
    Stream* stream = streamOf(handle);
    if (stream == nullptr || driver().allocations.count(at) == 0) {
        return stream == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    return enqueue(*stream, [at] { return releaseDevice(at); });
}

FUSOR_SIM_API cuDeviceGetDefaultMemPool(CUmemoryPool* pool, CUdevice device) {
    FUSOR_SIM_CALL
    if (!isDevice(device) || pool == nullptr) {
        return pool == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_DEVICE;
    }
    *pool = reinterpret_cast<CUmemoryPool>(driver().devices[device].standardPool.get());
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuDeviceGetMemPool(CUmemoryPool* pool, CUdevice device) {
    FUSOR_SIM_CALL
    if (!isDevice(device) || pool == nullptr) {
        return pool == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_DEVICE;
    }
    *pool = reinterpret_cast<CUmemoryPool>(driver().devices[device].pool);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuDeviceSetMemPool(CUdevice device, CUmemoryPool handle) {
    FUSOR_SIM_CALL
    Pool* pool = poolOf(handle);
    if (!isDevice(device) || pool == nullptr || pool->device != device) {
        return isDevice(device) ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_DEVICE;
    }
    driver().devices[device].pool = pool;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuMemPoolCreate(CUmemoryPool* out, const CUmemPoolProps* properties) {
    FUSOR_SIM_CALL
    if (out == nullptr || properties == nullptr || properties->allocType != CU_MEM_ALLOCATION_TYPE_PINNED ||
        properties->location.type != CU_MEM_LOCATION_TYPE_DEVICE || !isDevice(properties->location.id)) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    auto pool = std::make_unique<Pool>();
    pool->what = "memory pool";
    pool->call = currentCall();
    pool->device = properties->location.id;
    pool->access = {pool->device};
    *out = reinterpret_cast<CUmemoryPool>(pool.get());
    driver().pools[pool.get()] = std::move(pool);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuMemPoolDestroy(CUmemoryPool handle) {
    FUSOR_SIM_CALL
    Pool* pool = poolOf(handle);
    if (pool == nullptr || pool->standard) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    for (auto& [at, allocation] : driver().allocations) {
        if (allocation.pool == pool) {
            allocation.pool = nullptr;  // it lives on until it is freed
        }
    }
    Device& device = driver().devices[pool->device];
    if (device.pool == pool) {
        device.pool = device.standardPool.get();
    }
    driver().pools.erase(pool);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuMemPoolTrimTo(CUmemoryPool handle, std::size_t bytes) {
    FUSOR_SIM_CALL
    Pool* pool = poolOf(handle);
    if (pool == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    pool->reserved = std::max<std::uint64_t>(pool->used, std::min<std::uint64_t>(pool->reserved, bytes));
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuMemPoolGetAttribute(CUmemoryPool handle, CUmemPool_attribute attribute, void* value) {
    FUSOR_SIM_CALL
    const Pool* pool = poolOf(handle);
    if (pool == nullptr || value == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    cuuint64_t& wide = *static_cast<cuuint64_t*>(value);
    switch (attribute) {
        case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
        case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
        case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
            *static_cast<int*>(value) = pool->reuse[attribute - CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES];
            return CUDA_SUCCESS;
        case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: wide = pool->releaseThreshold; return CUDA_SUCCESS;
        case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT: wide = pool->reserved; return CUDA_SUCCESS;
        case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH: wide = pool->reservedHigh; return CUDA_SUCCESS;
        case CU_MEMPOOL_ATTR_USED_MEM_CURRENT: wide = pool->used; return CUDA_SUCCESS;
        case CU_MEMPOOL_ATTR_USED_MEM_HIGH: wide = pool->usedHigh; return CUDA_SUCCESS;
        default: return CUDA_ERROR_INVALID_VALUE;
    }
}

FUSOR_SIM_API cuMemPoolSetAttribute(CUmemoryPool handle, CUmemPool_attribute attribute, void* value) {
    FUSOR_SIM_CALL
    Pool* pool = poolOf(handle);
    if (pool == nullptr || value == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    switch (attribute) {
        case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
        case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
        case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
            pool->reuse[attribute - CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES] = *static_cast<int*>(value);
            return CUDA_SUCCESS;
        case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: pool->releaseThreshold = *static_cast<cuuint64_t*>(value); return CUDA_SUCCESS;
        // The high marks can be set back to what they mark, by writing zero.
        case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH: pool->reservedHigh = pool->reserved; break;
        case CU_MEMPOOL_ATTR_USED_MEM_HIGH: pool->usedHigh = pool->used; break;
        default: return CUDA_ERROR_INVALID_VALUE;
    }
    return *static_cast<cuuint64_t*>(value) == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

FUSOR_SIM_API cuMemPoolSetAccess(CUmemoryPool handle, const CUmemAccessDesc* descriptions, std::size_t count) {
    FUSOR_SIM_CALL
    Pool* pool = poolOf(handle);
    if (pool == nullptr || (descriptions == nullptr && count > 0)) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    for (std::size_t i = 0; i < count; i++) {
        const CUmemAccessDesc& description = descriptions[i];
        if (description.location.type != CU_MEM_LOCATION_TYPE_DEVICE || !isDevice(description.location.id)) {
            return CUDA_ERROR_INVALID_VALUE;
        }
        if (description.flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE) {
            pool->access.insert(description.location.id);
        } else if (description.location.id == pool->device) {
            return CUDA_ERROR_INVALID_VALUE;  // a device always reaches its own pools
        } else {
            pool->access.erase(description.location.id);
        }
    }
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
