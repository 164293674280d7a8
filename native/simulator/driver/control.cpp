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

std::string line(const Object& object, const void* address) {
    char text[160];
    std::snprintf(text, sizeof text, "%s %p, made by call %llu\n", object.what, address, static_cast<unsigned long long>(object.call));
    return text;
}

std::vector<std::string> ledger() {
    const Driver& d = driver();
    std::vector<std::string> lines;
    const auto add = [&](const auto& owners) {
        for (const auto& [key, object] : owners) {
            lines.push_back(line(*object, key));
        }
    };
    for (const Device& device : d.devices) {
        if (device.primary != nullptr && device.primary->references > 0) {
            lines.push_back(line(*device.primary, device.primary.get()));
        }
    }
    add(d.contexts);
    add(d.loaded);
    add(d.streams);
    add(d.events);
    add(d.graphs);
    add(d.execs);
    add(d.pools);
    const auto memoryLine = [&](const char* what, std::uint64_t address, std::uint64_t call) {
        Allocation allocation{};
        memory::find(address, allocation);
        char text[160];
        std::snprintf(text, sizeof text, "%s of %llu bytes at 0x%llx, made by call %llu\n", what,
                      static_cast<unsigned long long>(allocation.bytes), static_cast<unsigned long long>(address),
                      static_cast<unsigned long long>(call));
        lines.push_back(text);
    };
    for (const auto& [address, allocation] : d.allocations) {
        memoryLine(allocation.pool == nullptr ? "device memory" : "device memory of a pool", address, allocation.call);
    }
    for (const auto& [address, host] : d.hosts) {
        memoryLine(host.registered ? "registered host memory" : "page-locked host memory", address, host.call);
    }
    return lines;
}

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
    std::string text;
    for (const std::string& each : ledger()) {
        text += each;
    }
    return copyText(text, buffer, size);
}

FUSOR_SIM_CONTROL uint64_t fusor_sim_live(void) {
    std::lock_guard lock(driver().lock);
    return ledger().size();
}

FUSOR_SIM_CONTROL void fusor_sim_record(const char* folder, uint64_t threads) {
    std::lock_guard lock(driver().lock);
    recordLaunches(folder == nullptr ? "" : folder, threads);
}
