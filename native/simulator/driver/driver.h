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
#include <thread>
#include <vector>

#include "../runtime/launch.h"
#include "../runtime/memory.h"
#include "../runtime/module.h"
#include "../runtime/shadow.h"
#include "api.h"
#include "architecture.h"

// The first statement of each function: counts the call, and returns early where the fault plan or what is missing says so.
#define FUSOR_SIM_CALL_THAT(needs)                             \
    const fusor::sim::Call apiCall(__func__, fusor::sim::needs); \
    if (apiCall.refusal() != CUDA_SUCCESS) {                   \
        return apiCall.refusal();                              \
    }
#define FUSOR_SIM_CALL FUSOR_SIM_CALL_THAT(Needs::Initialised)
#define FUSOR_SIM_CALL_IN_CONTEXT FUSOR_SIM_CALL_THAT(Needs::Context)

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
    bool destroyed = false;
    CUresult broken = CUDA_SUCCESS;  // the fault of a kernel: every later call of the context fails with it
    std::unique_ptr<Stream> legacy;
    std::map<std::thread::id, std::unique_ptr<Stream>> ofThread;  // default streams of threads, made when first used
    std::vector<std::shared_ptr<Stream>> closing;                 // destroyed with work in them
    std::set<int> peers;  // devices whose memory its kernels may touch
    std::map<CUlimit, std::size_t> limits;

    bool alive() const { return primary ? references > 0 : !destroyed; }
};

// What the assembler says of an entry.
struct Resources {
    std::uint32_t registers = 0;
    std::uint32_t stackBytes = 0;
    std::uint32_t sharedBytes = 0;
};

// A translated module as it was found, before it is loaded anywhere.
struct Code {
    const Module* module = nullptr;
    std::map<std::string, Resources> resources;
};

// What can be set for a function.
struct FunctionSettings {
    int mostDynamicShared = 0;
    int sharedCarveout = -1;
    bool nonPortableCluster = false;
};

struct LoadedModule;

struct Function {
    LoadedModule* module = nullptr;
    const Entry* entry = nullptr;
    Resources resources;
    FunctionSettings settings;
};

struct LoadedModule : Object, std::enable_shared_from_this<LoadedModule> {
    Context* context = nullptr;
    std::shared_ptr<const Code> code;
    std::vector<std::uint64_t> variables;
    std::vector<std::unique_ptr<Function>> functions;
    bool unloaded = false;
};

struct Library;

// A function of a library, in every context at once.
struct Kernel {
    Library* library = nullptr;
    const Entry* entry = nullptr;
    std::map<int, FunctionSettings> settings;  // by device
};

struct Library : Object {
    std::shared_ptr<const Code> code;
    std::vector<std::unique_ptr<Kernel>> kernels;
    std::map<const Context*, std::shared_ptr<LoadedModule>> loaded;  // where a kernel of it was used
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
    bool always = false;         // it is done in a broken context, too: events complete, memory is freed
    std::shared_ptr<Event> awaited;   // it waits for this event...
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
    std::shared_ptr<LoadedModule> module;
    Function* function = nullptr;  // of the module
    Dim grid{}, block{}, cluster{};
    std::uint32_t dynamicShared = 0;
    bool cooperative = false;
    std::vector<std::uint8_t> parameters;
    std::vector<void*> pointers;  // to each parameter, for who asks a graph
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
    std::thread::id capturingThread;
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
    std::uint64_t most = 0;  // bytes, zero where there is no limit
    int reuse[3] = {1, 1, 1};
    std::set<int> access;
};

struct DeviceAllocation {
    Context* context;
    Pool* pool;  // null for cuMemAlloc
    std::uint64_t call;
    bool freeing = false;  // a stream will free it
};

struct HostAllocation {
    Context* context;
    unsigned flags;
    bool registered;
    std::uint64_t call;
};

struct Device {
    const Architecture* architecture = nullptr;
    std::shared_ptr<Context> primary;
    std::unique_ptr<Pool> standardPool;
    Pool* pool = nullptr;
};

// Owners of objects, found by the address that is their handle.
template <class T> using Owners = std::map<const void*, std::shared_ptr<T>>;

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
    Owners<Library> libraries;
    std::map<const void*, Kernel*> kernels;
    Owners<Stream> streams;
    Owners<Event> events;
    Owners<Graph> graphs;
    Owners<GraphExec> execs;
    Owners<Pool> pools;
    std::map<std::uint64_t, DeviceAllocation> allocations;
    std::map<std::uint64_t, HostAllocation> hosts;
    std::deque<std::shared_ptr<void>> retired;  // see retire

    std::uint64_t tickets = 0;
    std::uint64_t contextIds = 0;
    std::uint64_t calls = 0;
    bool inHostFunction = false;
    std::map<std::string, std::uint64_t> callsOf;
    std::map<std::string, std::map<std::uint64_t, CUresult>> faults;
    std::string report;
};

Driver& driver();

// The results of a call before it does anything.
enum class Needs { Nothing, Initialised, Context };

class Call {
public:
    Call(const char* function, Needs needs);
    CUresult refusal() const { return refusal_; }

private:
    std::lock_guard<std::recursive_mutex> lock_;
    CUresult refusal_ = CUDA_SUCCESS;
};

// Keeps what a destroyed handle stood for a while, so that no new object gets its address and the use of the old handle is found out.
void retire(std::shared_ptr<void> object);
template <class T> bool destroy(Owners<T>& owners, const void* handle) {
    auto found = owners.find(handle);
    if (found == owners.end()) {
        return false;
    }
    retire(std::move(found->second));
    owners.erase(found);
    return true;
}

bool isDevice(CUdevice device);

// --- contexts
Context* currentContext();
Context* contextOf(CUcontext handle);

// --- modules
// Finds the translation of an image; the device may be null, for one that is to run on any.
CUresult readImage(const void* image, const Architecture* device, unsigned count, CUjit_option* options, void** values,
                   std::shared_ptr<const Code>& code);
CUresult checkTarget(const Module& module, const Architecture& device, std::string& why);
// Null where the memory does not suffice.
std::shared_ptr<LoadedModule> loadCode(std::shared_ptr<const Code> code, Context& context);
void unload(LoadedModule& module);
Function* functionNamed(const LoadedModule& module, const char* name);
// A CUkernel may be given where a CUfunction is wanted: it stands for its function in the current context.
Function* functionOf(CUfunction handle);
Function* functionOf(Kernel& kernel, Context& context, CUresult& result);
Resources resourcesOf(const Code& code, const Entry& entry);
FunctionSettings initialSettings(const Entry& entry);
int attributeOf(const Code& code, const Entry& entry, const FunctionSettings& settings, const Architecture& architecture,
                CUfunction_attribute attribute);
CUresult setAttribute(const Entry& entry, FunctionSettings& settings, const Architecture& architecture, CUfunction_attribute attribute, int value);

// --- streams
Stream* streamOf(CUstream handle);  // null for a handle that is none
std::vector<Stream*> streamsOf(const Context& context);
// Puts work at the end of a stream, or into the graph it captures.
CUresult enqueue(Stream& stream, std::function<CUresult()> run, bool always = false);
CUresult enqueueKernel(Stream& stream, std::shared_ptr<KernelCall> kernel);
void enqueueWait(Stream& stream, std::shared_ptr<Event> event);
// Runs what is due, in an order of the schedule's, until the condition holds or nothing can run.
CUresult drainUntil(const std::function<bool()>& condition);
CUresult drain(Stream& stream);
CUresult drainContext(Context& context);
bool drainOne();
// What goes on when a context ends: its streams are dropped, but nobody waits for ever for their events.
void dropWork(Context& context);

// --- capture
// For calls that a capture forbids in its mode; invalidates it.
CUresult refusedByCapture();
// For calls that wait for everything in the context.
CUresult refusedByCaptureIn(const Context& context);
// For work in a default stream, which would wait for the blocking streams, of which one captures.
CUresult refusedByCaptureBeside(const Stream& legacy);
// For a stream that ends.
void abandonCapture(Stream& stream);
CUresult refuseInCapture(const Stream& stream, const char* what);

// --- launches
CUresult setFunction(KernelCall& kernel, CUfunction handle);
CUresult execute(const KernelCall& kernel);
CUresult checkLaunch(const KernelCall& kernel);
CUresult packParameters(const Function& function, void** parameters, void** extra, std::vector<std::uint8_t>& packed);
int blocksPerMultiprocessor(const Function& function, const Architecture& architecture, std::uint32_t threads, std::uint64_t dynamicShared);

// --- memory
bool isPageable(std::uint64_t address);
Pool* poolOf(CUmemoryPool handle);
CUresult releaseDevice(std::uint64_t address);

const Architecture& architectureOf(const Context& context);
std::uint64_t currentCall();
double milliseconds();

}  // namespace fusor::sim
