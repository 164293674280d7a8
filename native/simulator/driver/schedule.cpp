// Streams queue their work until somebody waits for it. Then what is due runs, one operation at a time, in an order drawn by the
// schedule's seed from all that the rules of streams and events allow: what relies on more than the rules is found out.
#include <algorithm>

#include "driver.h"

using namespace fusor::sim;

namespace {

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

void perform(const Operation& operation, Context& context) {
    if (operation.run && (operation.always || context.broken == CUDA_SUCCESS)) {
        const CUresult result = operation.run();
        if (result != CUDA_SUCCESS && context.broken == CUDA_SUCCESS) {
            context.broken = result;
        }
    }
}

void runNext(Stream& stream) {
    const Operation operation = std::move(stream.operations.front());
    stream.operations.pop_front();
    Context& context = *stream.context;
    perform(operation, context);
    std::erase_if(context.closing, [](const std::shared_ptr<Stream>& closing) { return closing->operations.empty(); });
}

std::vector<Stream*> dueStreams() {
    std::vector<Stream*> due;
    const auto add = [&](const Context& context) {
        for (Stream* stream : streamsOf(context)) {
            if (isDue(*stream)) {
                due.push_back(stream);
            }
        }
    };
    for (const Device& device : driver().devices) {
        if (device.primary != nullptr) {
            add(*device.primary);
        }
    }
    for (const auto& [key, context] : driver().contexts) {
        add(*context);
    }
    // Not by address: the same seed gives the same order in every process.
    std::sort(due.begin(), due.end(), [](const Stream* a, const Stream* b) { return a->call < b->call; });
    return due;
}

}  // namespace

namespace fusor::sim {

std::vector<Stream*> streamsOf(const Context& context) {
    std::vector<Stream*> all = {context.legacy.get()};
    for (const auto& [thread, stream] : context.ofThread) {
        all.push_back(stream.get());
    }
    for (const auto& stream : context.closing) {
        all.push_back(stream.get());
    }
    for (const auto& [key, stream] : driver().streams) {
        if (stream->context == &context) {
            all.push_back(stream.get());
        }
    }
    return all;
}

CUresult enqueue(Stream& stream, std::function<CUresult()> run, bool always) {
    if (stream.capture != nullptr) {
        if (stream.capture->invalidated) {
            return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
        }
        auto node = std::make_unique<Node>();
        node->graph = stream.capture;
        node->run = std::move(run);
        node->after = stream.captureLast;
        stream.captureLast = {stream.capture->nodes.size()};
        stream.capture->nodes.push_back(std::move(node));
        return CUDA_SUCCESS;
    }
    if (const CUresult refused = refusedByCaptureBeside(stream); refused != CUDA_SUCCESS) {
        return refused;
    }
    Operation operation;
    operation.ticket = ++driver().tickets;
    operation.run = std::move(run);
    operation.always = always;
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

void enqueueWait(Stream& stream, std::shared_ptr<Event> event) {
    Operation operation;
    operation.ticket = ++driver().tickets;
    operation.awaitedRecord = event->recorded;
    operation.awaited = std::move(event);
    stream.operations.push_back(std::move(operation));
}

bool drainOne() {
    const std::vector<Stream*> due = dueStreams();
    if (due.empty()) {
        return false;
    }
    runNext(*due[driver().random() % due.size()]);
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
        const std::vector<Stream*> streams = streamsOf(context);
        return std::all_of(streams.begin(), streams.end(), [](const Stream* stream) { return stream->operations.empty(); });
    });
    return result != CUDA_SUCCESS ? result : context.broken;
}

void dropWork(Context& context) {
    for (Stream* stream : streamsOf(context)) {
        for (const Operation& operation : stream->operations) {
            if (operation.always) {
                perform(operation, context);
            }
        }
        stream->operations.clear();
    }
    context.closing.clear();
    context.ofThread.clear();
}

}  // namespace fusor::sim
