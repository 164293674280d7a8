// Runs one entry of a translated module on the runtime alone: what the tests of the translator call, with no driver between.
#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "launch.h"
#include "memory.h"

namespace {

using namespace fusor::sim;

struct Loaded {
    const Module* module = nullptr;
    std::vector<std::uint64_t> variables;
};

// Variables live as long as the process, as the module does.
Loaded load(const char* path, std::string& problem) {
    void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        problem = dlerror();
        return {};
    }
    Loaded loaded{static_cast<const Module*>(dlsym(library, "fusor_module")), {}};
    for (std::uint32_t i = 0; i < loaded.module->variableCount; i++) {
        const Variable& variable = loaded.module->variables[i];
        const std::uint64_t address = memory::allocate(variable.size, Kind::Variable, 0);
        problem += variable.initial == nullptr
                       ? memory::fill(address, 0, 1, variable.size)
                       : memory::copy(address, reinterpret_cast<std::uint64_t>(variable.initial), variable.size);
        loaded.variables.push_back(address);
    }
    return loaded;
}

int answer(const std::string& text, int code, char* report, std::size_t size) {
    const std::size_t length = std::min(text.size(), size - 1);
    std::memcpy(report, text.data(), length);
    report[length] = 0;
    return code;
}

}  // namespace

// The parameters of the entry are pointers to the buffers, in their order; buffers are copied to the device and back.
// shape: grid, block and cluster, three numbers each, then the bytes of dynamic shared memory. Gives the FaultKind, or -1.
extern "C" int fusor_check_run(const char* path, const char* name, const std::uint32_t* shape, std::uint32_t buffers, void* const* hosts,
                               const std::uint64_t* sizes, int order, char* report, std::size_t reportSize) {
    static std::map<std::string, Loaded> modules;
    std::string problem;
    if (!modules.contains(path)) {
        modules[path] = load(path, problem);
    }
    const Loaded& loaded = modules[path];
    if (loaded.module == nullptr || !problem.empty()) {
        return answer(problem, -1, report, reportSize);
    }
    const Entry* end = loaded.module->entries + loaded.module->entryCount;
    const Entry* entry = std::find_if(loaded.module->entries, end, [name](const Entry& one) { return std::strcmp(one.name, name) == 0; });
    if (entry == end || entry->parameterBytes != 8 * buffers) {
        return answer("no such entry with so many pointers", -1, report, reportSize);
    }
    std::vector<std::uint64_t> addresses;
    for (std::uint32_t i = 0; i < buffers; i++) {
        addresses.push_back(memory::allocate(sizes[i], Kind::Device, 0));
        problem += memory::copy(addresses[i], reinterpret_cast<std::uint64_t>(hosts[i]), sizes[i]);
    }
    Launch launch{};
    launch.module = loaded.module;
    launch.entry = entry;
    launch.parameters = reinterpret_cast<const std::uint8_t*>(addresses.data());
    launch.variables = loaded.variables.data();
    launch.grid = {shape[0], shape[1], shape[2]};
    launch.block = {shape[3], shape[4], shape[5]};
    launch.cluster = {shape[6], shape[7], shape[8]};
    launch.dynamicSharedBytes = shape[9];
    Schedule schedule;
    schedule.order = static_cast<ThreadOrder>(order);
    const Fault fault = run(launch, schedule);
    for (std::uint32_t i = 0; i < buffers; i++) {
        problem += memory::copy(reinterpret_cast<std::uint64_t>(hosts[i]), addresses[i], sizes[i]);
        memory::release(addresses[i]);
    }
    return answer(fault.report + problem, problem.empty() ? static_cast<int>(fault.kind) : -1, report, reportSize);
}
