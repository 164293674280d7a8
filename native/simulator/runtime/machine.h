// What translated PTX calls to touch memory or other threads. Pure arithmetic is in instructions.h.
//
// Each call takes the Site it stands at, so that a report names the line of the .cu (or of the PTX where there is no .loc).
// A call that finds a fault ends the launch and does not return.
#pragma once

#include <array>
#include <cstdint>

namespace fusor::sim {

struct Site {
    const char* file;         // from .loc, or the module's name
    std::uint32_t line;       // in file
    std::uint32_t ptxLine;    // in the PTX text
    const char* instruction;  // the PTX statement, as written
};

struct Dim {
    std::uint32_t x, y, z;
};

// What a kernel reads of its own place, and what its memory accesses are checked against; the fiber behind it is the runtime's.
struct Thread {
    Dim tid, ntid, ctaid, nctaid;
    Dim clusterid, nclusterid, clusterCtaid, clusterNctaid;
    std::uint32_t clusterCtarank, clusterNctarank;
    std::uint32_t lane, warp, warps;
    std::uint32_t dynamicShared;       // shared address where dynamic shared memory starts
    std::uint32_t dynamicSharedBytes;
    const std::uint64_t* variables;    // address of each Variable of the module, in its order

    std::uint64_t shared;              // where the block's shared memory lies
    const std::uint64_t* clusterShared;  // the same for every rank of the cluster
    std::uint64_t stackLow, stackHigh;   // the fiber's stack, which holds the local memory
    std::uint32_t regions;             // bit for each region of shadow.h that the launch may touch
    std::uint32_t polls;               // ordered accesses since the thread last let others run
};

enum class Space { Generic, Global, Constant, Local, SharedCta, SharedCluster };
enum class Order { Relaxed, Acquire, Release, AcquireRelease, SequentiallyConsistent };
enum class Scope { Cta, Cluster, Gpu, Sys };

// --- Memory. T is an unsigned integer of 1, 2, 4, 8 or 16 bytes; addresses of the shared spaces are 32-bit shared addresses.
// Checked in every build: inside one live allocation or array, aligned to the whole access, initialised where it is read.
template <Space S, class T> T load(Thread&, std::uint64_t address, const Site&);
template <Space S, class T> void store(Thread&, std::uint64_t address, T value, const Site&);
template <Space S, class T, int N> std::array<T, N> loadVector(Thread&, std::uint64_t address, const Site&);
template <Space S, class T, int N> void storeVector(Thread&, std::uint64_t address, const std::array<T, N>& values, const Site&);
template <Space S, class T> T loadOrdered(Thread&, std::uint64_t address, Order, Scope, const Site&);
template <Space S, class T> void storeOrdered(Thread&, std::uint64_t address, T value, Order, Scope, const Site&);
// Replaces the value by update(value), atomically, and gives the old one.
template <Space S, class T, class Update> T atomic(Thread&, std::uint64_t address, Order, Scope, Update update, const Site&);
void fence(Thread&, Order, Scope, const Site&);

// Conversions between a space's addresses and generic ones (cvta), and the question of isspacep.
template <Space S> std::uint64_t toGeneric(Thread&, std::uint64_t address);
template <Space S> std::uint64_t fromGeneric(Thread&, std::uint64_t address, const Site&);
template <Space S> bool isInSpace(Thread&, std::uint64_t genericAddress);
// The shared address in the block of that cluster rank which corresponds to a shared address of this one (mapa), and back (getctarank).
std::uint32_t mapShared(Thread&, std::uint32_t address, std::uint32_t rank, const Site&);
std::uint32_t sharedRank(Thread&, std::uint32_t address, const Site&);

// --- Block barriers (bar, barrier): threads 0 stands for the whole block.
enum class Vote { All, Any, Uniform, Ballot, PopulationCount };
void barrierSync(Thread&, std::uint32_t barrier, std::uint32_t threads, const Site&);
void barrierArrive(Thread&, std::uint32_t barrier, std::uint32_t threads, const Site&);
std::uint32_t barrierReduce(Thread&, std::uint32_t barrier, std::uint32_t threads, Vote, bool predicate, const Site&);
// --- Cluster barriers (barrier.cluster): release on arrive and acquire on wait unless relaxed.
void clusterArrive(Thread&, bool relaxed, const Site&);
void clusterWait(Thread&, const Site&);

// --- Warp operations: every lane named by mask has to call the same operation at the same site.
enum class Shuffle { Up, Down, Butterfly, Index };
void warpSync(Thread&, std::uint32_t mask, const Site&);
std::uint32_t shuffle(Thread&, Shuffle, std::uint32_t value, std::uint32_t lane, std::uint32_t clamp, std::uint32_t mask, bool& inRange, const Site&);
std::uint32_t vote(Thread&, Vote, bool predicate, std::uint32_t mask, const Site&);
std::uint32_t matchAny(Thread&, std::uint64_t value, std::uint32_t mask, const Site&);
std::uint32_t matchAll(Thread&, std::uint64_t value, std::uint32_t mask, bool& all, const Site&);
std::uint32_t activeMask(Thread&, const Site&);
bool elect(Thread&, std::uint32_t mask, std::uint32_t& leader, const Site&);
// Gives every lane's words to every lane of mask: words[lane * count + i]. For redux, mma and ldmatrix.
const std::uint32_t* exchange(Thread&, std::uint32_t mask, const std::uint32_t* words, std::uint32_t count, const Site&);

// --- Asynchronous copies. Data arrives when the standard says it may be relied on, and not before.
void copyAsync(Thread&, std::uint32_t shared, std::uint64_t global, std::uint32_t bytes, std::uint32_t sourceBytes, const Site&);
void copyAsyncCommit(Thread&, const Site&);
void copyAsyncWait(Thread&, std::uint32_t pending, const Site&);
void copyAsyncWaitAll(Thread&, const Site&);
void copyAsyncArrive(Thread&, std::uint64_t mbarrier, bool noIncrement, const Site&);
void bulkToShared(Thread&, std::uint32_t shared, std::uint64_t global, std::uint32_t bytes, std::uint64_t mbarrier, const Site&);
void bulkToGlobal(Thread&, std::uint64_t global, std::uint32_t shared, std::uint32_t bytes, const Site&);
void bulkSharedToShared(Thread&, std::uint32_t destination, std::uint32_t source, std::uint32_t bytes, std::uint64_t mbarrier, const Site&);
void bulkCommit(Thread&, const Site&);
void bulkWait(Thread&, std::uint32_t pending, bool readOnly, const Site&);

// --- mbarrier objects in shared memory, named by a shared or by a generic address.
void mbarrierInit(Thread&, std::uint64_t mbarrier, std::uint32_t count, const Site&);
void mbarrierInvalidate(Thread&, std::uint64_t mbarrier, const Site&);
void mbarrierExpect(Thread&, std::uint64_t mbarrier, std::uint32_t bytes, const Site&);
// These give the state before the arrival, for mbarrierTest.
std::uint64_t mbarrierArrive(Thread&, std::uint64_t mbarrier, std::uint32_t count, bool drop, const Site&);
std::uint64_t mbarrierArriveExpecting(Thread&, std::uint64_t mbarrier, std::uint32_t bytes, const Site&);
bool mbarrierTest(Thread&, std::uint64_t mbarrier, std::uint64_t state, const Site&);
bool mbarrierTestParity(Thread&, std::uint64_t mbarrier, std::uint32_t parity, const Site&);
// try_wait: lets the other threads run before it answers.
bool mbarrierTry(Thread&, std::uint64_t mbarrier, std::uint64_t state, const Site&);
bool mbarrierTryParity(Thread&, std::uint64_t mbarrier, std::uint32_t parity, const Site&);

// --- Control.
void yield(Thread&, const Site&);  // nanosleep
[[noreturn]] void exitThread(Thread&);
[[noreturn]] void trap(Thread&, const char* reason, const Site&);
std::uint64_t clock(Thread&);

}  // namespace fusor::sim

#include "access.h"
