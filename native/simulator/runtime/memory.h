// The memory a kernel may touch, as the driver manages it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fusor::sim {

enum class Kind { Device, Pinned, Registered, Variable };

struct Allocation {
    std::uint64_t address;
    std::uint64_t bytes;
    Kind kind;
    int device;
    std::uint64_t serial;  // allocations are numbered from 1 in the order they were made
};

// Allocations of all devices of the process; safe to call from any thread. Addresses are those a kernel sees, and for pinned and
// registered memory the host's as well. Fresh memory is poisoned and counts as not initialised.
namespace memory {

// Gives 0 where the capacity of the device is exhausted. Device allocations are aligned to 512 bytes and end exactly at their last byte.
std::uint64_t allocate(std::uint64_t bytes, Kind, int device);
// False where no allocation starts there. Its address stays unaddressable, so that a use after free is a fault.
bool release(std::uint64_t address);
// For stream-ordered allocations: not to be touched until shown, and then as fresh as any.
void hide(std::uint64_t address);
void show(std::uint64_t address);
// All of it counts as written: what the host does with its own memory is not seen.
void markWritten(std::uint64_t address, std::uint64_t bytes);
// Host memory of the caller, made visible to kernels at its own address; counts as initialised. False where part of it is registered already.
bool enroll(void* host, std::uint64_t bytes);
bool withdraw(void* host);

// The allocation that holds this byte.
bool find(std::uint64_t address, Allocation& found);
// Whether all of it is registered host memory.
bool isRegistered(std::uint64_t address, std::uint64_t bytes);
// For reports: which allocation an address lies in, or what is nearest to it and how far.
std::string describe(std::uint64_t address);
std::vector<Allocation> live();
void capacity(std::uint64_t bytesPerDevice);
std::uint64_t capacity();
std::uint64_t used(int device);
// Puts an allocation of another process back at its address, with its bytes and its shadow.
void restore(const Allocation&, const char* bytes, const std::uint8_t* shadow);
// Frees everything and forgets it; addresses are given out from the start again.
void reset();

// Copies that the driver makes: between any two of device memory, pinned memory and plain host memory. Initialisation travels along.
// An empty string, or what is wrong: outside an allocation, across two, freed.
std::string copy(std::uint64_t destination, std::uint64_t source, std::uint64_t bytes);
std::string fill(std::uint64_t destination, std::uint64_t value, std::uint32_t width, std::uint64_t count);

// Device memory can be read and written by this process only inside such a scope; copy and fill open one themselves.
class Open {
public:
    Open();
    ~Open();
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;
};

}  // namespace memory
}  // namespace fusor::sim
