#include "control.h"

#include <cstring>

#include "../runtime/record.h"
#include "driver.h"

using namespace fusor::sim;

#define FUSOR_SIM_CONTROL extern "C" __attribute__((visibility("default")))

namespace {

std::size_t copyText(const std::string& text, char* buffer, std::size_t size) {
    if (buffer != nullptr && size > 0) {
        const std::size_t length = std::min(text.size(), size - 1);
        std::memcpy(buffer, text.data(), length);
        buffer[length] = '\0';
    }
    return text.size();
}

// Lines by the number of the call that made what they name.
class Ledger {
public:
    Ledger() {
        const Driver& d = driver();
        for (const Device& device : d.devices) {
            if (device.primary != nullptr && device.primary->references > 0) {
                add(*device.primary, device.primary.get());
            }
        }
        addAll(d.contexts);
        addAll(d.loaded);
        addAll(d.libraries);
        addAll(d.streams);
        addAll(d.events);
        addAll(d.graphs);
        addAll(d.execs);
        addAll(d.pools);
        for (const auto& [address, allocation] : d.allocations) {
            addMemory(allocation.pool == nullptr ? "device memory" : "device memory of a pool", address, allocation.call);
        }
        for (const auto& [address, host] : d.hosts) {
            addMemory(host.registered ? "registered host memory" : "page-locked host memory", address, host.call);
        }
    }

    std::uint64_t size() const { return lines_.size(); }

    std::string text() const {
        std::string all;
        for (const auto& [call, line] : lines_) {
            all += line;
        }
        return all;
    }

private:
    void add(const Object& object, const void* address) {
        char text[160];
        std::snprintf(text, sizeof text, "%s %p, made by call %llu\n", object.what, address, static_cast<unsigned long long>(object.call));
        lines_.emplace(object.call, text);
    }

    template <class T> void addAll(const Owners<T>& owners) {
        for (const auto& [key, object] : owners) {
            add(*object, key);
        }
    }

    void addMemory(const char* what, std::uint64_t address, std::uint64_t call) {
        Allocation allocation{};
        memory::find(address, allocation);
        char text[160];
        std::snprintf(text, sizeof text, "%s of %llu bytes at 0x%llx, made by call %llu\n", what, static_cast<unsigned long long>(allocation.bytes),
                      static_cast<unsigned long long>(address), static_cast<unsigned long long>(call));
        lines_.emplace(call, text);
    }

    std::multimap<std::uint64_t, std::string> lines_;
};

}  // namespace

FUSOR_SIM_CONTROL void fusor_sim_reset(void) {
    Driver& d = driver();
    std::lock_guard lock(d.lock);
    d.execs.clear();
    d.graphs.clear();
    d.streams.clear();
    d.events.clear();
    d.loaded.clear();
    d.functions.clear();
    d.libraries.clear();
    d.kernels.clear();
    d.retired.clear();
    d.contexts.clear();
    d.pools.clear();
    d.devices.clear();
    d.allocations.clear();
    d.hosts.clear();
    memory::reset();
    d.faults.clear();
    d.callsOf.clear();
    d.calls = d.tickets = d.contextIds = 0;
    d.report.clear();
    d.random.seed(d.schedule.seed);
    d.initialised = false;
    d.inHostFunction = false;
    d.epoch++;
}

FUSOR_SIM_CONTROL int fusor_sim_devices(const char* architecture, int count) {
    std::lock_guard lock(driver().lock);
    if (architectureNamed(architecture) == nullptr || count < 0 || count > static_cast<int>(shadow::kDevices)) {
        return -1;
    }
    driver().architecture = architecture;
    driver().deviceCount = count;
    return 0;
}

FUSOR_SIM_CONTROL void fusor_sim_capacity(uint64_t bytes) { memory::capacity(bytes); }

FUSOR_SIM_CONTROL void fusor_sim_modules(const char* folder) {
    std::lock_guard lock(driver().lock);
    driver().modules = folder;
}

FUSOR_SIM_CONTROL void fusor_sim_schedule(int order, uint64_t seed, uint32_t workers, int activeMaskIsOwnLane) {
    std::lock_guard lock(driver().lock);
    Schedule& schedule = driver().schedule;
    schedule.order = order == 0 ? ThreadOrder::Ascending : order == 1 ? ThreadOrder::Descending : ThreadOrder::Random;
    schedule.seed = seed;
    schedule.workers = workers;
    schedule.activeMaskIsOwnLane = activeMaskIsOwnLane != 0;
    driver().random.seed(seed);
}

FUSOR_SIM_CONTROL void fusor_sim_fault(const char* function, uint64_t nth, int error) {
    std::lock_guard lock(driver().lock);
    driver().faults[function][driver().callsOf[function] + nth] = static_cast<CUresult>(error);
}

FUSOR_SIM_CONTROL void fusor_sim_clear_faults(void) {
    std::lock_guard lock(driver().lock);
    driver().faults.clear();
}

FUSOR_SIM_CONTROL uint64_t fusor_sim_calls(const char* function) {
    std::lock_guard lock(driver().lock);
    return driver().callsOf[function];
}

FUSOR_SIM_CONTROL size_t fusor_sim_report(char* buffer, size_t size) {
    std::lock_guard lock(driver().lock);
    return copyText(driver().report, buffer, size);
}

FUSOR_SIM_CONTROL size_t fusor_sim_ledger(char* buffer, size_t size) {
    std::lock_guard lock(driver().lock);
    return copyText(Ledger().text(), buffer, size);
}

FUSOR_SIM_CONTROL uint64_t fusor_sim_live(void) {
    std::lock_guard lock(driver().lock);
    return Ledger().size();
}

FUSOR_SIM_CONTROL void fusor_sim_record(const char* folder, uint64_t threads) {
    std::lock_guard lock(driver().lock);
    recordLaunches(folder == nullptr ? "" : folder, threads);
}
