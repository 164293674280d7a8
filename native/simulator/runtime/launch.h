// Running a grid of a translated kernel to its end.
#pragma once

#include <cstdint>
#include <string>

#include "machine.h"
#include "module.h"

namespace fusor::sim {

enum class ThreadOrder { Ascending, Descending, Random };

// How the threads of a launch take turns. Results of a correct kernel do not depend on it.
struct Schedule {
    ThreadOrder order = ThreadOrder::Ascending;
    std::uint64_t seed = 1;
    std::uint32_t workers = 1;              // operating system threads; blocks (clusters, cooperative grids) are dealt to them
    bool activeMaskIsOwnLane = false;       // both answers of activemask are legal; tests try both
    std::uint64_t watchdogSwitches = 0;     // fiber switches without progress before the launch counts as hung; 0 for the default
    std::uint32_t withoutBarrier = 0;       // the line of the PTX whose barrier is passed as if it were not there; 0 for none
};

struct Launch {
    const Module* module;
    const Entry* entry;
    const std::uint8_t* parameters;         // Entry::parameterBytes of them
    const std::uint64_t* variables;         // addresses, in the order of Module::variables
    Dim grid, block, cluster;               // cluster {1, 1, 1} where there is none
    std::uint32_t dynamicSharedBytes;
    bool cooperative;
    int device;                             // whose memory may be touched, with that of the peers below
    std::uint64_t peers;                    // bit per device
};

enum class FaultKind { None, IllegalAddress, MisalignedAddress, Uninitialised, Barrier, Warp, Deadlock, Hang, Trap, Unsupported };

struct Fault {
    FaultKind kind = FaultKind::None;
    std::string report;  // one paragraph: what, kernel, block and thread, both places where two are involved
};

Fault run(const Launch&, const Schedule&);

}  // namespace fusor::sim
