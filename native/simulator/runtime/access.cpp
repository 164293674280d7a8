#include <atomic>
#include <cstring>
#include <mutex>

#include "group.h"
#include "memory.h"
#include "sanitizer.h"

namespace fusor::sim::access {
namespace {

// Often enough that a loop which waits ends soon, seldom enough that atomics stay cheap.
constexpr std::uint32_t kPollsBeforeYield = 64;

std::mutex wide_;
char fenceObject_;

std::string hex(std::uint64_t address) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(address));
    return text;
}

std::string nameOf(Kind kind) { return kind == Kind::Read ? "a read" : kind == Kind::Write ? "a write" : "an atomic update"; }

std::string describe(Kind kind, std::uint32_t bytes, std::uint64_t at) {
    return nameOf(kind) + " of " + std::to_string(bytes) + " bytes at " + hex(at);
}

std::string sharedRegion(const ThreadState& thread, std::uint64_t at) {
    const Entry& entry = *Group::current().launch().entry;
    for (std::uint32_t rank = 0; rank < thread.clusterNctarank; rank++) {
        const std::uint64_t offset = at - thread.clusterShared[rank];
        if (offset >= shadow::kSlotBytes) {
            continue;
        }
        std::string where = "offset " + std::to_string(offset) + " of the shared memory of ";
        where += rank == thread.clusterCtarank ? "its block" : "the block of cluster rank " + std::to_string(rank);
        const SharedArray* before = nullptr;
        for (std::uint32_t i = 0; i < entry.sharedCount; i++) {
            if (entry.shared[i].offset <= offset && (before == nullptr || entry.shared[i].offset > before->offset)) {
                before = &entry.shared[i];
            }
        }
        if (thread.dynamicSharedBytes > 0 && offset >= thread.dynamicShared) {
            return where + ", " + std::to_string(offset - thread.dynamicShared) + " bytes into its " +
                   std::to_string(thread.dynamicSharedBytes) + " bytes of dynamic shared memory";
        }
        if (before != nullptr) {
            return where + ", " + std::to_string(offset - before->offset) + " bytes into the array " + before->name + " of " +
                   std::to_string(before->size) + " bytes";
        }
        return where;
    }
    return "the shared memory of a block outside its cluster";
}

std::string place(const ThreadState& thread, std::uint64_t at) {
    if (shadow::covers(at) && shadow::regionOf(at) == shadow::kSharedRegion) {
        return sharedRegion(thread, at);
    }
    if (at >= thread.stackLow - (1 << 16) && at < thread.stackHigh + (1 << 16)) {
        return "beside the thread's local memory";
    }
    return memory::describe(at);
}

bool uninitialised(std::uint64_t at, std::uint32_t bytes) { return shadow::all(at, bytes, shadow::kAddressable); }

}  // namespace

void slow(Thread& plain, std::uint64_t at, std::uint32_t bytes, Kind kind, Space space, const Site& site) {
    ThreadState& thread = Group::state(plain);
    if ((space == Space::Local || space == Space::Generic) && at >= thread.stackLow && at + bytes <= thread.stackHigh) {
        return;
    }
    const bool covered = shadow::covers(at) && at + bytes <= shadow::kEnd;
    if (!covered && space != Space::SharedCta && space != Space::SharedCluster && space != Space::Local &&
        memory::isRegistered(at, bytes)) {
        return;
    }
    Group& group = Group::current();
    if (covered && kind != Kind::Write && uninitialised(at, bytes)) {
        group.fail(thread, FaultKind::Uninitialised,
                   describe(kind, bytes, at) + " of memory that nothing was written to: " + place(thread, at), site);
    }
    std::string why = place(thread, at);
    if (covered && shadow::regionOf(at) < shadow::kDevices && (thread.regions >> shadow::regionOf(at) & 1) == 0) {
        why += "; it belongs to device " + std::to_string(shadow::regionOf(at)) + ", whose memory device " +
               std::to_string(group.launch().device) + " may not touch without peer access";
    } else if (covered && shadow::regionOf(at) == shadow::kSharedRegion && space == Space::Global) {
        why += "; the instruction is for global memory";
    }
    group.fail(thread, FaultKind::IllegalAddress, describe(kind, bytes, at) + " is out of bounds: " + why, site);
}

void misaligned(Thread& plain, std::uint64_t at, std::uint32_t bytes, std::uint32_t alignment, Kind kind, Space, const Site& site) {
    ThreadState& thread = Group::state(plain);
    Group::current().fail(thread, FaultKind::MisalignedAddress,
                          describe(kind, bytes, at) + " is misaligned: its address has to be a multiple of " +
                              std::to_string(alignment) + "; it is " + place(thread, at),
                          site);
}

void noSuchRank(Thread& plain, std::uint64_t address, const Site& site) {
    ThreadState& thread = Group::state(plain);
    Group::current().fail(thread, FaultKind::IllegalAddress,
                          "the shared address " + hex(address) + " names rank " + std::to_string((address >> 24) - 1) +
                              " of a cluster of " + std::to_string(thread.clusterNctarank) + " blocks",
                          site);
}

void poll(Thread& thread) {
    if (++thread.polls >= kPollsBeforeYield) {
        Group::current().yield(Group::state(thread));
    }
}

unsigned __int128 load16(const void* at) {
    std::lock_guard lock(wide_);
    sanitizer::acquire(at);
    unsigned __int128 value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

void store16(void* at, unsigned __int128 value) {
    std::lock_guard lock(wide_);
    std::memcpy(at, &value, sizeof value);
    sanitizer::release(at);
}

bool exchange16(void* at, unsigned __int128& expected, unsigned __int128 desired) {
    std::lock_guard lock(wide_);
    sanitizer::acquire(at);
    unsigned __int128 value;
    std::memcpy(&value, at, sizeof value);
    const bool same = value == expected;
    if (same) {
        std::memcpy(at, &desired, sizeof desired);
        sanitizer::release(at);
    }
    expected = value;
    return same;
}

}  // namespace fusor::sim::access

namespace fusor::sim {

// ThreadSanitizer knows no fences. Two threads that both pass one are taken as ordered by it: a race that a fence prevents is never
// reported, and one that it does not prevent may be missed. Kernels state their order on the access itself for this reason.
void fence(Thread&, Order, Scope, const Site&) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    sanitizer::acquire(&access::fenceObject_);
    sanitizer::release(&access::fenceObject_);
}

std::uint32_t mapShared(Thread& thread, std::uint32_t address, std::uint32_t rank, const Site& site) {
    if (rank >= thread.clusterNctarank) {
        access::noSuchRank(thread, (rank + 1ull) << 24, site);
    }
    return (rank + 1) << 24 | (address & (shadow::kSlotBytes - 1));
}

std::uint32_t sharedRank(Thread& thread, std::uint32_t address, const Site&) {
    return address >> 24 == 0 ? thread.clusterCtarank : (address >> 24) - 1;
}

void yield(Thread& thread, const Site& site) {
    ThreadState& state = Group::state(thread);
    state.site = &site;
    Group::current().yield(state);
}

void exitThread(Thread& thread) { Group::current().exit(Group::state(thread)); }

void trap(Thread& thread, const char* reason, const Site& site) {
    Group::current().fail(Group::state(thread), FaultKind::Trap, std::string("a trap: ") + reason, site);
}

std::uint64_t clock(Thread&) {
    static std::atomic<std::uint64_t> ticks{0};
    return ticks += 16;
}

}  // namespace fusor::sim
