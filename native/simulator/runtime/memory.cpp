#include "memory.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "sanitizer.h"
#include "shadow.h"

namespace fusor::sim {
namespace {

constexpr std::uint64_t kAlignment = 512;
constexpr std::uint64_t kGuard = 64 << 10;
constexpr int kPoison = 0xA5;
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kDefaultCapacity = 16ull << 30;

// Not through the interceptors of a sanitizer, which would go over the shadow of hundreds of gigabytes.
void* map(std::uint64_t at, std::uint64_t bytes, int protection, int flags) {
    const long result = syscall(SYS_mmap, at, bytes, protection, flags | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (result == -1 || (at != 0 && static_cast<std::uint64_t>(result) != at)) {
        std::perror("simulated CUDA driver: its windows of addresses cannot be had");
        std::abort();
    }
    return reinterpret_cast<void*>(result);
}

std::uint8_t* mapEverything() {
    for (unsigned region = 0; region <= shadow::kSharedRegion; region++) {
        const bool device = region < shadow::kDevices;
        map(shadow::regionStart(region), shadow::kRegionBytes, device ? PROT_NONE : PROT_READ | PROT_WRITE, MAP_FIXED_NOREPLACE);
    }
    return static_cast<std::uint8_t*>(map(0, shadow::kEnd - shadow::kBase, PROT_READ | PROT_WRITE, 0));
}

struct Region {
    std::uint64_t next = 0;  // offset where the next allocation may start
    std::uint64_t used = 0;
};

struct Registration {
    std::uint64_t bytes;
    std::uint64_t serial;
};

struct State {
    std::recursive_mutex lock;
    std::map<std::uint64_t, Allocation> live;
    std::map<std::uint64_t, Allocation> freed;
    std::map<std::uint64_t, Registration> registered;
    Region regions[shadow::kSharedRegion];
    std::uint64_t capacity = kDefaultCapacity;
    std::uint64_t serial = 0;
    int open = 0;
};

State& state() {
    static State* const instance = new State;  // never destroyed: threads may outlive the end of main
    return *instance;
}

std::uint64_t roundUp(std::uint64_t value, std::uint64_t to) { return (value + to - 1) / to * to; }

void protect(int protection) {
    for (unsigned device = 0; device < shadow::kDevices; device++) {
        const std::uint64_t bytes = roundUp(state().regions[device].next, kPage);
        if (bytes > 0) {
            syscall(SYS_mprotect, shadow::regionStart(device), bytes, protection);
        }
    }
}

std::string hex(std::uint64_t address) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(address));
    return text;
}

const char* nameOf(Kind kind) {
    switch (kind) {
        case Kind::Device: return "device allocation";
        case Kind::Pinned: return "pinned allocation";
        case Kind::Registered: return "registered host memory";
        default: return "variable";
    }
}

std::string nameOf(const Allocation& allocation) {
    return std::string(nameOf(allocation.kind)) + " " + std::to_string(allocation.serial) + " of " + std::to_string(allocation.bytes) +
           " bytes at " + hex(allocation.address) + (allocation.kind == Kind::Pinned ? "" : " on device " + std::to_string(allocation.device));
}

const Allocation* holder(const std::map<std::uint64_t, Allocation>& allocations, std::uint64_t address) {
    auto after = allocations.upper_bound(address);
    if (after == allocations.begin()) {
        return nullptr;
    }
    const Allocation& before = std::prev(after)->second;
    return address - before.address < before.bytes ? &before : nullptr;
}

// What is wrong with a copy's range, or an empty string; plain host memory is the caller's business.
std::string refuse(const char* what, std::uint64_t address, std::uint64_t bytes) {
    if (!shadow::covers(address)) {
        return "";
    }
    const Allocation* allocation = holder(state().live, address);
    if (allocation == nullptr) {
        return std::string(what) + " " + hex(address) + " is in no live allocation: " + memory::describe(address);
    }
    if (address + bytes > allocation->address + allocation->bytes) {
        return std::string(what) + " of " + std::to_string(bytes) + " bytes at " + hex(address) + " goes " +
               std::to_string(address + bytes - allocation->address - allocation->bytes) + " bytes beyond the end of " + nameOf(*allocation);
    }
    return "";
}

void kill(const Allocation& allocation) {
    shadow::mark(allocation.address, allocation.bytes, shadow::kFreed);
    sanitizer::poison(reinterpret_cast<void*>(allocation.address), allocation.bytes);
    // Give the pages back; the address is not used again.
    const std::uint64_t from = roundUp(allocation.address, kPage);
    const std::uint64_t to = (allocation.address + allocation.bytes) / kPage * kPage;
    if (to > from) {
        madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
    }
}

}  // namespace

std::uint8_t* const shadow::bytes = mapEverything();

namespace memory {

std::uint64_t allocate(std::uint64_t bytes, Kind kind, int device) {
    State& s = state();
    std::lock_guard lock(s.lock);
    const unsigned index = kind == Kind::Pinned ? shadow::kPinnedRegion : static_cast<unsigned>(device);
    Region& region = s.regions[index];
    const bool limited = kind != Kind::Pinned;
    if (bytes == 0 || (limited && region.used + bytes > s.capacity) || region.next + bytes + kGuard > shadow::kRegionBytes) {
        return 0;
    }
    const std::uint64_t address = shadow::regionStart(index) + region.next;
    region.next = roundUp(region.next + bytes + kGuard, kAlignment);
    region.used += bytes;
    Open open;
    sanitizer::poison(reinterpret_cast<void*>(address), bytes + kGuard);
    sanitizer::unpoison(reinterpret_cast<void*>(address), bytes);
    std::memset(reinterpret_cast<void*>(address), kPoison, bytes);
    shadow::mark(address, bytes, shadow::kAddressable);
    s.live[address] = {address, bytes, kind, device, ++s.serial};
    return address;
}

bool release(std::uint64_t address) {
    State& s = state();
    std::lock_guard lock(s.lock);
    auto found = s.live.find(address);
    if (found == s.live.end()) {
        return false;
    }
    const Allocation allocation = found->second;
    s.live.erase(found);
    s.freed[address] = allocation;
    s.regions[shadow::regionOf(address)].used -= allocation.bytes;
    Open open;
    kill(allocation);
    return true;
}

void hide(std::uint64_t address) {
    std::lock_guard lock(state().lock);
    shadow::mark(address, state().live.at(address).bytes, 0);
}

void show(std::uint64_t address) {
    std::lock_guard lock(state().lock);
    auto found = state().live.find(address);
    if (found != state().live.end()) {
        shadow::mark(address, found->second.bytes, shadow::kAddressable);
    }
}

void markWritten(std::uint64_t address, std::uint64_t bytes) { shadow::mark(address, bytes, shadow::kReadable); }

bool enroll(void* host, std::uint64_t bytes) {
    State& s = state();
    std::lock_guard lock(s.lock);
    const std::uint64_t address = reinterpret_cast<std::uint64_t>(host);
    auto after = s.registered.upper_bound(address);
    const bool overlapsAfter = after != s.registered.end() && after->first < address + bytes;
    const bool overlapsBefore = after != s.registered.begin() && std::prev(after)->first + std::prev(after)->second.bytes > address;
    if (overlapsAfter || overlapsBefore) {
        return false;
    }
    s.registered[address] = {bytes, ++s.serial};
    return true;
}

bool withdraw(void* host) {
    State& s = state();
    std::lock_guard lock(s.lock);
    return s.registered.erase(reinterpret_cast<std::uint64_t>(host)) == 1;
}

bool find(std::uint64_t address, Allocation& found) {
    State& s = state();
    std::lock_guard lock(s.lock);
    if (const Allocation* allocation = holder(s.live, address)) {
        found = *allocation;
        return true;
    }
    auto after = s.registered.upper_bound(address);
    if (after == s.registered.begin()) {
        return false;
    }
    const auto& [start, registration] = *std::prev(after);
    if (address - start >= registration.bytes) {
        return false;
    }
    found = {start, registration.bytes, Kind::Registered, 0, registration.serial};
    return true;
}

bool isRegistered(std::uint64_t address, std::uint64_t bytes) {
    Allocation found;
    return find(address, found) && found.kind == Kind::Registered && address + bytes <= found.address + found.bytes;
}

std::string describe(std::uint64_t address) {
    State& s = state();
    std::lock_guard lock(s.lock);
    if (!shadow::covers(address)) {
        Allocation found;
        if (find(address, found)) {
            return std::to_string(address - found.address) + " bytes into " + nameOf(found);
        }
        return address < kPage ? "close to the null pointer"
                               : "no memory of a device; host memory has to be allocated page-locked or registered before a kernel may touch it";
    }
    if (const Allocation* allocation = holder(s.live, address)) {
        return std::to_string(address - allocation->address) + " bytes into " + nameOf(*allocation);
    }
    if (const Allocation* allocation = holder(s.freed, address)) {
        return std::to_string(address - allocation->address) + " bytes into " + nameOf(*allocation) + ", which was freed";
    }
    auto after = s.live.upper_bound(address);
    std::string text = "no allocation";
    if (after != s.live.begin()) {
        const Allocation& before = std::prev(after)->second;
        text = std::to_string(address - before.address - before.bytes) + " bytes past the end of " + nameOf(before);
    }
    if (after != s.live.end() && after->first - address < kGuard) {
        text += (text == "no allocation" ? ", " : " and ") + std::to_string(after->first - address) + " bytes before " + nameOf(after->second);
    }
    return text;
}

std::vector<Allocation> live() {
    State& s = state();
    std::lock_guard lock(s.lock);
    std::vector<Allocation> all;
    for (const auto& [address, allocation] : s.live) {
        all.push_back(allocation);
    }
    for (const auto& [address, registration] : s.registered) {
        all.push_back({address, registration.bytes, Kind::Registered, 0, registration.serial});
    }
    return all;
}

void capacity(std::uint64_t bytesPerDevice) {
    std::lock_guard lock(state().lock);
    state().capacity = bytesPerDevice;
}

std::uint64_t capacity() {
    std::lock_guard lock(state().lock);
    return state().capacity;
}

std::uint64_t used(int device) {
    std::lock_guard lock(state().lock);
    return state().regions[device].used;
}

void restore(const Allocation& allocation, const char* bytes, const std::uint8_t* shadow) {
    State& s = state();
    std::lock_guard lock(s.lock);
    Region& region = s.regions[shadow::regionOf(allocation.address)];
    region.next = std::max(region.next, roundUp(allocation.address - shadow::regionStart(shadow::regionOf(allocation.address)) + allocation.bytes + kGuard, kAlignment));
    region.used += allocation.bytes;
    s.live[allocation.address] = allocation;
    s.serial = std::max(s.serial, allocation.serial);
    Open open;
    sanitizer::poison(reinterpret_cast<void*>(allocation.address), allocation.bytes + kGuard);
    sanitizer::unpoison(reinterpret_cast<void*>(allocation.address), allocation.bytes);
    std::memcpy(reinterpret_cast<void*>(allocation.address), bytes, allocation.bytes);
    for (std::uint64_t i = 0; i < allocation.bytes; i++) {
        shadow::of(allocation.address)[i] = shadow[i];
    }
}

void reset() {
    State& s = state();
    std::lock_guard lock(s.lock);
    {
        Open open;
        for (const auto& [address, allocation] : s.live) {
            kill(allocation);
        }
        for (unsigned i = 0; i < shadow::kSharedRegion; i++) {
            // What was freed may be given out again now: its shadow goes back to nothing.
            madvise(shadow::of(shadow::regionStart(i)), roundUp(s.regions[i].next, kPage), MADV_DONTNEED);
        }
    }
    protect(PROT_NONE);
    s.live.clear();
    s.freed.clear();
    s.registered.clear();
    std::fill(std::begin(s.regions), std::end(s.regions), Region{});
    s.serial = 0;
}

std::string copy(std::uint64_t destination, std::uint64_t source, std::uint64_t bytes) {
    State& s = state();
    std::lock_guard lock(s.lock);
    std::string wrong = refuse("the destination", destination, bytes);
    if (wrong.empty()) {
        wrong = refuse("the source", source, bytes);
    }
    if (!wrong.empty() || bytes == 0) {
        return wrong;
    }
    Open open;
    std::memmove(reinterpret_cast<void*>(destination), reinterpret_cast<const void*>(source), bytes);
    if (shadow::covers(destination)) {
        if (shadow::covers(source)) {
            std::memmove(shadow::of(destination), shadow::of(source), bytes);
        } else {
            shadow::mark(destination, bytes, shadow::kReadable);
        }
    }
    return "";
}

std::string fill(std::uint64_t destination, std::uint64_t value, std::uint32_t width, std::uint64_t count) {
    State& s = state();
    std::lock_guard lock(s.lock);
    const std::string wrong = refuse("the destination", destination, width * count);
    if (!wrong.empty() || count == 0) {
        return wrong;
    }
    Open open;
    char* to = reinterpret_cast<char*>(destination);
    for (std::uint64_t i = 0; i < count; i++) {
        std::memcpy(to + i * width, &value, width);
    }
    if (shadow::covers(destination)) {
        shadow::mark(destination, width * count, shadow::kReadable);
    }
    return "";
}

Open::Open() {
    std::lock_guard lock(state().lock);
    state().open++;
    protect(PROT_READ | PROT_WRITE);  // each time: an allocation made while memory is open has to be open as well
}

Open::~Open() {
    std::lock_guard lock(state().lock);
    if (--state().open == 0) {
        protect(PROT_NONE);
    }
}

}  // namespace memory
}  // namespace fusor::sim
