// The state behind the driver API: everything a handle may stand for, and what every function does first.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "../runtime/launch.h"
#include "../runtime/memory.h"
#include "../runtime/module.h"
#include "../runtime/shadow.h"
#include "api.h"
#include "architecture.h"

// The first statement of each function: counts the call, and returns early where the fault plan or a broken context says so.
#define FUSOR_SIM_CALL                                     \
    const fusor::sim::Call apiCall(__func__);                \
    if (apiCall.refusal() != CUDA_SUCCESS) {               \
        return apiCall.refusal();                          \
    }
// Likewise, for functions that need a current context.
#define FUSOR_SIM_CALL_IN_CONTEXT                          \
    FUSOR_SIM_CALL                                         \
    if (fusor::sim::currentContext() == nullptr) {         \
        return CUDA_ERROR_INVALID_CONTEXT;                 \
    }                                                      \
    if (fusor::sim::currentContext()->broken != CUDA_SUCCESS) { \
        return fusor::sim::currentContext()->broken;       \
    }

namespace fusor::sim {

struct Stream;
struct Graph;
struct Pool;

// Every handle: what it is and which call made it, for the ledger.
struct Object {
    const char* what;
    std::uint64_t call;
};

struct Context : Object {
    int device = 0;
    bool primary = false;
    unsigned references = 0;
    unsigned flags = 0;
    std::uint64_t id = 0;
    CUresult broken = CUDA_SUCCESS;  // the fault of a kernel: every later call of the context fails with it
    std::unique_ptr<Stream> legacy;
    std::set<int> peers;  // devices whose memory its kernels may touch
    std::map<CUlimit, std::size_t> limits;
};

struct Resources {
    std::uint32_t registers = 0;
    std::uint32_t stackBytes = 0;
    std::uint32_t sharedBytes = 0;
};

struct LoadedModule;

struct Function {
    LoadedModule* module = nullptr;
    const Entry* entry = nullptr;
    Resources resources;
    int mostDynamicShared = 48 << 10;
    int sharedCarveout = -1;
    bool nonPortableCluster = false;
};

struct LoadedModule : Object {
    Context* context = nullptr;
    const Module* code = nullptr;
    std::vector<std::uint64_t> variables;
    std::vector<std::unique_ptr<Function>> functions;
    bool library = false;
};

struct Event : Object {
    Context* context = nullptr;
    unsigned flags = 0;
    std::uint64_t recorded = 0;  // how often cuEventRecord was called
    std::uint64_t completed = 0;
    double milliseconds = 0;     // when it completed
    Graph* capture = nullptr;    // it was recorded in a stream that captures
    std::vector<std::size_t> captureNodes;
};

// One entry of a stream.
struct Operation {
    std::uint64_t ticket = 0;
    std::function<CUresult()> run;
    Event* awaited = nullptr;    // it waits for this event...
    std::uint64_t awaitedRecord = 0;  // ...to have completed so many records
};

struct Stream : Object {
    Context* context = nullptr;
    unsigned flags = 0;
    int priority = 0;
    bool legacy = false;
    std::deque<Operation> operations;
    Graph* capture = nullptr;
    bool captureOrigin = false;
    std::vector<std::size_t> captureLast;  // the nodes that what comes next depends on

    bool blocking() const { return (flags & CU_STREAM_NON_BLOCKING) == 0; }
};

struct KernelCall {
    Function* function = nullptr;
    Dim grid{}, block{}, cluster{};
    std::uint32_t dynamicShared = 0;
    bool cooperative = false;
    std::vector<std::uint8_t> parameters;
};

struct Node {
    Graph* graph = nullptr;
    std::function<CUresult()> run;      // for everything but kernels
    std::shared_ptr<KernelCall> kernel;
    std::vector<std::size_t> after;
};

struct Graph : Object {
    Context* context = nullptr;
    std::vector<std::unique_ptr<Node>> nodes;
    std::set<Stream*> streams;  // that capture into it
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
    bool invalidated = false;
};

struct GraphExec : Object {
    Context* context = nullptr;
    const Graph* source = nullptr;
    std::vector<Node> nodes;
    std::vector<const Node*> origins;
};

struct Pool : Object {
    int device = 0;
    bool standard = false;
    std::uint64_t used = 0, usedHigh = 0, reserved = 0, reservedHigh = 0;
    std::uint64_t releaseThreshold = 0;
    int reuse[3] = {1, 1, 1};
    std::set<int> access;
};

struct DeviceAllocation {
    Context* context;
    Pool* pool;  // null for cuMemAlloc
    std::uint64_t call;
};

struct HostAllocation {
    unsigned flags;
    bool registered;
    std::uint64_t call;
};

struct Device {
    const Architecture* architecture = nullptr;
    std::unique_ptr<Context> primary;
    std::unique_ptr<Pool> standardPool;
    Pool* pool = nullptr;
};

// Owners of objects, found by the address that is their handle.
template <class T> using Owners = std::map<const void*, std::unique_ptr<T>>;

struct Driver {
    std::recursive_mutex lock;
    bool initialised = false;
    std::uint64_t epoch = 1;  // counts resets: handles and current contexts of an earlier one are void
    std::vector<Device> devices;
    std::string architecture = "sm_90";
    int deviceCount = 1;
    std::string modules;
    Schedule schedule;
    std::mt19937_64 random{1};

    Owners<Context> contexts;
    Owners<LoadedModule> loaded;
    std::set<const void*> functions;
    Owners<Stream> streams;
    Owners<Event> events;
    Owners<Graph> graphs;
    Owners<GraphExec> execs;
    Owners<Pool> pools;
    std::map<std::uint64_t, DeviceAllocation> allocations;
    std::map<std::uint64_t, HostAllocation> hosts;

    std::uint64_t tickets = 0;
    std::uint64_t contextIds = 0;
    std::uint64_t calls = 0;
    bool inHostFunction = false;
    std::map<std::string, std::uint64_t> callsOf;
    std::map<std::string, std::map<std::uint64_t, CUresult>> faults;
    std::string report;
};

Driver& driver();

class Call {
public:
    explicit Call(const char* function, bool beforeInit = false);
    CUresult refusal() const { return refusal_; }

private:
    std::lock_guard<std::recursive_mutex> lock_;
    CUresult refusal_ = CUDA_SUCCESS;
};

// --- contexts
Context* currentContext();
Context* contextOf(CUcontext handle);
void destroyContents(Context& context);
Context* makeContext(int device, unsigned flags, bool primary);

// --- streams
Stream* streamOf(CUstream handle);  // null for a handle that is none
// Puts work at the end of a stream, or into the graph it captures.
CUresult enqueue(Stream& stream, std::function<CUresult()> run);
CUresult enqueueKernel(Stream& stream, std::shared_ptr<KernelCall> kernel);
void enqueueWait(Stream& stream, Event& event);
// Runs what is due, in an order of the schedule's, until the condition holds or nothing can run.
CUresult drainUntil(const std::function<bool()>& condition);
CUresult drain(Stream& stream);
CUresult drainContext(Context& context);
bool drainOne();
// For calls that a capture forbids; invalidates it.
CUresult refusedByCapture();
CUresult refusedByCapture(Stream& stream);

// --- launches
CUresult execute(const KernelCall& kernel);
CUresult checkLaunch(const Function& function, const KernelCall& kernel);
CUresult packParameters(const Function& function, void** parameters, void** extra, std::vector<std::uint8_t>& packed);
int blocksPerMultiprocessor(const Function& function, const Architecture& architecture, std::uint32_t threads, std::uint64_t dynamicShared);

// --- memory
std::uint64_t allocateDevice(std::uint64_t bytes, int device, Kind kind);
bool isPageable(std::uint64_t address);
const Architecture& architectureOf(const Context& context);

Function* functionOf(CUfunction handle);

std::uint64_t currentCall();
double milliseconds();

}  // namespace fusor::sim
