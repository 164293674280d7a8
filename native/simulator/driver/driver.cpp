#include "driver.h"

#include <chrono>

#include "control.h"

namespace fusor::sim {

Driver& driver() {
    static Driver* const instance = new Driver;  // never destroyed: threads may outlive the end of main
    return *instance;
}

Call::Call(const char* function, bool beforeInit) : lock_(driver().lock) {
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
    if (!beforeInit && !d.initialised) {
        refusal_ = CUDA_ERROR_NOT_INITIALIZED;
    } else if (d.inHostFunction) {
        refusal_ = CUDA_ERROR_NOT_PERMITTED;
    }
}

std::uint64_t currentCall() { return driver().calls; }

double milliseconds() {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

const Architecture& architectureOf(const Context& context) { return *driver().devices[context.device].architecture; }

}  // namespace fusor::sim
