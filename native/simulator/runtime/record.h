// Launches written to files, to be run again by another process: under a sanitizer, without the driver and without Java.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "launch.h"

namespace fusor::sim {

// From now on each launch of at most so many threads goes to the folder, once for each kernel and shape; an empty folder ends it.
void recordLaunches(const std::string& folder, std::uint64_t threads);
void record(const Launch& launch);

// A recorded launch, with the memory it started from in place. The module has to be of the PTX it was recorded with; kernels other than
// the recorded one may be missing.
class Recording {
public:
    // Throws std::runtime_error with one sentence.
    Recording(const std::string& file, const Module& module);
    const Launch& launch() const { return launch_; }

private:
    Launch launch_{};
    std::vector<std::uint8_t> parameters_;
    std::vector<std::uint64_t> variables_;
};

}  // namespace fusor::sim
