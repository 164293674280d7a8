// Asynchronous copies and the mbarrier objects some of them complete on. What a copy will write is unreadable from its start, and holds
// the data only when the standard lets the thread rely on it: a missing wait is a read of memory that nothing was written to.
#include <cstring>

#include "group.h"
#include "memory.h"
#include "sanitizer.h"

namespace fusor::sim {
namespace {

constexpr int kPoison = 0xA5;

void* pointer(std::uint64_t address) { return reinterpret_cast<void*>(address); }

// Both ends of a copy, checked as accesses of that many bytes; the source is read now, the destination is no longer readable.
void begin(ThreadState& thread, Space destinationSpace, std::uint64_t destination, Space sourceSpace, std::uint64_t source,
           std::uint32_t bytes, std::uint32_t sourceBytes, std::uint32_t alignment, const Site& site) {
    using access::Kind;
    const auto check = [&](std::uint64_t at, std::uint32_t count, Kind kind, Space space, std::uint8_t wanted) {
        if (at % alignment != 0) {
            access::misaligned(thread, at, count, alignment, kind, space, site);
        }
        const bool shared = space == Space::SharedCta || space == Space::SharedCluster;
        const std::uint32_t regions = shared ? 1u << shadow::kSharedRegion : thread.regions;
        const bool covered = shadow::covers(at) && (regions >> shadow::regionOf(at) & 1) != 0;
        if (!covered || !shadow::all(at, count, wanted)) {
            access::slow(thread, at, count, kind, space, site);
        }
    };
    if (sourceBytes > 0) {
        check(source, sourceBytes, Kind::Read, sourceSpace, shadow::kReadable);
    }
    check(destination, bytes, Kind::Write, destinationSpace, shadow::kAddressable);
    sanitizer::write(pointer(destination), bytes);
    std::memset(pointer(destination), kPoison, bytes);
    if (shadow::covers(destination)) {
        shadow::mark(destination, bytes, shadow::kAddressable);
    }
}

void perform(const AsyncCopy& copy) {
    sanitizer::read(pointer(copy.source), copy.sourceBytes);
    sanitizer::write(pointer(copy.destination), copy.bytes);
    std::memcpy(pointer(copy.destination), pointer(copy.source), copy.sourceBytes);
    std::memset(pointer(copy.destination + copy.sourceBytes), 0, copy.bytes - copy.sourceBytes);
    if (shadow::covers(copy.destination)) {
        shadow::mark(copy.destination, copy.bytes, shadow::kReadable);
    }
}

// Performs the oldest groups until no more than so many are left.
void settle(std::vector<AsyncCopy>& copies, std::vector<std::uint32_t>& groups, std::uint32_t pending) {
    std::uint32_t done = 0;
    std::size_t ended = 0;
    while (groups.size() - ended > pending) {
        for (; done < groups[ended]; done++) {
            perform(copies[done]);
        }
        ended++;
    }
    copies.erase(copies.begin(), copies.begin() + done);
    groups.erase(groups.begin(), groups.begin() + static_cast<std::ptrdiff_t>(ended));
    for (std::uint32_t& end : groups) {
        end -= done;
    }
}

// The 64 bits of an mbarrier object. Only these functions look inside, so the layout is ours.
struct Mbarrier {
    std::uint64_t pending : 20;   // arrivals still wanted in this phase
    std::uint64_t expected : 20;  // arrivals of the next phase
    std::int64_t bytes : 22;      // transaction count: bytes expected and not yet come
    std::uint64_t phase : 1;
    std::uint64_t valid : 1;
};
static_assert(sizeof(Mbarrier) == 8);

constexpr std::uint32_t kMostArrivals = (1 << 20) - 1;

// A shared address has 32 bits, and no window of generic addresses starts so low.
std::uint64_t addressOf(ThreadState& thread, std::uint64_t address, const Site& site) {
    return address >> 32 == 0 ? access::host<Space::SharedCluster>(thread, address, site) : address;
}

Mbarrier& at(ThreadState& thread, std::uint64_t address, const Site& site) {
    access::checked<Space::Generic, access::Kind::Update, 8>(thread, address, site);
    Mbarrier& object = *static_cast<Mbarrier*>(pointer(address));
    if (!object.valid) {
        Group::current().fail(thread, FaultKind::Barrier, "the mbarrier was not initialised, or was invalidated", site);
    }
    return object;
}

void settlePhase(Mbarrier& object) {
    if (object.pending == 0 && object.bytes == 0) {
        object.phase ^= 1;
        object.pending = object.expected;
        Group::current().progressed();
    }
}

// Somebody looks at the mbarrier: the bulk copies that complete on it arrive now.
void deliver(ThreadState& thread, std::uint64_t address, Mbarrier& object) {
    for (std::uint32_t rank = 0; rank < thread.clusterNctarank; rank++) {
        if (address - thread.clusterShared[rank] >= shadow::kSlotBytes) {
            continue;
        }
        Block& owner = *(thread.block + (static_cast<std::int64_t>(rank) - thread.clusterCtarank));
        std::vector<AsyncCopy> others;
        for (const AsyncCopy& copy : owner.toMbarrier) {
            if (copy.mbarrier != address) {
                others.push_back(copy);
                continue;
            }
            perform(copy);
            object.bytes = object.bytes - copy.bytes;
            settlePhase(object);
        }
        owner.toMbarrier = std::move(others);
        return;
    }
}

void toMbarrier(ThreadState& thread, AsyncCopy copy, const Site& site) {
    at(thread, copy.mbarrier, site);
    sanitizer::release(pointer(copy.mbarrier));
    const sanitizer::Quiet quiet;
    for (std::uint32_t rank = 0; rank < thread.clusterNctarank; rank++) {
        if (copy.mbarrier - thread.clusterShared[rank] < shadow::kSlotBytes) {
            (thread.block + (static_cast<std::int64_t>(rank) - thread.clusterCtarank))->toMbarrier.push_back(copy);
        }
    }
}

bool hasCompleted(ThreadState& thread, std::uint64_t address, std::uint32_t phase, const Site& site) {
    Mbarrier& object = at(thread, address, site);
    deliver(thread, address, object);
    if (object.phase == phase) {
        return false;
    }
    sanitizer::acquire(pointer(address));
    return true;
}

}  // namespace

void finishCopies(ThreadState& thread) {
    thread.copies.clear();
    thread.copyGroups.clear();
    if (!thread.bulkCopies.empty()) {
        bulkCommit(thread, *thread.site);
        settle(thread.bulkCopies, thread.bulkGroups, 0);
    }
}

void copyAsync(Thread& plain, std::uint32_t shared, std::uint64_t global, std::uint32_t bytes, std::uint32_t sourceBytes, const Site& site) {
    ThreadState& thread = Group::state(plain);
    const std::uint64_t destination = access::host<Space::SharedCta>(thread, shared, site);
    begin(thread, Space::SharedCta, destination, Space::Global, global, bytes, std::min(bytes, sourceBytes), bytes, site);
    thread.copies.push_back({destination, global, bytes, std::min(bytes, sourceBytes), 0});
}

void copyAsyncCommit(Thread& plain, const Site&) {
    ThreadState& thread = Group::state(plain);
    thread.copyGroups.push_back(static_cast<std::uint32_t>(thread.copies.size()));
}

void copyAsyncWait(Thread& plain, std::uint32_t pending, const Site&) {
    ThreadState& thread = Group::state(plain);
    settle(thread.copies, thread.copyGroups, pending);
}

void copyAsyncWaitAll(Thread& plain, const Site& site) {
    copyAsyncCommit(plain, site);
    copyAsyncWait(plain, 0, site);
}

// The arrival is triggered when the copies so far are complete: they are completed here, which is one of the times allowed.
void copyAsyncArrive(Thread& plain, std::uint64_t mbarrier, bool noIncrement, const Site& site) {
    ThreadState& thread = Group::state(plain);
    copyAsyncWaitAll(plain, site);
    const std::uint64_t address = addressOf(thread, mbarrier, site);
    Mbarrier& object = at(thread, address, site);
    if (!noIncrement) {
        object.pending = object.pending + 1;
    }
    mbarrierArrive(plain, mbarrier, 1, false, site);
}

void bulkToShared(Thread& plain, std::uint32_t shared, std::uint64_t global, std::uint32_t bytes, std::uint64_t mbarrier, const Site& site) {
    ThreadState& thread = Group::state(plain);
    const std::uint64_t destination = addressOf(thread, shared, site);
    begin(thread, Space::SharedCluster, destination, Space::Global, global, bytes, bytes, 16, site);
    toMbarrier(thread, {destination, global, bytes, bytes, addressOf(thread, mbarrier, site)}, site);
}

void bulkSharedToShared(Thread& plain, std::uint32_t to, std::uint32_t from, std::uint32_t bytes, std::uint64_t mbarrier, const Site& site) {
    ThreadState& thread = Group::state(plain);
    const std::uint64_t destination = addressOf(thread, to, site);
    const std::uint64_t source = addressOf(thread, from, site);
    begin(thread, Space::SharedCluster, destination, Space::SharedCta, source, bytes, bytes, 16, site);
    toMbarrier(thread, {destination, source, bytes, bytes, addressOf(thread, mbarrier, site)}, site);
}

void bulkToGlobal(Thread& plain, std::uint64_t global, std::uint32_t shared, std::uint32_t bytes, const Site& site) {
    ThreadState& thread = Group::state(plain);
    const std::uint64_t source = addressOf(thread, shared, site);
    thread.site = &site;
    begin(thread, Space::Global, global, Space::SharedCta, source, bytes, bytes, 16, site);
    thread.bulkCopies.push_back({global, source, bytes, bytes, 0});
}

void bulkCommit(Thread& plain, const Site&) {
    ThreadState& thread = Group::state(plain);
    thread.bulkGroups.push_back(static_cast<std::uint32_t>(thread.bulkCopies.size()));
}

void bulkWait(Thread& plain, std::uint32_t pending, bool, const Site&) {
    ThreadState& thread = Group::state(plain);
    settle(thread.bulkCopies, thread.bulkGroups, pending);
}

void mbarrierInit(Thread& plain, std::uint64_t mbarrier, std::uint32_t count, const Site& site) {
    ThreadState& thread = Group::state(plain);
    if (count == 0 || count > kMostArrivals) {
        Group::current().fail(thread, FaultKind::Barrier, "an mbarrier takes 1 to 1048575 arrivals, got " + std::to_string(count), site);
    }
    const std::uint64_t address = addressOf(thread, mbarrier, site);
    access::checked<Space::Generic, access::Kind::Write, 8>(thread, address, site);
    sanitizer::write(pointer(address), 8);
    *static_cast<Mbarrier*>(pointer(address)) = {count, count, 0, 0, 1};
}

void mbarrierInvalidate(Thread& plain, std::uint64_t mbarrier, const Site& site) {
    ThreadState& thread = Group::state(plain);
    Mbarrier& object = at(thread, addressOf(thread, mbarrier, site), site);
    sanitizer::write(&object, 8);
    object.valid = 0;
}

void mbarrierExpect(Thread& plain, std::uint64_t mbarrier, std::uint32_t bytes, const Site& site) {
    ThreadState& thread = Group::state(plain);
    Mbarrier& object = at(thread, addressOf(thread, mbarrier, site), site);
    object.bytes = object.bytes + bytes;
}

std::uint64_t mbarrierArrive(Thread& plain, std::uint64_t mbarrier, std::uint32_t count, bool drop, const Site& site) {
    ThreadState& thread = Group::state(plain);
    const std::uint64_t address = addressOf(thread, mbarrier, site);
    Mbarrier& object = at(thread, address, site);
    if (count == 0 || count > object.pending) {
        Group::current().fail(thread, FaultKind::Barrier,
                              "the thread arrives " + std::to_string(count) + " times at an mbarrier that waits for " +
                                  std::to_string(static_cast<std::uint64_t>(object.pending)) + " more arrivals",
                              site);
    }
    sanitizer::release(pointer(address));
    std::uint64_t token;
    std::memcpy(&token, &object, sizeof token);
    if (drop) {
        object.expected = object.expected - count;
    }
    object.pending = object.pending - count;
    settlePhase(object);
    return token;
}

std::uint64_t mbarrierArriveExpecting(Thread& plain, std::uint64_t mbarrier, std::uint32_t bytes, const Site& site) {
    mbarrierExpect(plain, mbarrier, bytes, site);
    return mbarrierArrive(plain, mbarrier, 1, false, site);
}

bool mbarrierTest(Thread& plain, std::uint64_t mbarrier, std::uint64_t token, const Site& site) {
    ThreadState& thread = Group::state(plain);
    Mbarrier before;
    std::memcpy(&before, &token, sizeof token);
    access::poll(plain);
    return hasCompleted(thread, addressOf(thread, mbarrier, site), before.phase, site);
}

bool mbarrierTestParity(Thread& plain, std::uint64_t mbarrier, std::uint32_t parity, const Site& site) {
    ThreadState& thread = Group::state(plain);
    access::poll(plain);
    return hasCompleted(thread, addressOf(thread, mbarrier, site), parity & 1, site);
}

bool mbarrierTry(Thread& plain, std::uint64_t mbarrier, std::uint64_t token, const Site& site) {
    if (mbarrierTest(plain, mbarrier, token, site)) {
        return true;
    }
    yield(plain, site);
    return mbarrierTest(plain, mbarrier, token, site);
}

bool mbarrierTryParity(Thread& plain, std::uint64_t mbarrier, std::uint32_t parity, const Site& site) {
    if (mbarrierTestParity(plain, mbarrier, parity, site)) {
        return true;
    }
    yield(plain, site);
    return mbarrierTestParity(plain, mbarrier, parity, site);
}

}  // namespace fusor::sim
