// What a translated PTX module exports, and the simulator loads: one shared object per PTX text, named by its SHA-256.
#pragma once

#include <cstdint>

namespace fusor::sim {

struct Thread;

// A kernel parameter, as the driver copies it: the block given to Entry::run holds all of them at these offsets.
struct Parameter {
    std::uint32_t offset;
    std::uint32_t size;
    std::uint32_t alignment;
};

// A statically sized shared array. The translator lays arrays out with red zones between and after them; the gaps are not addressable.
struct SharedArray {
    const char* name;
    std::uint32_t offset;
    std::uint32_t size;
};

// A .global or .const variable; initial is null where the PTX gives no value (zeros, as on the device).
struct Variable {
    const char* name;
    std::uint64_t size;
    std::uint32_t alignment;
    bool constant;
    const std::uint8_t* initial;
};

struct Entry {
    const char* name;
    void (*run)(Thread& thread, const std::uint8_t* parameters);
    const Parameter* parameters;
    std::uint32_t parameterCount;
    std::uint32_t parameterBytes;
    const SharedArray* shared;
    std::uint32_t sharedCount;
    std::uint32_t sharedLayoutBytes;   // end of the static layout with red zones; dynamic shared memory starts here, aligned to 128
    std::uint32_t sharedBytes;         // what the device would count: the arrays without red zones
    std::uint32_t localBytes;          // the depot of one thread
    std::uint32_t requiredThreads[3];  // .reqntid, zeros where absent
    std::uint32_t maximumThreads;      // product of .maxntid, zero where absent
    std::uint32_t requiredCluster[3];  // .reqnctapercluster, zeros where absent
};

struct Module {
    std::uint32_t abi;     // must be kModuleAbi
    const char* sha256;    // of the PTX text, lower-case hex
    const char* target;    // such as "sm_90"
    std::uint32_t ptxMajor;
    std::uint32_t ptxMinor;
    const Entry* entries;
    std::uint32_t entryCount;
    const Variable* variables;
    std::uint32_t variableCount;
};

constexpr std::uint32_t kModuleAbi = 1;

}  // namespace fusor::sim

// The one symbol of a translated module.
extern "C" const fusor::sim::Module fusor_module;
