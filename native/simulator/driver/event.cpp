#include "driver.h"

using namespace fusor::sim;

namespace {

Event* eventOf(CUevent handle) {
    auto found = driver().events.find(handle);
    return found == driver().events.end() ? nullptr : found->second.get();
}

bool isAwaited(const Event& event) {
    for (const auto& [key, stream] : driver().streams) {
        for (const Operation& operation : stream->operations) {
            if (operation.awaited == &event) {
                return true;
            }
        }
    }
    return false;
}

CUresult record(CUevent handle, CUstream streamHandle) {
    Event* event = eventOf(handle);
    Stream* stream = streamOf(streamHandle);
    if (event == nullptr || stream == nullptr || event->context != stream->context) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (stream->capture != nullptr) {
        event->capture = stream->capture;
        event->captureNodes = stream->captureLast;
        return CUDA_SUCCESS;
    }
    event->capture = nullptr;
    const std::uint64_t number = ++event->recorded;
    const CUresult result = enqueue(*stream, [event, number] {
        event->completed = number;
        event->milliseconds = milliseconds();
        return CUDA_SUCCESS;
    });
    if (result != CUDA_SUCCESS) {
        event->recorded--;
    }
    return result;
}

}  // namespace

FUSOR_SIM_API cuEventCreate(CUevent* event, unsigned int flags) {
    FUSOR_SIM_CALL_IN_CONTEXT
    if (event == nullptr || (flags & ~7u) != 0 || ((flags & CU_EVENT_INTERPROCESS) != 0 && (flags & CU_EVENT_DISABLE_TIMING) == 0)) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    auto made = std::make_unique<Event>();
    made->what = "event";
    made->call = currentCall();
    made->context = currentContext();
    made->flags = flags;
    *event = reinterpret_cast<CUevent>(made.get());
    driver().events[made.get()] = std::move(made);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuEventDestroy_v2(CUevent handle) {
    FUSOR_SIM_CALL
    Event* event = eventOf(handle);
    if (event == nullptr) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    drainUntil([event] { return event->completed == event->recorded && !isAwaited(*event); });
    driver().events.erase(handle);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuEventRecord(CUevent event, CUstream stream) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return record(event, stream);
}

FUSOR_SIM_API cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned int flags) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return flags > CU_EVENT_RECORD_EXTERNAL ? CUDA_ERROR_INVALID_VALUE : record(event, stream);
}

FUSOR_SIM_API cuEventSynchronize(CUevent handle) {
    FUSOR_SIM_CALL_IN_CONTEXT
    Event* event = eventOf(handle);
    if (event == nullptr) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (event->capture != nullptr) {
        event->capture->invalidated = true;
        return CUDA_ERROR_CAPTURED_EVENT;
    }
    const CUresult result = drainUntil([event] { return event->completed == event->recorded; });
    return result != CUDA_SUCCESS ? result : event->context->broken;
}

FUSOR_SIM_API cuEventQuery(CUevent handle) {
    FUSOR_SIM_CALL_IN_CONTEXT
    Event* event = eventOf(handle);
    if (event == nullptr) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (event->capture != nullptr) {
        event->capture->invalidated = true;
        return CUDA_ERROR_CAPTURED_EVENT;
    }
    if (event->completed == event->recorded) {
        return event->context->broken;
    }
    drainOne();  // so that a loop of queries ends
    return CUDA_ERROR_NOT_READY;
}

FUSOR_SIM_API cuEventElapsedTime_v2(float* elapsed, CUevent startHandle, CUevent endHandle) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Event* start = eventOf(startHandle);
    const Event* end = eventOf(endHandle);
    if (start == nullptr || end == nullptr || start->recorded == 0 || end->recorded == 0 ||
        ((start->flags | end->flags) & CU_EVENT_DISABLE_TIMING) != 0) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (elapsed == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (start->completed != start->recorded || end->completed != end->recorded) {
        return CUDA_ERROR_NOT_READY;
    }
    *elapsed = static_cast<float>(end->milliseconds - start->milliseconds);
    return CUDA_SUCCESS;
}
