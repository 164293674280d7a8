// Events: records and waits are work of streams; an event outlives its handle while they are queued.
#include "driver.h"

using namespace fusor::sim;

namespace {

std::shared_ptr<Event> eventOf(CUevent handle) {
    auto found = driver().events.find(handle);
    return found == driver().events.end() ? nullptr : found->second;
}

CUresult recordInCapture(Event& event, const Stream& stream, bool external) {
    if (stream.capture->invalidated) {
        return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    }
    if (external) {
        return refuseInCapture(stream, "the record of an event outside the capture");
    }
    event.capture = stream.capture;
    event.captureNodes = stream.captureLast;
    return CUDA_SUCCESS;
}

CUresult record(CUevent handle, CUstream streamHandle, bool external) {
    const std::shared_ptr<Event> event = eventOf(handle);
    Stream* stream = streamOf(streamHandle);
    if (event == nullptr || stream == nullptr || event->context != stream->context) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (stream->capture != nullptr) {
        return recordInCapture(*event, *stream, external);
    }
    const std::uint64_t number = event->recorded + 1;
    const CUresult result = enqueue(
        *stream,
        [event, number] {
            event->completed = number;
            event->milliseconds = milliseconds();
            return CUDA_SUCCESS;
        },
        true);
    if (result == CUDA_SUCCESS) {
        event->recorded = number;
        event->capture = nullptr;
    }
    return result;
}

}  // namespace

FUSOR_SIM_API cuEventCreate(CUevent* event, unsigned int flags) {
    FUSOR_SIM_CALL_IN_CONTEXT
    if (event == nullptr || (flags & ~7u) != 0 || ((flags & CU_EVENT_INTERPROCESS) != 0 && (flags & CU_EVENT_DISABLE_TIMING) == 0)) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    auto made = std::make_shared<Event>();
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
    // Its records and the waits for it that are queued keep it until they are done.
    return destroy(driver().events, handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

FUSOR_SIM_API cuEventRecord(CUevent event, CUstream stream) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return record(event, stream, false);
}

FUSOR_SIM_API cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned int flags) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return flags > CU_EVENT_RECORD_EXTERNAL ? CUDA_ERROR_INVALID_VALUE : record(event, stream, flags == CU_EVENT_RECORD_EXTERNAL);
}

FUSOR_SIM_API cuEventSynchronize(CUevent handle) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const std::shared_ptr<Event> event = eventOf(handle);
    if (event == nullptr) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (event->capture != nullptr) {
        event->capture->invalidated = true;
        return CUDA_ERROR_CAPTURED_EVENT;
    }
    const CUresult result = drainUntil([&event] { return event->completed == event->recorded; });
    return result != CUDA_SUCCESS ? result : event->context->broken;
}

FUSOR_SIM_API cuEventQuery(CUevent handle) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const std::shared_ptr<Event> event = eventOf(handle);
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
    const std::shared_ptr<Event> start = eventOf(startHandle);
    const std::shared_ptr<Event> end = eventOf(endHandle);
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
