// The blocks that are resident together, and the scheduler that runs their threads on one thread of the operating system: a block, a
// cluster, or the whole grid of a cooperative launch. Not for translated code, which sees machine.h alone.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "fiber.h"
#include "launch.h"
#include "machine.h"

namespace fusor::sim {

constexpr std::uint32_t kWarpSize = 32;
constexpr std::uint32_t kBarriers = 16;

enum class State : std::uint8_t { New, Ready, AtBarrier, AtWarp, AtActiveMask, AtCluster, Done };

// What the lanes of one warp operation gave each other. It lives until the last of them calls its next one.
struct Exchange {
    std::vector<std::uint32_t> words;
    std::uint32_t count = 0;
    std::uint32_t mask = 0;
    std::uint32_t readers = 0;
    std::uint32_t turns[kWarpSize] = {};  // ThreadState::warpTurn of each lane, for the sanitizer
};

struct AsyncCopy {
    std::uint64_t destination, source;
    std::uint32_t bytes, sourceBytes;
    std::uint64_t mbarrier;  // host address, 0 for none
};

struct Block;

struct ThreadState : Thread {
    Block* block = nullptr;
    Fiber fiber;
    State state = State::New;
    std::uint8_t barrier = 0;
    const Site* site = nullptr;       // of the operation it is in, or was in last
    std::uint32_t index = 0;          // in the block
    std::uint32_t mask = 0;           // of the warp operation; the answer of activemask
    const char* operation = nullptr;  // likewise
    Exchange* exchange = nullptr;
    std::uint32_t clusterPhase = 0;
    bool clusterArrived = false;
    std::uint32_t warpTurn = 0;  // which of the two objects below the last warp operation released
    char released[2] = {};
    // Copies in flight, oldest first; a group ends at each number in the other list.
    std::vector<AsyncCopy> copies, bulkCopies;
    std::vector<std::uint32_t> copyGroups, bulkGroups;
};

struct Warp {
    std::uint32_t arrived = 0;  // lanes that wait in a warp operation
    std::uint32_t exited = 0;   // lanes that ended or never were
    std::vector<std::uint32_t> words[kWarpSize];
    std::vector<std::unique_ptr<Exchange>> pool;

    Exchange* take();
};

struct Barrier {
    std::uint32_t expected = 0;  // threads; 0 while nobody waits
    bool whole = false;          // the count was left out
    std::uint32_t arrived = 0;
    const Site* site = nullptr;  // of the first to arrive by sync
    const ThreadState* first = nullptr;
    std::uint32_t yes = 0, votes = 0;          // of barrierReduce
    std::uint32_t lastYes = 0, lastVotes = 0;  // of the generation before, which its threads read
    std::uint32_t generation = 0;
    char released[2] = {};
};

struct Cluster {
    std::uint32_t live = 0, arrived = 0, phase = 0;
    char released[2] = {};
};

struct Block {
    Dim index{};
    std::uint64_t shared = 0;
    std::vector<ThreadState> threads;
    std::vector<Warp> warps;
    Barrier barriers[kBarriers];
    std::uint32_t live = 0;
    Cluster* cluster = nullptr;
    std::vector<std::uint64_t> clusterShared;
    std::vector<AsyncCopy> toMbarrier;  // bulk copies that complete on an mbarrier of this block
};

class Group {
public:
    Group(const Launch& launch, const Schedule& schedule, std::uint32_t firstSlot);
    ~Group();

    // Runs these blocks (as indices into the grid, x fastest) to their end, or to the first fault.
    Fault run(const std::vector<std::uint64_t>& blocks, std::uint64_t seed);

    static Group& current();
    static ThreadState& state(Thread& thread) { return static_cast<ThreadState&>(thread); }

    // For operations: the calling thread waits in this state until another, or the scheduler, makes it ready.
    void wait(ThreadState& thread, State state, const Site& site);
    void yield(ThreadState& thread);
    // Makes the threads ready that wait at the barrier of this cluster.
    void wakeCluster(const Cluster& cluster);
    void progressed() { idleSwitches_ = 0; }
    [[noreturn]] void fail(ThreadState& thread, FaultKind kind, const std::string& what, const Site& site);
    [[noreturn]] void exit(ThreadState& thread);

    const Launch& launch() const { return launch_; }
    const Schedule& schedule() const { return schedule_; }

private:
    void place(Block& block, std::uint64_t index, std::uint32_t slot, Cluster& cluster);
    void start(ThreadState& thread);
    static void body(void* thread);
    void resume(ThreadState& thread);
    void finish(ThreadState& thread);
    bool settleActiveMasks();
    void refuseWaitingFor(const ThreadState& ended);
    std::string deadlock() const;
    void shuffleOrder();

    const Launch& launch_;
    const Schedule& schedule_;
    const std::uint32_t firstSlot_;
    Home home_;
    Stacks stacks_;
    std::vector<Block> blocks_;
    std::vector<Cluster> clusters_;
    std::vector<ThreadState*> order_;
    std::mt19937_64 random_;
    std::uint32_t live_ = 0;
    std::uint64_t idleSwitches_ = 0;
    Fault fault_;
    char startObject_ = 0, endObject_ = 0;
};

// "thread (1,0,0) of block (0,0,0)"
std::string nameOf(const ThreadState& thread);
// "histogram.cu:45 (PTX line 120: `bar.sync 0`)"
std::string placeOf(const Site& site);
// A barrier that waits for the whole block may be complete now that a thread ended.
void settleBarriers(Group& group, Block& block);
// Likewise the cluster's.
void settleCluster(Block& block);
// The copies that a thread left behind when it ended.
void finishCopies(ThreadState& thread);

}  // namespace fusor::sim
