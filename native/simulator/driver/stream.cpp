// Streams queue their work until somebody waits for it. Then what is due runs, one operation at a time, in an order drawn by the
// schedule's seed from all that the rules of streams and events allow: what relies on more than the rules is found out.
#include <algorithm>

#include "driver.h"

using namespace fusor::sim;

namespace {

CUstream handle(Stream* stream) { return reinterpret_cast<CUstream>(stream); }

std::vector<Stream*> streamsOf(const Context& context) {
    std::vector<Stream*> all = {context.legacy.get()};
    for (auto& [key, stream] : driver().streams) {
        if (stream->context == &context) {
            all.push_back(stream.get());
        }
    }
    return all;
}

bool isBehind(const Stream& other, std::uint64_t ticket) {
    return other.operations.empty() || other.operations.front().ticket > ticket;
}

// The default stream and the blocking streams of a context wait for each other, in the order of the calls.
bool isDue(const Stream& stream) {
    if (stream.operations.empty()) {
        return false;
    }
    const Operation& next = stream.operations.front();
    if (next.awaited != nullptr && next.awaited->completed < next.awaitedRecord) {
        return false;
    }
    if (!stream.legacy) {
        return !stream.blocking() || isBehind(*stream.context->legacy, next.ticket);
    }
    for (const Stream* other : streamsOf(*stream.context)) {
        if (other != &stream && other->blocking() && !isBehind(*other, next.ticket)) {
            return false;
        }
    }
    return true;
}

void runNext(Stream& stream) {
    Operation operation = std::move(stream.operations.front());
    stream.operations.pop_front();
    if (operation.run && stream.context->broken == CUDA_SUCCESS) {
        const CUresult result = operation.run();
        if (result != CUDA_SUCCESS) {
            stream.context->broken = result;
        }
    }
}

CUresult create(CUstream* stream, unsigned flags, int priority) {
    if (stream == nullptr || (flags & ~static_cast<unsigned>(CU_STREAM_NON_BLOCKING)) != 0) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    auto made = std::make_unique<Stream>();
    made->what = "stream";
    made->call = currentCall();
    made->context = currentContext();
    made->flags = flags;
    made->priority = std::clamp(priority, -5, 0);
    *stream = handle(made.get());
    driver().streams[made.get()] = std::move(made);
    return CUDA_SUCCESS;
}

}  // namespace

namespace fusor::sim {

Stream* streamOf(CUstream handle) {
    if (reinterpret_cast<std::uintptr_t>(handle) <= kLegacyStream) {
        return currentContext() == nullptr ? nullptr : currentContext()->legacy.get();
    }
    auto found = driver().streams.find(handle);
    return found == driver().streams.end() ? nullptr : found->second.get();
}

CUresult enqueue(Stream& stream, std::function<CUresult()> run) {
    if (stream.capture != nullptr) {
        auto node = std::make_unique<Node>();
        node->graph = stream.capture;
        node->run = std::move(run);
        node->after = stream.captureLast;
        stream.captureLast = {stream.capture->nodes.size()};
        stream.capture->nodes.push_back(std::move(node));
        return CUDA_SUCCESS;
    }
    if (stream.legacy) {
        if (const CUresult refused = refusedByCapture(stream); refused != CUDA_SUCCESS) {
            return refused;
        }
    }
    Operation operation;
    operation.ticket = ++driver().tickets;
    operation.run = std::move(run);
    stream.operations.push_back(std::move(operation));
    return CUDA_SUCCESS;
}

CUresult enqueueKernel(Stream& stream, std::shared_ptr<KernelCall> kernel) {
    const CUresult result = enqueue(stream, [kernel] { return execute(*kernel); });
    if (result == CUDA_SUCCESS && stream.capture != nullptr) {
        stream.capture->nodes.back()->kernel = kernel;
    }
    return result;
}

void enqueueWait(Stream& stream, Event& event) {
    Operation operation;
    operation.ticket = ++driver().tickets;
    operation.awaited = &event;
    operation.awaitedRecord = event.recorded;
    stream.operations.push_back(std::move(operation));
}

bool drainOne() {
    Driver& d = driver();
    std::vector<Stream*> due;
    const auto add = [&](const Context& context) {
        for (Stream* stream : streamsOf(context)) {
            if (isDue(*stream)) {
                due.push_back(stream);
            }
        }
    };
    for (const Device& device : d.devices) {
        if (device.primary != nullptr) {
            add(*device.primary);
        }
    }
    for (const auto& [key, context] : d.contexts) {
        add(*context);
    }
    if (due.empty()) {
        return false;
    }
    runNext(*due[d.random() % due.size()]);
    return true;
}

CUresult drainUntil(const std::function<bool()>& condition) {
    while (!condition()) {
        if (!drainOne()) {
            return CUDA_ERROR_UNKNOWN;  // cannot happen: what is queued waits only for what was queued before
        }
    }
    return CUDA_SUCCESS;
}

CUresult drain(Stream& stream) {
    const CUresult result = drainUntil([&] { return stream.operations.empty(); });
    return result != CUDA_SUCCESS ? result : stream.context->broken;
}

CUresult drainContext(Context& context) {
    const CUresult result = drainUntil([&] {
        for (const Stream* stream : streamsOf(context)) {
            if (!stream->operations.empty()) {
                return false;
            }
        }
        return true;
    });
    return result != CUDA_SUCCESS ? result : context.broken;
}

CUresult refusedByCapture() {
    for (auto& [key, graph] : driver().graphs) {
        if (!graph->streams.empty() && graph->context == currentContext() && graph->mode != CU_STREAM_CAPTURE_MODE_RELAXED) {
            graph->invalidated = true;
            return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        }
    }
    return CUDA_SUCCESS;
}

// The default stream would wait for the blocking streams, of which one captures.
CUresult refusedByCapture(Stream& stream) {
    for (const Stream* other : streamsOf(*stream.context)) {
        if (other->capture != nullptr && other->blocking()) {
            other->capture->invalidated = true;
            return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
        }
    }
    return CUDA_SUCCESS;
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

FUSOR_SIM_API cuStreamDestroy_v2(CUstream stream) {
    FUSOR_SIM_CALL
    Stream* found = streamOf(stream);
    if (found == nullptr || found->legacy) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    // The device finishes what was queued; the handle is gone at once.
    drain(*found);
    if (found->capture != nullptr) {
        found->capture->invalidated = true;
        found->capture->streams.erase(found);
    }
    driver().streams.erase(found);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuStreamSynchronize(CUstream stream) {
    FUSOR_SIM_CALL_IN_CONTEXT
    Stream* found = streamOf(stream);
    if (found == nullptr) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (found->capture != nullptr) {
        found->capture->invalidated = true;
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    if (found->legacy) {
        if (const CUresult refused = refusedByCapture(*found); refused != CUDA_SUCCESS) {
            return refused;
        }
        // A marker at its end waits for the blocking streams as any other work there would.
        if (const CUresult result = enqueue(*found, nullptr); result != CUDA_SUCCESS) {
            return result;
        }
    }
    return drain(*found);
}

FUSOR_SIM_API cuStreamQuery(CUstream stream) {
    FUSOR_SIM_CALL_IN_CONTEXT
    Stream* found = streamOf(stream);
    if (found == nullptr) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (found->capture != nullptr) {
        found->capture->invalidated = true;
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    if (found->operations.empty()) {
        return found->context->broken;
    }
    drainOne();  // so that a loop of queries ends
    return CUDA_ERROR_NOT_READY;
}

FUSOR_SIM_API cuStreamWaitEvent(CUstream stream, CUevent event, unsigned int) {
    FUSOR_SIM_CALL_IN_CONTEXT
    Stream* waiting = streamOf(stream);
    auto found = driver().events.find(event);
    if (waiting == nullptr || found == driver().events.end()) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    Event& awaited = *found->second;
    if (awaited.capture != nullptr) {
        if (waiting->capture != nullptr && waiting->capture != awaited.capture) {
            awaited.capture->invalidated = waiting->capture->invalidated = true;
            return CUDA_ERROR_STREAM_CAPTURE_MERGE;
        }
        if (waiting->legacy) {
            awaited.capture->invalidated = true;
            return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
        }
        waiting->capture = awaited.capture;
        awaited.capture->streams.insert(waiting);
        waiting->captureLast.insert(waiting->captureLast.end(), awaited.captureNodes.begin(), awaited.captureNodes.end());
        return CUDA_SUCCESS;
    }
    if (waiting->capture != nullptr) {
        if (awaited.recorded > awaited.completed) {
            waiting->capture->invalidated = true;
            return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
        }
        return CUDA_SUCCESS;
    }
    if (awaited.completed < awaited.recorded) {
        enqueueWait(*waiting, awaited);
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
