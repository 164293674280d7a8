// Contexts: the primary one of each device, others, and the stack of current ones that each thread has.
#include <algorithm>

#include "driver.h"

using namespace fusor::sim;

namespace {

struct CurrentContexts {
    std::uint64_t epoch = 0;
    std::vector<Context*> stack;
};

thread_local CurrentContexts current_;

std::vector<Context*>& stack() {
    if (current_.epoch != driver().epoch) {
        current_ = {driver().epoch, {}};
    }
    return current_.stack;
}

bool isDevice(CUdevice device) { return device >= 0 && device < static_cast<int>(driver().devices.size()); }

void makeCurrent(Context* context) {
    if (!stack().empty()) {
        stack().pop_back();
    }
    if (context != nullptr) {
        stack().push_back(context);
    }
}

CUcontext handle(Context* context) { return reinterpret_cast<CUcontext>(context); }

void destroy(Context& context) {
    destroyContents(context);
    driver().contexts.erase(&context);
}

CUresult releasePrimary(Device& device, bool all) {
    Context* context = device.primary.get();
    if (context == nullptr || context->references == 0) {
        return all ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
    }
    context->references = all ? context->references : context->references - 1;
    if (all || context->references == 0) {
        const unsigned references = all ? context->references : 0;
        destroyContents(*context);
        context->references = references;
        context->broken = CUDA_SUCCESS;
    }
    return CUDA_SUCCESS;
}

}  // namespace

namespace fusor::sim {

Context* currentContext() {
    return stack().empty() ? nullptr : stack().back();
}

Context* contextOf(CUcontext handle) {
    Driver& d = driver();
    for (Device& device : d.devices) {
        if (device.primary != nullptr && reinterpret_cast<CUcontext>(device.primary.get()) == handle) {
            return device.primary.get();
        }
    }
    auto found = d.contexts.find(handle);
    return found == d.contexts.end() ? nullptr : found->second.get();
}

Context* makeContext(int device, unsigned flags, bool primary) {
    Driver& d = driver();
    auto context = std::make_unique<Context>();
    context->what = primary ? "primary context" : "context";
    context->call = currentCall();
    context->device = device;
    context->primary = primary;
    context->flags = flags;
    context->id = ++d.contextIds;
    context->peers = {};
    context->legacy = std::make_unique<Stream>();
    context->legacy->what = "default stream";
    context->legacy->context = context.get();
    context->legacy->legacy = true;
    Context* made = context.get();
    if (primary) {
        d.devices[device].primary = std::move(context);
    } else {
        d.contexts[made] = std::move(context);
    }
    return made;
}

// Everything that was made in a context goes with it.
void destroyContents(Context& context) {
    Driver& d = driver();
    const auto drop = [&](auto& owners) {
        for (auto it = owners.begin(); it != owners.end();) {
            it = it->second->context == &context ? owners.erase(it) : std::next(it);
        }
    };
    for (auto& [key, module] : d.loaded) {
        if (module->context == &context) {
            for (auto& function : module->functions) {
                d.functions.erase(function.get());
            }
            for (std::uint64_t address : module->variables) {
                memory::release(address);
            }
        }
    }
    drop(d.execs);
    drop(d.graphs);
    drop(d.streams);
    drop(d.events);
    drop(d.loaded);
    context.legacy->operations.clear();
    context.peers.clear();
    for (auto it = d.allocations.begin(); it != d.allocations.end();) {
        if (it->second.context == &context && it->second.pool == nullptr) {
            memory::release(it->first);
            it = d.allocations.erase(it);
        } else {
            ++it;
        }
    }
}

}  // namespace fusor::sim

FUSOR_SIM_API cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
    FUSOR_SIM_CALL
    if (!isDevice(device) || context == nullptr) {
        return context == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_DEVICE;
    }
    Device& d = driver().devices[device];
    if (d.primary == nullptr) {
        makeContext(device, 0, true);
    }
    if (d.primary->references == 0) {
        d.primary->call = currentCall();
    }
    d.primary->references++;
    *context = handle(d.primary.get());
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    FUSOR_SIM_CALL
    return isDevice(device) ? releasePrimary(driver().devices[device], false) : CUDA_ERROR_INVALID_DEVICE;
}

FUSOR_SIM_API cuDevicePrimaryCtxReset_v2(CUdevice device) {
    FUSOR_SIM_CALL
    return isDevice(device) ? releasePrimary(driver().devices[device], true) : CUDA_ERROR_INVALID_DEVICE;
}

FUSOR_SIM_API cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned int flags) {
    FUSOR_SIM_CALL
    if (!isDevice(device)) {
        return CUDA_ERROR_INVALID_DEVICE;
    }
    if ((flags & ~static_cast<unsigned>(CU_CTX_FLAGS_MASK)) != 0) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    Device& d = driver().devices[device];
    if (d.primary == nullptr) {
        makeContext(device, flags, true);
    }
    d.primary->flags = flags;
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
    Context* made = makeContext(device, flags, false);
    stack().push_back(made);
    *context = handle(made);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuCtxDestroy_v2(CUcontext context) {
    FUSOR_SIM_CALL
    Context* found = contextOf(context);
    if (found == nullptr || found->primary) {
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    auto& contexts = stack();
    contexts.erase(std::remove(contexts.begin(), contexts.end(), found), contexts.end());
    destroy(*found);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuCtxSetCurrent(CUcontext context) {
    FUSOR_SIM_CALL
    Context* found = contextOf(context);
    if (context != nullptr && found == nullptr) {
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    makeCurrent(found);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuCtxGetCurrent(CUcontext* context) {
    FUSOR_SIM_CALL
    if (context == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *context = handle(currentContext());
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuCtxPushCurrent_v2(CUcontext context) {
    FUSOR_SIM_CALL
    Context* found = contextOf(context);
    if (found == nullptr) {
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    stack().push_back(found);
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
    if (currentContext() == nullptr) {
        return CUDA_ERROR_INVALID_CONTEXT;
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
    if (const CUresult refused = refusedByCapture(); refused != CUDA_SUCCESS) {
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
