// Capture: what streams are given becomes a graph instead of work.
#include <algorithm>

#include "driver.h"

using namespace fusor::sim;

namespace {

bool captures(const Graph& graph) { return !graph.streams.empty(); }

// Every node has to come before the origin's last one: what a forked stream did has to be joined.
bool isJoined(const Graph& graph, const Stream& origin) {
    std::vector<bool> joined(graph.nodes.size());
    std::vector<std::size_t> open = origin.captureLast;
    while (!open.empty()) {
        const std::size_t node = open.back();
        open.pop_back();
        if (!joined[node]) {
            joined[node] = true;
            open.insert(open.end(), graph.nodes[node]->after.begin(), graph.nodes[node]->after.end());
        }
    }
    return std::find(joined.begin(), joined.end(), false) == joined.end();
}

// The streams are free again.
void release(Graph& graph) {
    for (Stream* stream : graph.streams) {
        stream->capture = nullptr;
        stream->captureOrigin = false;
        stream->captureLast.clear();
    }
    graph.streams.clear();
    for (auto& [key, event] : driver().events) {
        if (event->capture == &graph) {
            event->capture = nullptr;
        }
    }
}

}  // namespace

namespace fusor::sim {

CUresult refusedByCapture() {
    for (auto& [key, graph] : driver().graphs) {
        const bool own = graph->capturingThread == std::this_thread::get_id();
        const bool forbids = graph->mode == CU_STREAM_CAPTURE_MODE_GLOBAL || (graph->mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL && own);
        if (captures(*graph) && forbids) {
            graph->invalidated = true;
            return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        }
    }
    return CUDA_SUCCESS;
}

CUresult refusedByCaptureIn(const Context& context) {
    CUresult result = CUDA_SUCCESS;
    for (const Stream* stream : streamsOf(context)) {
        if (stream->capture != nullptr) {
            stream->capture->invalidated = true;
            result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        }
    }
    return result;
}

CUresult refusedByCaptureBeside(const Stream& legacy) {
    CUresult result = CUDA_SUCCESS;
    if (legacy.legacy) {
        for (const Stream* other : streamsOf(*legacy.context)) {
            if (other->capture != nullptr && other->blocking()) {
                other->capture->invalidated = true;
                result = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
            }
        }
    }
    return result;
}

void abandonCapture(Stream& stream) {
    Graph* graph = stream.capture;
    if (graph == nullptr) {
        return;
    }
    if (stream.captureOrigin) {
        release(*graph);
        destroy(driver().graphs, graph);
    } else {
        graph->invalidated = true;
        graph->streams.erase(&stream);
        stream.capture = nullptr;
    }
}

CUresult refuseInCapture(const Stream& stream, const char* what) {
    driver().report = std::string("the simulated driver captures no such node: ") + what;
    stream.capture->invalidated = true;
    return CUDA_ERROR_NOT_SUPPORTED;
}

}  // namespace fusor::sim

FUSOR_SIM_API cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode mode) {
    FUSOR_SIM_CALL_IN_CONTEXT
    Stream* stream = streamOf(handle);
    if (stream == nullptr || mode > CU_STREAM_CAPTURE_MODE_RELAXED) {
        return stream == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    if (stream->legacy) {
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    if (stream->capture != nullptr) {
        return CUDA_ERROR_ILLEGAL_STATE;
    }
    auto graph = std::make_shared<Graph>();
    graph->what = "graph";
    graph->call = currentCall();
    graph->context = currentContext();
    graph->mode = mode;
    graph->capturingThread = std::this_thread::get_id();
    graph->streams = {stream};
    stream->capture = graph.get();
    stream->captureOrigin = true;
    stream->captureLast.clear();
    driver().graphs[graph.get()] = std::move(graph);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuStreamEndCapture(CUstream handle, CUgraph* out) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Stream* origin = streamOf(handle);
    if (origin == nullptr || out == nullptr) {
        return origin == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    *out = nullptr;
    Graph* graph = origin->capture;
    if (graph == nullptr) {
        return CUDA_ERROR_ILLEGAL_STATE;
    }
    if (graph->mode != CU_STREAM_CAPTURE_MODE_RELAXED && graph->capturingThread != std::this_thread::get_id()) {
        return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
    }
    if (!origin->captureOrigin) {
        graph->invalidated = true;
        return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
    }
    const CUresult result = graph->invalidated            ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
                            : !isJoined(*graph, *origin) ? CUDA_ERROR_STREAM_CAPTURE_UNJOINED
                                                         : CUDA_SUCCESS;
    release(*graph);
    if (result != CUDA_SUCCESS) {
        destroy(driver().graphs, graph);
        return result;
    }
    *out = reinterpret_cast<CUgraph>(graph);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus* status) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Stream* stream = streamOf(handle);
    if (stream == nullptr || status == nullptr) {
        return stream == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    if (const CUresult refused = refusedByCaptureBeside(*stream); refused != CUDA_SUCCESS) {
        return refused;
    }
    *status = stream->capture == nullptr        ? CU_STREAM_CAPTURE_STATUS_NONE
              : stream->capture->invalidated ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                             : CU_STREAM_CAPTURE_STATUS_ACTIVE;
    return CUDA_SUCCESS;
}
