// The functions of streams: schedule.cpp runs what they queue.
#include <algorithm>

#include "driver.h"

using namespace fusor::sim;

namespace {

constexpr int kGreatestPriority = -5;

CUresult create(CUstream* out, unsigned flags, int priority) {
    if (out == nullptr || (flags & ~static_cast<unsigned>(CU_STREAM_NON_BLOCKING)) != 0) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    auto stream = std::make_shared<Stream>();
    stream->what = "stream";
    stream->call = currentCall();
    stream->context = currentContext();
    stream->flags = flags;
    stream->priority = std::clamp(priority, kGreatestPriority, 0);
    *out = reinterpret_cast<CUstream>(stream.get());
    driver().streams[stream.get()] = std::move(stream);
    return CUDA_SUCCESS;
}

Stream* streamOfThread(Context& context) {
    std::unique_ptr<Stream>& stream = context.ofThread[std::this_thread::get_id()];
    if (stream == nullptr) {
        stream = std::make_unique<Stream>();
        stream->what = "default stream of a thread";
        stream->call = currentCall();
        stream->context = &context;
    }
    return stream.get();
}

CUresult refuseQuestion(const Stream& stream) {
    if (stream.capture == nullptr) {
        return refusedByCaptureBeside(stream);
    }
    stream.capture->invalidated = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

// An event of a capture draws the stream that waits for it into the capture.
CUresult joinCapture(Stream& waiting, const Event& awaited) {
    if (awaited.capture->invalidated) {
        return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    }
    if (waiting.capture != nullptr && waiting.capture != awaited.capture) {
        awaited.capture->invalidated = waiting.capture->invalidated = true;
        return CUDA_ERROR_STREAM_CAPTURE_MERGE;
    }
    if (waiting.legacy) {
        awaited.capture->invalidated = true;
        return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    }
    waiting.capture = awaited.capture;
    awaited.capture->streams.insert(&waiting);
    waiting.captureLast.insert(waiting.captureLast.end(), awaited.captureNodes.begin(), awaited.captureNodes.end());
    return CUDA_SUCCESS;
}

}  // namespace

namespace fusor::sim {

Stream* streamOf(CUstream handle) {
    Context* context = currentContext();
    if (reinterpret_cast<std::uintptr_t>(handle) <= kLegacyStream) {
        return context == nullptr ? nullptr : context->legacy.get();
    }
    if (reinterpret_cast<std::uintptr_t>(handle) == kPerThreadStream) {
        return context == nullptr ? nullptr : streamOfThread(*context);
    }
    auto found = driver().streams.find(handle);
    return found == driver().streams.end() ? nullptr : found->second.get();
}

}  // namespace fusor::sim

FUSOR_SIM_API cuStreamCreate(CUstream* stream, unsigned int flags) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return create(stream, flags, 0);
}

FUSOR_SIM_API cuStreamCreateWithPriority(CUstream* stream, unsigned int flags, int priority) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return create(stream, flags, priority);
}

FUSOR_SIM_API cuStreamDestroy_v2(CUstream handle) {
    FUSOR_SIM_CALL
    auto found = driver().streams.find(handle);
    if (found == driver().streams.end()) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    const std::shared_ptr<Stream> stream = found->second;
    abandonCapture(*stream);
    // The handle is gone at once; the device does what was queued in its own time.
    if (!stream->operations.empty()) {
        stream->context->closing.push_back(stream);
    }
    destroy(driver().streams, handle);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuStreamSynchronize(CUstream handle) {
    FUSOR_SIM_CALL_IN_CONTEXT
    Stream* stream = streamOf(handle);
    if (stream == nullptr) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (const CUresult refused = refuseQuestion(*stream); refused != CUDA_SUCCESS) {
        return refused;
    }
    if (stream->legacy) {
        // A marker at its end waits for the blocking streams as any other work there would.
        if (const CUresult result = enqueue(*stream, nullptr); result != CUDA_SUCCESS) {
            return result;
        }
    }
    return drain(*stream);
}

FUSOR_SIM_API cuStreamQuery(CUstream handle) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Stream* stream = streamOf(handle);
    if (stream == nullptr) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (const CUresult refused = refuseQuestion(*stream); refused != CUDA_SUCCESS) {
        return refused;
    }
    if (stream->operations.empty()) {
        return stream->context->broken;
    }
    drainOne();  // so that a loop of queries ends
    return CUDA_ERROR_NOT_READY;
}

FUSOR_SIM_API cuStreamWaitEvent(CUstream stream, CUevent event, unsigned int flags) {
    FUSOR_SIM_CALL_IN_CONTEXT
    Stream* waiting = streamOf(stream);
    auto found = driver().events.find(event);
    if (waiting == nullptr || found == driver().events.end()) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (flags > CU_EVENT_WAIT_EXTERNAL) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    const Event& awaited = *found->second;
    if (waiting->capture != nullptr && waiting->capture->invalidated) {
        return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    }
    if (waiting->capture != nullptr && flags == CU_EVENT_WAIT_EXTERNAL) {
        return refuseInCapture(*waiting, "a wait for an event outside the capture");
    }
    if (awaited.capture != nullptr) {
        return joinCapture(*waiting, awaited);
    }
    if (waiting->capture != nullptr) {
        if (awaited.recorded == 0) {
            return CUDA_SUCCESS;
        }
        waiting->capture->invalidated = true;
        return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
    }
    if (awaited.completed < awaited.recorded) {
        enqueueWait(*waiting, found->second);
    }
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuStreamGetCtx(CUstream stream, CUcontext* context) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Stream* found = streamOf(stream);
    if (found == nullptr || context == nullptr) {
        return found == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    *context = reinterpret_cast<CUcontext>(found->context);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuStreamGetPriority(CUstream stream, int* priority) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Stream* found = streamOf(stream);
    if (found == nullptr || priority == nullptr) {
        return found == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    *priority = found->priority;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuLaunchHostFunc(CUstream stream, CUhostFn function, void* data) {
    FUSOR_SIM_CALL_IN_CONTEXT
    Stream* found = streamOf(stream);
    if (found == nullptr || function == nullptr) {
        return found == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    return enqueue(*found, [function, data] {
        driver().inHostFunction = true;  // it may make no calls of the API
        function(data);
        driver().inHostFunction = false;
        return CUDA_SUCCESS;
    });
}
