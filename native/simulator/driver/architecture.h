// What sets the simulated devices apart, from the tables of the CUDA programming guide ("Technical Specifications per Compute
// Capability") and the data sheets of one product each.
#pragma once

#include <string_view>

namespace fusor::sim {

struct Architecture {
    const char* name;     // of the PTX target
    const char* product;
    int major, minor;
    int multiprocessors;
    int threadsPerMultiprocessor;
    int blocksPerMultiprocessor;
    int sharedPerMultiprocessor;
    int sharedPerBlockOptIn;
    int sharedReservedPerBlock;
    int l2Bytes;
    int memoryBusBits;
    int memoryClockKilohertz;
    int clockKilohertz;
};

constexpr int kRegistersPerMultiprocessor = 65536;
constexpr int kThreadsPerBlock = 1024;
constexpr int kSharedPerBlock = 48 << 10;
constexpr int kRegisterUnit = 256;  // registers are given to a warp in such units
constexpr int kPortableCluster = 8;
constexpr int kLargestCluster = 16;

constexpr Architecture kArchitectures[] = {
    {"sm_75", "Simulated T4", 7, 5, 40, 1024, 16, 64 << 10, 64 << 10, 0, 4 << 20, 256, 5001000, 1590000},
    {"sm_80", "Simulated A100", 8, 0, 108, 2048, 32, 164 << 10, 163 << 10, 1 << 10, 40 << 20, 5120, 1215000, 1410000},
    {"sm_86", "Simulated A40", 8, 6, 84, 1536, 16, 100 << 10, 99 << 10, 1 << 10, 6 << 20, 384, 7251000, 1740000},
    {"sm_89", "Simulated L40S", 8, 9, 142, 1536, 24, 100 << 10, 99 << 10, 1 << 10, 96 << 20, 384, 9001000, 2520000},
    {"sm_90", "Simulated H200", 9, 0, 132, 2048, 32, 228 << 10, 227 << 10, 1 << 10, 50 << 20, 6144, 3201000, 1980000},
    {"sm_100", "Simulated B200", 10, 0, 148, 2048, 32, 228 << 10, 227 << 10, 1 << 10, 126 << 20, 8192, 3996000, 1965000},
    {"sm_120", "Simulated RTX 5090", 12, 0, 170, 1536, 24, 100 << 10, 99 << 10, 1 << 10, 96 << 20, 512, 14001000, 2407000},
};

// Null for a name that is not in the table.
inline const Architecture* architectureNamed(std::string_view name) {
    for (const Architecture& architecture : kArchitectures) {
        if (name == architecture.name) {
            return &architecture;
        }
    }
    return nullptr;
}

}  // namespace fusor::sim
