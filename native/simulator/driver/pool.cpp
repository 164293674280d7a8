// Stream-ordered memory: pools, what they hold, and allocations that are there when a stream comes to them.
#include <algorithm>

#include "driver.h"

using namespace fusor::sim;

namespace {

// The address is known at once; the memory is there when the stream comes to it, and not before.
CUresult allocateInStream(CUdeviceptr* out, std::size_t bytes, Pool* pool, Stream* stream) {
    if (stream == nullptr || pool == nullptr) {
        return stream == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    if (out == nullptr || bytes == 0) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (stream->capture != nullptr) {
        return refuseInCapture(*stream, "an allocation");
    }
    const bool fits = pool->most == 0 || pool->used + bytes <= pool->most;
    const std::uint64_t at = fits ? memory::allocate(bytes, Kind::Device, pool->device) : 0;
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

}  // namespace

namespace fusor::sim {

Pool* poolOf(CUmemoryPool handle) {
    for (Device& device : driver().devices) {
        if (reinterpret_cast<CUmemoryPool>(device.standardPool.get()) == handle) {
            return device.standardPool.get();
        }
    }
    auto found = driver().pools.find(handle);
    return found == driver().pools.end() ? nullptr : found->second.get();
}

}  // namespace fusor::sim

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
    auto found = driver().allocations.find(at);
    if (stream == nullptr || found == driver().allocations.end() || found->second.freeing) {
        return stream == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    if (stream->capture != nullptr) {
        return refuseInCapture(*stream, "the end of an allocation");
    }
    const CUresult result = enqueue(*stream, [at] { return releaseDevice(at); }, true);
    found->second.freeing = result == CUDA_SUCCESS;
    return result;
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
    if (properties->handleTypes != CU_MEM_HANDLE_TYPE_NONE) {
        return CUDA_ERROR_NOT_SUPPORTED;
    }
    auto pool = std::make_shared<Pool>();
    pool->what = "memory pool";
    pool->call = currentCall();
    pool->device = properties->location.id;
    pool->most = properties->maxSize;
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
    destroy(driver().pools, pool);
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
