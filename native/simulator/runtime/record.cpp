#include "record.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <stdexcept>

#include "memory.h"
#include "shadow.h"

namespace fusor::sim {
namespace {

constexpr char kMagic[8] = {'f', 'u', 's', 'o', 'r', 's', 'i', '2'};

std::mutex lock_;
std::string folder_;
std::uint64_t threads_ = 0;

std::uint64_t volume(const Dim& dim) { return static_cast<std::uint64_t>(dim.x) * dim.y * dim.z; }

template <class T> void put(std::ostream& out, const T& value) { out.write(reinterpret_cast<const char*>(&value), sizeof value); }

template <class T> T get(std::istream& in) {
    T value{};
    in.read(reinterpret_cast<char*>(&value), sizeof value);
    return value;
}

std::string getText(std::istream& in) {
    std::string text(get<std::uint32_t>(in), '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    return text;
}

void putText(std::ostream& out, const std::string& text) {
    put(out, static_cast<std::uint32_t>(text.size()));
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
}

std::string shape(const Dim& dim) { return std::to_string(dim.x) + "x" + std::to_string(dim.y) + "x" + std::to_string(dim.z); }

}  // namespace

void recordLaunches(const std::string& folder, std::uint64_t threads) {
    std::lock_guard guard(lock_);
    folder_ = folder;
    threads_ = threads;
}

void record(const Launch& launch) {
    std::lock_guard guard(lock_);
    if (folder_.empty() || volume(launch.grid) * volume(launch.block) > threads_) {
        return;
    }
    const std::vector<Allocation> live = memory::live();
    for (const Allocation& allocation : live) {
        if (allocation.kind == Kind::Registered) {
            return;  // its address belongs to the process that registered it
        }
    }
    const std::string name = std::string(launch.module->sha256) + "-" + launch.entry->name + "-" + shape(launch.grid) + "-" +
                             shape(launch.block) + ".launch";
    const std::filesystem::path file = std::filesystem::path(folder_) / name;
    if (std::filesystem::exists(file)) {
        return;
    }
    const std::filesystem::path temporary = file.string() + ".part";
    {
        std::ofstream out(temporary, std::ios::binary);
        out.write(kMagic, sizeof kMagic);
        putText(out, launch.module->sha256);
        putText(out, launch.entry->name);
        put(out, launch.grid);
        put(out, launch.block);
        put(out, launch.cluster);
        put(out, launch.dynamicSharedBytes);
        put(out, launch.cooperative);
        put(out, launch.device);
        put(out, launch.peers);
        out.write(reinterpret_cast<const char*>(launch.parameters), launch.entry->parameterBytes);
        put(out, launch.module->variableCount);
        for (std::uint32_t i = 0; i < launch.module->variableCount; i++) {
            put(out, launch.variables[i]);
        }
        put(out, static_cast<std::uint64_t>(live.size()));
        for (const Allocation& allocation : live) {
            put(out, allocation);
            out.write(reinterpret_cast<const char*>(allocation.address), static_cast<std::streamsize>(allocation.bytes));
            out.write(reinterpret_cast<const char*>(shadow::of(allocation.address)), static_cast<std::streamsize>(allocation.bytes));
        }
    }
    std::filesystem::rename(temporary, file);
}

Recording::Recording(const std::string& file, const Module& module) {
    std::ifstream in(file, std::ios::binary);
    char magic[sizeof kMagic] = {};
    in.read(magic, sizeof magic);
    if (!in || std::memcmp(magic, kMagic, sizeof magic) != 0) {
        throw std::runtime_error(file + " is no recorded launch");
    }
    if (getText(in) != module.sha256) {
        throw std::runtime_error(file + " was recorded with another module");
    }
    const std::string name = getText(in);
    for (std::uint32_t i = 0; i < module.entryCount; i++) {
        if (name == module.entries[i].name) {
            launch_.entry = &module.entries[i];
        }
    }
    if (launch_.entry == nullptr) {
        throw std::runtime_error("the module has no kernel " + name);
    }
    launch_.module = &module;
    launch_.grid = get<Dim>(in);
    launch_.block = get<Dim>(in);
    launch_.cluster = get<Dim>(in);
    launch_.dynamicSharedBytes = get<std::uint32_t>(in);
    launch_.cooperative = get<bool>(in);
    launch_.device = get<int>(in);
    launch_.peers = get<std::uint64_t>(in);
    parameters_.resize(launch_.entry->parameterBytes + 1);
    in.read(reinterpret_cast<char*>(parameters_.data()), launch_.entry->parameterBytes);
    if (get<std::uint32_t>(in) != module.variableCount) {
        throw std::runtime_error(file + " was recorded with other variables than the module has");
    }
    for (std::uint32_t i = 0; i < module.variableCount; i++) {
        variables_.push_back(get<std::uint64_t>(in));
    }
    const auto count = get<std::uint64_t>(in);
    for (std::uint64_t i = 0; i < count; i++) {
        const auto allocation = get<Allocation>(in);
        std::vector<char> bytes(allocation.bytes);
        std::vector<char> shadow(allocation.bytes);
        in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        in.read(shadow.data(), static_cast<std::streamsize>(shadow.size()));
        memory::restore(allocation, bytes.data(), reinterpret_cast<const std::uint8_t*>(shadow.data()));
    }
    if (!in) {
        throw std::runtime_error(file + " ends too early");
    }
    launch_.parameters = parameters_.data();
    launch_.variables = variables_.data();
}

}  // namespace fusor::sim
