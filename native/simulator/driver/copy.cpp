// Copies and fills. Asynchronous ones take page-locked memory as it is when the stream comes to them; a copy from pageable memory is
// staged during the call, and one to pageable memory is complete when the call returns, as the driver documents.
#include <cstring>

#include "driver.h"

using namespace fusor::sim;

namespace {

std::uint64_t address(const void* host) { return reinterpret_cast<std::uint64_t>(host); }

CUresult perform(std::uint64_t destination, std::uint64_t source, std::uint64_t bytes) {
    const std::string wrong = memory::copy(destination, source, bytes);
    if (!wrong.empty()) {
        driver().report = "a copy: " + wrong;
        return CUDA_ERROR_ILLEGAL_ADDRESS;
    }
    return CUDA_SUCCESS;
}

// What is wrong with a range now, before anything is queued.
CUresult check(std::uint64_t at, std::uint64_t bytes) {
    if (isPageable(at)) {
        return at == 0 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
    }
    Allocation found;
    if (!memory::find(at, found) || at + bytes > found.address + found.bytes) {
        driver().report = "a copy of " + std::to_string(bytes) + " bytes does not lie in one allocation: " + memory::describe(at);
        return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

CUresult enqueueCopy(Stream& stream, std::uint64_t destination, std::uint64_t source, std::uint64_t bytes) {
    for (const std::uint64_t end : {destination, source}) {
        if (const CUresult result = check(end, bytes); result != CUDA_SUCCESS && bytes > 0) {
            return result;
        }
    }
    if (stream.capture != nullptr) {
        return enqueue(stream, [=] { return perform(destination, source, bytes); });  // reads what is there at each launch
    }
    std::function<CUresult()> copy = [=] { return perform(destination, source, bytes); };
    if (isPageable(source) && bytes > 0) {
        const auto* first = reinterpret_cast<const char*>(source);
        auto staged = std::make_shared<std::vector<char>>(first, first + bytes);
        copy = [=] { return perform(destination, address(staged->data()), bytes); };
    }
    const CUresult result = enqueue(stream, std::move(copy));
    return result == CUDA_SUCCESS && isPageable(destination) && bytes > 0 ? drain(stream) : result;
}

CUresult copyAsync(std::uint64_t destination, std::uint64_t source, std::uint64_t bytes, CUstream handle) {
    Stream* stream = streamOf(handle);
    return stream == nullptr ? CUDA_ERROR_INVALID_HANDLE : enqueueCopy(*stream, destination, source, bytes);
}

bool isDeviceMemory(std::uint64_t at) {
    Allocation found;
    return memory::find(at, found) && (found.kind == Kind::Device || found.kind == Kind::Variable);
}

// A synchronous copy goes through the default stream and waits for it, but not where the host has no part in it.
CUresult copyNow(std::uint64_t destination, std::uint64_t source, std::uint64_t bytes) {
    Stream& stream = *currentContext()->legacy;
    if (const CUresult refused = refusedByCaptureBeside(stream); refused != CUDA_SUCCESS) {
        return refused;
    }
    if (const CUresult refused = refusedByCapture(); refused != CUDA_SUCCESS) {
        return refused;
    }
    const CUresult result = enqueueCopy(stream, destination, source, bytes);
    return result != CUDA_SUCCESS || (isDeviceMemory(destination) && isDeviceMemory(source)) ? result : drain(stream);
}

CUresult fill(CUdeviceptr destination, std::uint64_t value, std::uint32_t width, std::size_t count, Stream* stream) {
    if (stream == nullptr) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (destination % width != 0 || isPageable(destination)) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (const CUresult result = check(destination, width * count); result != CUDA_SUCCESS && count > 0) {
        return result;
    }
    return enqueue(*stream, [=] {
        const std::string wrong = memory::fill(destination, value, width, count);
        if (!wrong.empty()) {
            driver().report = "a fill: " + wrong;
            return CUDA_ERROR_ILLEGAL_ADDRESS;
        }
        return CUDA_SUCCESS;
    });
}

CUresult fillNow(CUdeviceptr destination, std::uint64_t value, std::uint32_t width, std::size_t count) {
    Stream* stream = currentContext()->legacy.get();
    if (const CUresult refused = refusedByCaptureBeside(*stream); refused != CUDA_SUCCESS) {
        return refused;
    }
    if (const CUresult refused = refusedByCapture(); refused != CUDA_SUCCESS) {
        return refused;
    }
    const CUresult result = fill(destination, value, width, count, stream);
    return result != CUDA_SUCCESS || isDeviceMemory(destination) ? result : drain(*stream);
}

bool endOf(CUmemorytype type, const void* host, CUdeviceptr device, std::uint64_t& at) {
    at = type == CU_MEMORYTYPE_HOST ? address(host) : device;
    return type == CU_MEMORYTYPE_HOST || type == CU_MEMORYTYPE_DEVICE || type == CU_MEMORYTYPE_UNIFIED;
}

}  // namespace

FUSOR_SIM_API cuMemcpy(CUdeviceptr destination, CUdeviceptr source, std::size_t bytes) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return copyNow(destination, source, bytes);
}

FUSOR_SIM_API cuMemcpyAsync(CUdeviceptr destination, CUdeviceptr source, std::size_t bytes, CUstream stream) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return copyAsync(destination, source, bytes, stream);
}

FUSOR_SIM_API cuMemcpyHtoD_v2(CUdeviceptr destination, const void* source, std::size_t bytes) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return isPageable(destination) ? CUDA_ERROR_INVALID_VALUE : copyNow(destination, address(source), bytes);
}

FUSOR_SIM_API cuMemcpyDtoH_v2(void* destination, CUdeviceptr source, std::size_t bytes) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return isPageable(source) ? CUDA_ERROR_INVALID_VALUE : copyNow(address(destination), source, bytes);
}

FUSOR_SIM_API cuMemcpyDtoD_v2(CUdeviceptr destination, CUdeviceptr source, std::size_t bytes) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return isPageable(destination) || isPageable(source) ? CUDA_ERROR_INVALID_VALUE : copyNow(destination, source, bytes);
}

FUSOR_SIM_API cuMemcpyHtoDAsync_v2(CUdeviceptr destination, const void* source, std::size_t bytes, CUstream stream) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return isPageable(destination) ? CUDA_ERROR_INVALID_VALUE : copyAsync(destination, address(source), bytes, stream);
}

FUSOR_SIM_API cuMemcpyDtoHAsync_v2(void* destination, CUdeviceptr source, std::size_t bytes, CUstream stream) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return isPageable(source) ? CUDA_ERROR_INVALID_VALUE : copyAsync(address(destination), source, bytes, stream);
}

FUSOR_SIM_API cuMemcpyDtoDAsync_v2(CUdeviceptr destination, CUdeviceptr source, std::size_t bytes, CUstream stream) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return isPageable(destination) || isPageable(source) ? CUDA_ERROR_INVALID_VALUE : copyAsync(destination, source, bytes, stream);
}

FUSOR_SIM_API cuMemcpyPeerAsync(CUdeviceptr destination, CUcontext destinationContext, CUdeviceptr source, CUcontext sourceContext,
                                std::size_t bytes, CUstream stream) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Context* to = contextOf(destinationContext);
    const Context* from = contextOf(sourceContext);
    if (to == nullptr || from == nullptr) {
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    Allocation a, b;
    if (!memory::find(destination, a) || !memory::find(source, b) || a.device != to->device || b.device != from->device) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    return copyAsync(destination, source, bytes, stream);
}

FUSOR_SIM_API cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D* copy, CUstream handle) {
    FUSOR_SIM_CALL_IN_CONTEXT
    Stream* stream = streamOf(handle);
    std::uint64_t destination = 0;
    std::uint64_t source = 0;
    if (stream == nullptr || copy == nullptr) {
        return stream == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    if (!endOf(copy->srcMemoryType, copy->srcHost, copy->srcDevice, source) ||
        !endOf(copy->dstMemoryType, copy->dstHost, copy->dstDevice, destination)) {
        return CUDA_ERROR_NOT_SUPPORTED;  // arrays
    }
    const std::size_t sourcePitch = copy->srcPitch == 0 ? copy->WidthInBytes : copy->srcPitch;
    const std::size_t destinationPitch = copy->dstPitch == 0 ? copy->WidthInBytes : copy->dstPitch;
    if (sourcePitch < copy->srcXInBytes + copy->WidthInBytes || destinationPitch < copy->dstXInBytes + copy->WidthInBytes) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    for (std::size_t row = 0; row < copy->Height; row++) {
        const CUresult result = enqueueCopy(*stream, destination + (copy->dstY + row) * destinationPitch + copy->dstXInBytes,
                                            source + (copy->srcY + row) * sourcePitch + copy->srcXInBytes, copy->WidthInBytes);
        if (result != CUDA_SUCCESS) {
            return result;
        }
    }
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuMemsetD8_v2(CUdeviceptr destination, unsigned char value, std::size_t count) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return fillNow(destination, value, 1, count);
}

FUSOR_SIM_API cuMemsetD16_v2(CUdeviceptr destination, unsigned short value, std::size_t count) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return fillNow(destination, value, 2, count);
}

FUSOR_SIM_API cuMemsetD32_v2(CUdeviceptr destination, unsigned int value, std::size_t count) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return fillNow(destination, value, 4, count);
}

FUSOR_SIM_API cuMemsetD8Async(CUdeviceptr destination, unsigned char value, std::size_t count, CUstream stream) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return fill(destination, value, 1, count, streamOf(stream));
}

FUSOR_SIM_API cuMemsetD16Async(CUdeviceptr destination, unsigned short value, std::size_t count, CUstream stream) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return fill(destination, value, 2, count, streamOf(stream));
}

FUSOR_SIM_API cuMemsetD32Async(CUdeviceptr destination, unsigned int value, std::size_t count, CUstream stream) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return fill(destination, value, 4, count, streamOf(stream));
}
