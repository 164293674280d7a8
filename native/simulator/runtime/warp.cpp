// Operations of the lanes of a warp: each names its lanes, and all of them have to come.
#include <algorithm>

#include "group.h"
#include "sanitizer.h"

namespace fusor::sim {
namespace {

// What a lane gets from one that takes no part: on the device anything, here something a test notices.
constexpr std::uint32_t kPoison = 0xBADC0DE5;

std::string hex(std::uint32_t mask) {
    char text[16];
    std::snprintf(text, sizeof text, "0x%08x", mask);
    return text;
}

void refuse(ThreadState& thread, std::uint32_t mask, const char* operation, const Site& site) {
    Group& group = Group::current();
    const Warp& warp = thread.block->warps[thread.warp];
    if ((mask >> thread.lane & 1) == 0) {
        group.fail(thread, FaultKind::Warp, std::string(operation) + " names the lanes " + hex(mask) + ", but lane " +
                                                std::to_string(thread.lane) + " calls it", site);
    }
    if ((warp.exited & mask) != 0) {
        group.fail(thread, FaultKind::Warp,
                   std::string(operation) + " names the lanes " + hex(mask) + ", of which " + hex(warp.exited & mask) +
                       " have ended or do not exist", site);
    }
}

// All lanes of the mask have arrived: hands each of them what all of them gave.
void meet(ThreadState& last, Warp& warp, std::uint32_t mask, std::uint32_t count) {
    const sanitizer::Quiet quiet;
    Block& block = *last.block;
    Exchange* exchange = warp.take();
    exchange->words.resize(kWarpSize * count);
    exchange->count = count;
    exchange->mask = mask;
    exchange->readers = static_cast<std::uint32_t>(__builtin_popcount(mask));
    for (std::uint32_t lane = 0; lane < kWarpSize; lane++) {
        if ((mask >> lane & 1) == 0) {
            continue;
        }
        ThreadState& thread = block.threads[last.warp * kWarpSize + lane];
        if (thread.mask != mask || thread.operation != last.operation || thread.site != last.site) {
            Group::current().fail(last, FaultKind::Warp,
                                  std::string("lanes of a warp meet in different operations: ") + nameOf(thread) + " in " + thread.operation +
                                      " of the lanes " + hex(thread.mask) + " at " + placeOf(*thread.site) + ", and in " + last.operation +
                                      " of the lanes " + hex(mask), *last.site);
        }
        std::copy_n(warp.words[lane].data(), count, exchange->words.data() + lane * count);
        exchange->turns[lane] = thread.warpTurn;
        thread.exchange = exchange;
        thread.state = State::Ready;
    }
    warp.arrived &= ~mask;
    Group::current().progressed();
}

const Exchange& gather(ThreadState& thread, std::uint32_t mask, const std::uint32_t* words, std::uint32_t count, const char* operation,
                       const Site& site) {
    if (thread.exchange != nullptr) {
        thread.exchange->readers--;
        thread.exchange = nullptr;
    }
    refuse(thread, mask, operation, site);
    Warp& warp = thread.block->warps[thread.warp];
    thread.mask = mask;
    thread.operation = operation;
    thread.site = &site;
    thread.warpTurn++;
    {
        const sanitizer::Quiet quiet;
        warp.words[thread.lane].assign(words, words + count);
    }
    warp.arrived |= 1u << thread.lane;
    sanitizer::release(&thread.released[thread.warpTurn & 1]);
    const bool last = (warp.arrived & mask) == mask;
    if (last) {
        meet(thread, warp, mask, count);
    } else {
        Group::current().wait(thread, State::AtWarp, site);
    }
#if defined(FUSOR_SIM_TSAN)
    // Each lane is ordered after the others of the mask, and after nobody else: the last to come after all of them, which it leaves with the
    // first lane for the others. Two objects take turns: a fast lane may be one ahead.
    const auto released = [&](std::uint32_t lane) {
        return &thread.block->threads[thread.warp * kWarpSize + lane].released[thread.exchange->turns[lane] & 1];
    };
    char* const ofFirst = released(static_cast<std::uint32_t>(__builtin_ctz(mask)));
    if (last) {
        for (std::uint32_t lanes = mask; lanes != 0; lanes &= lanes - 1) {
            sanitizer::acquire(released(static_cast<std::uint32_t>(__builtin_ctz(lanes))));
        }
        sanitizer::release(ofFirst);
    } else {
        sanitizer::acquire(ofFirst);
    }
#endif
    return *thread.exchange;
}

std::uint32_t ballot(const Exchange& exchange) {
    std::uint32_t lanes = 0;
    for (std::uint32_t lane = 0; lane < kWarpSize; lane++) {
        if (exchange.mask >> lane & 1 && exchange.words[lane] != 0) {
            lanes |= 1u << lane;
        }
    }
    return lanes;
}

std::uint64_t valueOf(const Exchange& exchange, std::uint32_t lane) {
    return exchange.words[2 * lane] | static_cast<std::uint64_t>(exchange.words[2 * lane + 1]) << 32;
}

std::uint32_t equalTo(const Exchange& exchange, std::uint64_t value) {
    std::uint32_t lanes = 0;
    for (std::uint32_t lane = 0; lane < kWarpSize; lane++) {
        if (exchange.mask >> lane & 1 && valueOf(exchange, lane) == value) {
            lanes |= 1u << lane;
        }
    }
    return lanes;
}

const char* nameOf(Shuffle kind) {
    switch (kind) {
        case Shuffle::Up: return "shfl.sync.up";
        case Shuffle::Down: return "shfl.sync.down";
        case Shuffle::Butterfly: return "shfl.sync.bfly";
        default: return "shfl.sync.idx";
    }
}

}  // namespace

void warpSync(Thread& plain, std::uint32_t mask, const Site& site) {
    gather(Group::state(plain), mask, nullptr, 0, "bar.warp.sync", site);
}

std::uint32_t shuffle(Thread& plain, Shuffle kind, std::uint32_t value, std::uint32_t lane, std::uint32_t clamp, std::uint32_t mask,
                      bool& inRange, const Site& site) {
    ThreadState& thread = Group::state(plain);
    const Exchange& exchange = gather(thread, mask, &value, 1, nameOf(kind), site);
    const std::int32_t own = static_cast<std::int32_t>(thread.lane);
    const std::int32_t b = lane & 31;
    const std::int32_t c = clamp & 31;
    const std::int32_t segment = clamp >> 8 & 31;
    const std::int32_t most = (own & segment) | (c & ~segment);
    const std::int32_t least = own & segment;
    std::int32_t source = 0;
    switch (kind) {
        case Shuffle::Up:
            source = own - b;
            inRange = source >= most;
            break;
        case Shuffle::Down:
            source = own + b;
            inRange = source <= most;
            break;
        case Shuffle::Butterfly:
            source = own ^ b;
            inRange = source <= most;
            break;
        case Shuffle::Index:
            source = least | (b & ~segment);
            inRange = source <= most;
            break;
    }
    if (!inRange) {
        source = own;
    }
    return exchange.mask >> source & 1 ? exchange.words[source] : kPoison;
}

std::uint32_t vote(Thread& plain, Vote kind, bool predicate, std::uint32_t mask, const Site& site) {
    const std::uint32_t word = predicate;
    const std::uint32_t lanes = ballot(gather(Group::state(plain), mask, &word, 1, "vote.sync", site));
    switch (kind) {
        case Vote::All: return lanes == mask;
        case Vote::Any: return lanes != 0;
        case Vote::Uniform: return lanes == mask || lanes == 0;
        case Vote::Ballot: return lanes;
        default: return static_cast<std::uint32_t>(__builtin_popcount(lanes));
    }
}

std::uint32_t matchAny(Thread& plain, std::uint64_t value, std::uint32_t mask, const Site& site) {
    const std::uint32_t words[] = {static_cast<std::uint32_t>(value), static_cast<std::uint32_t>(value >> 32)};
    return equalTo(gather(Group::state(plain), mask, words, 2, "match.any.sync", site), value);
}

std::uint32_t matchAll(Thread& plain, std::uint64_t value, std::uint32_t mask, bool& all, const Site& site) {
    const std::uint32_t words[] = {static_cast<std::uint32_t>(value), static_cast<std::uint32_t>(value >> 32)};
    all = equalTo(gather(Group::state(plain), mask, words, 2, "match.all.sync", site), value) == mask;
    return all ? mask : 0;
}

std::uint32_t activeMask(Thread& plain, const Site& site) {
    ThreadState& thread = Group::state(plain);
    if (Group::current().schedule().activeMaskIsOwnLane) {
        return 1u << thread.lane;
    }
    Group::current().wait(thread, State::AtActiveMask, site);
    return thread.mask;
}

bool elect(Thread& plain, std::uint32_t mask, std::uint32_t& leader, const Site& site) {
    ThreadState& thread = Group::state(plain);
    gather(thread, mask, nullptr, 0, "elect.sync", site);
    leader = static_cast<std::uint32_t>(__builtin_ctz(mask));
    return thread.lane == leader;
}

const std::uint32_t* exchange(Thread& plain, std::uint32_t mask, const std::uint32_t* words, std::uint32_t count, const Site& site) {
    return gather(Group::state(plain), mask, words, count, site.instruction, site).words.data();
}

}  // namespace fusor::sim
