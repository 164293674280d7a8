// Runs a recorded launch again. Built plainly, with ThreadSanitizer and with AddressSanitizer it is what racecheck and memcheck are on a
// device; translated code is all that is instrumented.
//
// usage: replay [--without-barrier LINE] RECORDING MODULE [ascending|descending|random [SEED]]
// LINE, of the PTX, names a barrier to be passed as if it were not there.
// exit status: 0 clean, 1 a fault (its report on standard error), 2 bad usage; a sanitizer adds its own
#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "runtime/launch.h"
#include "runtime/memory.h"
#include "runtime/record.h"

// Seconds that no recording takes. A kernel that lacks a barrier may loop in one thread for ever, which no other can end.
constexpr unsigned kLongest = 600;

int main(int count, char** arguments) {
    using namespace fusor::sim;
    alarm(kLongest);
    Schedule schedule;
    if (count > 2 && std::strcmp(arguments[1], "--without-barrier") == 0) {
        schedule.withoutBarrier = static_cast<std::uint32_t>(std::strtoul(arguments[2], nullptr, 10));
        arguments += 2;
        count -= 2;
    }
    if (count < 3 || count > 5) {
        std::fprintf(stderr, "usage: replay [--without-barrier LINE] RECORDING MODULE [ascending|descending|random [SEED]]\n");
        return 2;
    }
    void* handle = dlopen(arguments[2], RTLD_NOW);
    const auto* module = handle == nullptr ? nullptr : static_cast<const Module*>(dlsym(handle, "fusor_module"));
    if (module == nullptr || module->abi != kModuleAbi) {
        std::fprintf(stderr, "replay: %s is no translated module: %s\n", arguments[2], handle == nullptr ? dlerror() : "built for another simulator");
        return 2;
    }
    if (count > 3) {
        schedule.order = std::strcmp(arguments[3], "descending") == 0 ? ThreadOrder::Descending
                         : std::strcmp(arguments[3], "random") == 0   ? ThreadOrder::Random
                                                                      : ThreadOrder::Ascending;
    }
    if (count > 4) {
        schedule.seed = std::strtoull(arguments[4], nullptr, 10);
    }
    try {
        memory::Open open;  // the sanitizers look at memory whenever they like
        const Recording recording(arguments[1], *module);
        const Fault fault = run(recording.launch(), schedule);
        if (fault.kind != FaultKind::None) {
            std::fprintf(stderr, "replay: %s\n", fault.report.c_str());
            return 1;
        }
    } catch (const std::exception& e) {
        std::fprintf(stderr, "replay: %s\n", e.what());
        return 2;
    }
    return 0;
}
