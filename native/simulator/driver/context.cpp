// Contexts: the primary one of each device, others, and the stack of current ones that each thread has.
#include <algorithm>

#include "driver.h"

using namespace fusor::sim;

namespace {

// A thread keeps its contexts, even those that another one destroys meanwhile: using them is an error, and no crash.
struct CurrentContexts {
    std::uint64_t epoch = 0;
    std::vector<std::shared_ptr<Context>> stack;
};

thread_local CurrentContexts current_;

std::vector<std::shared_ptr<Context>>& stack() {
    if (current_.epoch != driver().epoch) {
        current_ = {driver().epoch, {}};
    }
    return current_.stack;
}

std::shared_ptr<Context> ownerOf(CUcontext handle) {
    for (const Device& device : driver().devices) {
        if (device.primary != nullptr && reinterpret_cast<CUcontext>(device.primary.get()) == handle) {
            return device.primary;
        }
    }
    auto found = driver().contexts.find(handle);
    return found == driver().contexts.end() ? nullptr : found->second;
}

CUcontext handle(const std::shared_ptr<Context>& context) { return reinterpret_cast<CUcontext>(context.get()); }

std::shared_ptr<Context> makeContext(int device, unsigned flags, bool primary) {
    auto context = std::make_shared<Context>();
    context->what = primary ? "primary context" : "context";
    context->call = currentCall();
    context->device = device;
    context->primary = primary;
    context->flags = flags;
    context->id = ++driver().contextIds;
    context->legacy = std::make_unique<Stream>();
    context->legacy->what = "default stream";
    context->legacy->call = currentCall();
    context->legacy->context = context.get();
    context->legacy->legacy = true;
    return context;
}

Context& primaryOf(CUdevice device) {
    std::shared_ptr<Context>& primary = driver().devices[device].primary;
    if (primary == nullptr) {
        primary = makeContext(device, 0, true);
    }
    return *primary;
}

template <class T> void destroyAll(Owners<T>& owners, const Context& context) {
    std::vector<const void*> handles;
    for (const auto& [key, object] : owners) {
        if (object->context == &context) {
            handles.push_back(key);
        }
    }
    for (const void* key : handles) {
        destroy(owners, key);
    }
}

void releaseMemory(const Context& context) {
    Driver& d = driver();
    for (auto it = d.allocations.begin(); it != d.allocations.end();) {
        auto next = std::next(it);
        if (it->second.context == &context) {
            releaseDevice(it->first);
        }
        it = next;
    }
    for (auto it = d.hosts.begin(); it != d.hosts.end();) {
        if (it->second.context == &context) {
            it->second.registered ? memory::withdraw(reinterpret_cast<void*>(it->first)) : memory::release(it->first);
            it = d.hosts.erase(it);
        } else {
            ++it;
        }
    }
}

// Everything that was made in a context goes with it.
void destroyContents(Context& context) {
    Driver& d = driver();
    dropWork(context);
    for (auto& [key, module] : d.loaded) {
        if (module->context == &context) {
            unload(*module);
        }
    }
    for (auto& [key, library] : d.libraries) {
        if (auto loaded = library->loaded.find(&context); loaded != library->loaded.end()) {
            unload(*loaded->second);
            library->loaded.erase(loaded);
        }
    }
    destroyAll(d.execs, context);
    destroyAll(d.graphs, context);
    destroyAll(d.streams, context);
    destroyAll(d.events, context);
    destroyAll(d.loaded, context);
    context.peers.clear();
    context.limits.clear();
    releaseMemory(context);
}

CUresult leavePrimary(CUdevice device, bool reset) {
    Context* context = driver().devices[device].primary.get();
    if (context == nullptr || context->references == 0) {
        return reset ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
    }
    if (!reset) {
        context->references--;
    }
    if (reset || context->references == 0) {
        destroyContents(*context);
        context->broken = CUDA_SUCCESS;
    }
    return CUDA_SUCCESS;
}

}  // namespace

namespace fusor::sim {

Context* currentContext() { return stack().empty() ? nullptr : stack().back().get(); }

Context* contextOf(CUcontext handle) {
    Context* found = ownerOf(handle).get();
    return found == nullptr || !found->alive() ? nullptr : found;
}

}  // namespace fusor::sim

FUSOR_SIM_API cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
    FUSOR_SIM_CALL
    if (!isDevice(device) || context == nullptr) {
        return context == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_DEVICE;
    }
    Context& primary = primaryOf(device);
    if (primary.references++ == 0) {
        primary.call = currentCall();
    }
    *context = handle(driver().devices[device].primary);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    FUSOR_SIM_CALL
    return isDevice(device) ? leavePrimary(device, false) : CUDA_ERROR_INVALID_DEVICE;
}

FUSOR_SIM_API cuDevicePrimaryCtxReset_v2(CUdevice device) {
    FUSOR_SIM_CALL
    return isDevice(device) ? leavePrimary(device, true) : CUDA_ERROR_INVALID_DEVICE;
}

FUSOR_SIM_API cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned int flags) {
    FUSOR_SIM_CALL
    if (!isDevice(device)) {
        return CUDA_ERROR_INVALID_DEVICE;
    }
    if ((flags & ~static_cast<unsigned>(CU_CTX_FLAGS_MASK)) != 0) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    primaryOf(device).flags = flags;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuDevicePrimaryCtxGetState(CUdevice device, unsigned int* flags, int* active) {
    FUSOR_SIM_CALL
    if (!isDevice(device)) {
        return CUDA_ERROR_INVALID_DEVICE;
    }
    const Context* context = driver().devices[device].primary.get();
    if (flags != nullptr) {
        *flags = context == nullptr ? 0 : context->flags;
    }
    if (active != nullptr) {
        *active = context != nullptr && context->references > 0;
    }
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuCtxCreate_v4(CUcontext* context, CUctxCreateParams* parameters, unsigned int flags, CUdevice device) {
    FUSOR_SIM_CALL
    if (context == nullptr || (flags & ~static_cast<unsigned>(CU_CTX_FLAGS_MASK)) != 0) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (!isDevice(device)) {
        return CUDA_ERROR_INVALID_DEVICE;
    }
    if (parameters != nullptr && (parameters->numExecAffinityParams != 0 || parameters->cigParams != nullptr)) {
        return CUDA_ERROR_NOT_SUPPORTED;
    }
    const std::shared_ptr<Context> made = makeContext(device, flags, false);
    driver().contexts[made.get()] = made;
    stack().push_back(made);
    *context = handle(made);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuCtxDestroy_v2(CUcontext context) {
    FUSOR_SIM_CALL
    const std::shared_ptr<Context> found = ownerOf(context);
    if (found == nullptr || found->primary) {
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    if (!stack().empty() && stack().back() == found) {
        stack().pop_back();  // elsewhere it stays current, and cannot be used
    }
    destroyContents(*found);
    found->destroyed = true;
    destroy(driver().contexts, context);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuCtxSetCurrent(CUcontext context) {
    FUSOR_SIM_CALL
    if (context != nullptr && contextOf(context) == nullptr) {
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    if (!stack().empty()) {
        stack().pop_back();
    }
    if (context != nullptr) {
        stack().push_back(ownerOf(context));
    }
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuCtxGetCurrent(CUcontext* context) {
    FUSOR_SIM_CALL
    if (context == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *context = stack().empty() ? nullptr : handle(stack().back());
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuCtxPushCurrent_v2(CUcontext context) {
    FUSOR_SIM_CALL
    if (contextOf(context) == nullptr) {
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    stack().push_back(ownerOf(context));
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuCtxPopCurrent_v2(CUcontext* context) {
    FUSOR_SIM_CALL
    if (stack().empty()) {
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    if (context != nullptr) {
        *context = handle(stack().back());
    }
    stack().pop_back();
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuCtxGetDevice(CUdevice* device) {
    FUSOR_SIM_CALL
    if (currentContext() == nullptr || !currentContext()->alive()) {
        return currentContext() == nullptr ? CUDA_ERROR_INVALID_CONTEXT : CUDA_ERROR_CONTEXT_IS_DESTROYED;
    }
    if (device == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *device = currentContext()->device;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuCtxGetId(CUcontext context, unsigned long long* id) {
    FUSOR_SIM_CALL
    const Context* found = context == nullptr ? currentContext() : contextOf(context);
    if (found == nullptr) {
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    if (id == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *id = found->id;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuCtxGetApiVersion(CUcontext context, unsigned int* version) {
    FUSOR_SIM_CALL
    if ((context == nullptr ? currentContext() : contextOf(context)) == nullptr) {
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    if (version == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *version = 3020;  // what the driver has answered since contexts were last changed, in CUDA 3.2
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuCtxSynchronize(void) {
    FUSOR_SIM_CALL_IN_CONTEXT
    if (const CUresult refused = refusedByCaptureIn(*currentContext()); refused != CUDA_SUCCESS) {
        return refused;
    }
    return drainContext(*currentContext());
}

FUSOR_SIM_API cuCtxGetStreamPriorityRange(int* least, int* greatest) {
    FUSOR_SIM_CALL_IN_CONTEXT
    if (least != nullptr) {
        *least = 0;
    }
    if (greatest != nullptr) {
        *greatest = -5;
    }
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuCtxGetLimit(std::size_t* value, CUlimit limit) {
    FUSOR_SIM_CALL_IN_CONTEXT
    if (value == nullptr || limit >= CU_LIMIT_MAX) {
        return value == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_UNSUPPORTED_LIMIT;
    }
    static const std::map<CUlimit, std::size_t> standard = {
        {CU_LIMIT_STACK_SIZE, 1024}, {CU_LIMIT_PRINTF_FIFO_SIZE, 1 << 20}, {CU_LIMIT_MALLOC_HEAP_SIZE, 8 << 20}};
    auto set = currentContext()->limits.find(limit);
    auto known = standard.find(limit);
    *value = set != currentContext()->limits.end() ? set->second : known != standard.end() ? known->second : 0;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuCtxSetLimit(CUlimit limit, std::size_t value) {
    FUSOR_SIM_CALL_IN_CONTEXT
    if (limit >= CU_LIMIT_MAX) {
        return CUDA_ERROR_UNSUPPORTED_LIMIT;
    }
    currentContext()->limits[limit] = value;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuCtxEnablePeerAccess(CUcontext peer, unsigned int flags) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Context* other = contextOf(peer);
    if (other == nullptr) {
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    if (flags != 0) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (other->device == currentContext()->device) {
        return CUDA_ERROR_INVALID_DEVICE;
    }
    return currentContext()->peers.insert(other->device).second ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
}

FUSOR_SIM_API cuCtxDisablePeerAccess(CUcontext peer) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Context* other = contextOf(peer);
    if (other == nullptr) {
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    return currentContext()->peers.erase(other->device) == 1 ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
}
