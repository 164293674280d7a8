#include "driver.h"

#include <chrono>

#include "control.h"

namespace fusor::sim {

namespace {

constexpr std::size_t kRetired = 4096;

CUresult missing(Needs needs) {
    const Driver& d = driver();
    if (needs != Needs::Nothing && !d.initialised) {
        return CUDA_ERROR_NOT_INITIALIZED;
    }
    if (d.inHostFunction) {
        return CUDA_ERROR_NOT_PERMITTED;
    }
    if (needs != Needs::Context) {
        return CUDA_SUCCESS;
    }
    const Context* context = currentContext();
    if (context == nullptr) {
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    return context->alive() ? context->broken : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

}  // namespace

Driver& driver() {
    static Driver* const instance = new Driver;  // never destroyed: threads may outlive the end of main
    return *instance;
}

Call::Call(const char* function, Needs needs) : lock_(driver().lock) {
    Driver& d = driver();
    d.calls++;
    const std::uint64_t number = ++d.callsOf[function];
    auto plan = d.faults.find(function);
    if (plan != d.faults.end()) {
        auto fault = plan->second.find(number);
        if (fault != plan->second.end()) {
            refusal_ = fault->second;
            plan->second.erase(fault);
            return;
        }
    }
    refusal_ = missing(needs);
}

void retire(std::shared_ptr<void> object) {
    auto& retired = driver().retired;
    retired.push_back(std::move(object));
    if (retired.size() > kRetired) {
        retired.pop_front();
    }
}

std::uint64_t currentCall() { return driver().calls; }

bool isDevice(CUdevice device) { return device >= 0 && device < static_cast<int>(driver().devices.size()); }

double milliseconds() {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

const Architecture& architectureOf(const Context& context) { return *driver().devices[context.device].architecture; }

}  // namespace fusor::sim
