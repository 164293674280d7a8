#include "group.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "sanitizer.h"
#include "shadow.h"

namespace fusor::sim {
namespace {

thread_local Group* current_ = nullptr;

// Fresh shared memory holds this, so that what relies on it differs from what does not.
constexpr int kPoison = 0xA5;
constexpr std::uint64_t kDefaultWatchdog = 50'000'000;
constexpr std::uint32_t kDynamicAlignment = 128;

std::string triple(const Dim& dim) {
    return "(" + std::to_string(dim.x) + "," + std::to_string(dim.y) + "," + std::to_string(dim.z) + ")";
}

std::uint32_t volume(const Dim& dim) { return dim.x * dim.y * dim.z; }

Dim at(std::uint64_t index, const Dim& of) {
    return {static_cast<std::uint32_t>(index % of.x), static_cast<std::uint32_t>(index / of.x % of.y),
            static_cast<std::uint32_t>(index / (static_cast<std::uint64_t>(of.x) * of.y))};
}

// How much of a slot of shared memory its last block had. A slot belongs to one worker at a time.
std::uint32_t& usedOf(std::uint32_t slot) {
    static std::vector<std::uint32_t> used(shadow::kSlots);
    return used[slot];
}

const char* nameOf(State state) {
    switch (state) {
        case State::New: return "not started";
        case State::Ready: return "running";
        case State::AtBarrier: return "at a barrier";
        case State::AtWarp: return "in a warp operation";
        case State::AtActiveMask: return "in activemask";
        case State::AtCluster: return "at the cluster's barrier";
        default: return "ended";
    }
}

}  // namespace

std::string nameOf(const ThreadState& thread) {
    return "thread " + triple(thread.tid) + " of block " + triple(thread.ctaid);
}

std::string placeOf(const Site& site) {
    return std::string(site.file) + ":" + std::to_string(site.line) + " (PTX line " + std::to_string(site.ptxLine) + ": `" +
           site.instruction + "`)";
}

Exchange* Warp::take() {
    for (auto& exchange : pool) {
        if (exchange->readers == 0) {
            return exchange.get();
        }
    }
    pool.push_back(std::make_unique<Exchange>());
    return pool.back().get();
}

Group& Group::current() { return *current_; }

Group::Group(const Launch& launch, const Schedule& schedule, std::uint32_t firstSlot)
    : launch_(launch), schedule_(schedule), firstSlot_(firstSlot) {}

// Only now is what its threads did before what comes next: blocks that ran one after the other are not ordered by that.
Group::~Group() { sanitizer::acquire(&endObject_); }

void Group::place(Block& block, std::uint64_t index, std::uint32_t slot, Cluster& cluster) {
    const Entry& entry = *launch_.entry;
    const std::uint32_t threads = volume(launch_.block);
    const std::uint32_t dynamic = (entry.sharedLayoutBytes + kDynamicAlignment - 1) / kDynamicAlignment * kDynamicAlignment;
    const std::uint32_t end = dynamic + launch_.dynamicSharedBytes;
    block.index = at(index, launch_.grid);
    block.shared = shadow::regionStart(shadow::kSharedRegion) + slot * shadow::kSlotBytes;
    block.live = threads;
    block.cluster = &cluster;
    block.toMbarrier.clear();
    std::fill(std::begin(block.barriers), std::end(block.barriers), Barrier{});

    sanitizer::unpoison(reinterpret_cast<void*>(block.shared), end);
    sanitizer::renew(reinterpret_cast<void*>(block.shared), end);
    std::memset(reinterpret_cast<void*>(block.shared), kPoison, end);
    shadow::mark(block.shared, end, 0);
    sanitizer::poison(reinterpret_cast<void*>(block.shared), dynamic);
    if (usedOf(slot) > end) {  // by a block of an earlier launch
        shadow::mark(block.shared + end, usedOf(slot) - end, 0);
    }
    usedOf(slot) = end;
    for (std::uint32_t i = 0; i < entry.sharedCount; i++) {
        const SharedArray& array = entry.shared[i];
        shadow::mark(block.shared + array.offset, array.size, shadow::kAddressable);
        sanitizer::unpoison(reinterpret_cast<void*>(block.shared + array.offset), array.size);
    }
    shadow::mark(block.shared + dynamic, launch_.dynamicSharedBytes, shadow::kAddressable);
    sanitizer::poison(reinterpret_cast<void*>(block.shared + end), 4096);

    const std::uint32_t warps = (threads + kWarpSize - 1) / kWarpSize;
    if (block.threads.size() != threads) {
        block.threads = std::vector<ThreadState>(threads);
        block.warps = std::vector<Warp>(warps);
    }
    for (Warp& warp : block.warps) {
        warp.arrived = 0;
        warp.exited = 0;
        for (auto& exchange : warp.pool) {
            exchange->readers = 0;
        }
    }
    if (threads % kWarpSize != 0) {
        block.warps.back().exited = ~0u << threads % kWarpSize;
    }
    const Dim& clusterShape = launch_.cluster;
    const Dim inCluster{block.index.x % clusterShape.x, block.index.y % clusterShape.y, block.index.z % clusterShape.z};
    for (std::uint32_t i = 0; i < threads; i++) {
        ThreadState& thread = block.threads[i];
        thread.fiber.dispose(home_);
        static_cast<Thread&>(thread) = Thread{};
        thread.tid = at(i, launch_.block);
        thread.ntid = launch_.block;
        thread.ctaid = block.index;
        thread.nctaid = launch_.grid;
        thread.clusterid = {block.index.x / clusterShape.x, block.index.y / clusterShape.y, block.index.z / clusterShape.z};
        thread.nclusterid = {launch_.grid.x / clusterShape.x, launch_.grid.y / clusterShape.y, launch_.grid.z / clusterShape.z};
        thread.clusterCtaid = inCluster;
        thread.clusterNctaid = clusterShape;
        thread.clusterCtarank = inCluster.x + clusterShape.x * (inCluster.y + clusterShape.y * inCluster.z);
        thread.clusterNctarank = volume(clusterShape);
        thread.lane = i % kWarpSize;
        thread.warp = i / kWarpSize;
        thread.warps = warps;
        thread.dynamicShared = dynamic;
        thread.dynamicSharedBytes = launch_.dynamicSharedBytes;
        thread.variables = launch_.variables;
        thread.shared = block.shared;
        thread.regions = 1u << launch_.device | static_cast<std::uint32_t>(launch_.peers & 0xFF) | 1u << shadow::kPinnedRegion;
        thread.block = &block;
        thread.index = i;
        thread.state = State::New;
        thread.site = nullptr;
        thread.exchange = nullptr;
        thread.clusterPhase = 0;
        thread.clusterArrived = false;
        thread.warpTurn = 0;
        thread.copies.clear();
        thread.bulkCopies.clear();
        thread.copyGroups.clear();
        thread.bulkGroups.clear();
    }
}

Fault Group::run(const std::vector<std::uint64_t>& indices, std::uint64_t seed) {
    const std::uint32_t clusterSize = volume(launch_.cluster);
    // What is freed takes its happens-before edges with it: those of one block's barriers must not reach the next block.
    if (sanitizer::kThreads || blocks_.size() != indices.size()) {
        const sanitizer::Quiet quiet;
        blocks_ = std::vector<Block>(indices.size());
        clusters_ = std::vector<Cluster>(indices.size() / clusterSize);
    }
    random_.seed(seed);
    live_ = 0;
    idleSwitches_ = 0;
    fault_ = {};
    order_.clear();
    for (std::size_t i = 0; i < indices.size(); i++) {
        Cluster& cluster = clusters_[i / clusterSize];
        if (i % clusterSize == 0) {
            cluster = {};
            cluster.live = clusterSize * volume(launch_.block);
        }
        place(blocks_[i], indices[i], firstSlot_ + static_cast<std::uint32_t>(i), cluster);
    }
    for (std::size_t i = 0; i < indices.size(); i++) {
        Block& block = blocks_[i];
        block.clusterShared.resize(clusterSize);
        for (std::uint32_t rank = 0; rank < clusterSize; rank++) {
            block.clusterShared[rank] = blocks_[i / clusterSize * clusterSize + rank].shared;
        }
        for (ThreadState& thread : block.threads) {
            thread.clusterShared = block.clusterShared.data();
            order_.push_back(&thread);
        }
        live_ += block.live;
    }
    if (schedule_.order == ThreadOrder::Descending) {
        std::reverse(order_.begin(), order_.end());
    }
    shuffleOrder();
    current_ = this;
    sanitizer::release(&startObject_);
    while (live_ > 0 && fault_.kind == FaultKind::None) {
        bool any = false;
        for (ThreadState* thread : order_) {
            if (thread->state <= State::Ready) {
                any = true;
                resume(*thread);
                if (fault_.kind != FaultKind::None) {
                    break;
                }
            }
        }
        if (!any && !settleActiveMasks()) {
            fault_ = {FaultKind::Deadlock, deadlock()};
        }
        const std::uint64_t watchdog = schedule_.watchdogSwitches != 0 ? schedule_.watchdogSwitches : kDefaultWatchdog;
        if (fault_.kind == FaultKind::None && idleSwitches_ > watchdog) {
            fault_ = {FaultKind::Hang, "no thread of kernel " + std::string(launch_.entry->name) + " came any further in " +
                                           std::to_string(idleSwitches_) + " turns; " + deadlock()};
        }
        shuffleOrder();
    }
    for (Block& block : blocks_) {
        for (ThreadState& thread : block.threads) {
            if (thread.fiber.stack != nullptr) {
                stacks_.give(thread.fiber.stack);
                thread.fiber.stack = nullptr;
            }
            thread.fiber.dispose(home_);
        }
    }
    current_ = nullptr;
    return fault_;
}

void Group::shuffleOrder() {
    if (schedule_.order == ThreadOrder::Random) {
        std::shuffle(order_.begin(), order_.end(), random_);
    }
}

void Group::body(void* argument) {
    ThreadState& thread = *static_cast<ThreadState*>(argument);
    Group& group = current();
    Fiber::arrived(group.home_);
    sanitizer::acquire(&group.startObject_);
    group.launch_.entry->run(thread, group.launch_.parameters);
    group.exit(thread);
}

void Group::start(ThreadState& thread) {
    char* stack = stacks_.take();
    thread.stackLow = reinterpret_cast<std::uint64_t>(stack);
    thread.stackHigh = thread.stackLow + Stacks::kBytes;
    thread.fiber.prepare(home_, stack, &Group::body, &thread);
}

void Group::resume(ThreadState& thread) {
    if (thread.state == State::New) {
        start(thread);
    }
    thread.state = State::Ready;
    idleSwitches_++;
    thread.fiber.resume(home_);
    if (thread.state == State::Done) {
        stacks_.give(thread.fiber.stack);
        thread.fiber.stack = nullptr;
    }
}

void Group::wakeCluster(const Cluster& cluster) {
    for (Block& block : blocks_) {
        for (ThreadState& thread : block.threads) {
            if (block.cluster == &cluster && thread.state == State::AtCluster) {
                thread.state = State::Ready;
            }
        }
    }
}

void Group::wait(ThreadState& thread, State state, const Site& site) {
    thread.state = state;
    thread.site = &site;
    thread.polls = 0;
    thread.fiber.leave(home_, false);
}

void Group::yield(ThreadState& thread) {
    thread.polls = 0;
    thread.fiber.leave(home_, false);
}

void Group::exit(ThreadState& thread) {
    finishCopies(thread);
    sanitizer::release(&endObject_);
    thread.state = State::Done;
    Block& block = *thread.block;
    block.warps[thread.warp].exited |= 1u << thread.lane;
    block.live--;
    block.cluster->live--;
    live_--;
    progressed();
    if (fault_.kind == FaultKind::None) {
        refuseWaitingFor(thread);
        settleBarriers(*this, block);
        settleCluster(block);
    }
    thread.fiber.leave(home_, true);
    __builtin_unreachable();
}

// Lanes that wait in a warp operation for one that has ended.
void Group::refuseWaitingFor(const ThreadState& ended) {
    const std::vector<ThreadState>& threads = ended.block->threads;
    for (std::uint32_t waiting = ended.block->warps[ended.warp].arrived; waiting != 0; waiting &= waiting - 1) {
        const ThreadState& thread = threads[ended.warp * kWarpSize + static_cast<std::uint32_t>(__builtin_ctz(waiting))];
        if ((thread.mask >> ended.lane & 1) != 0) {
            const sanitizer::Quiet quiet;
            fault_ = {FaultKind::Warp, std::string(thread.operation) + " waits for lanes that have ended: " + nameOf(ended) + " has, by " +
                                           nameOf(thread) + " of kernel " + launch_.entry->name + " at " + placeOf(*thread.site)};
            return;
        }
    }
}

void Group::fail(ThreadState& thread, FaultKind kind, const std::string& what, const Site& site) {
    if (fault_.kind == FaultKind::None) {
        const sanitizer::Quiet quiet;
        fault_ = {kind, what + ", by " + nameOf(thread) + " of kernel " + launch_.entry->name + " at " + placeOf(site)};
    }
    thread.site = &site;
    thread.fiber.leave(home_, false);
    __builtin_unreachable();
}

// Lanes that ask for the active mask at one place are active together, once nobody else can run.
bool Group::settleActiveMasks() {
    bool any = false;
    for (Block& block : blocks_) {
        for (std::uint32_t first = 0; first < block.threads.size(); first += kWarpSize) {
            const std::uint32_t end = std::min<std::uint32_t>(first + kWarpSize, static_cast<std::uint32_t>(block.threads.size()));
            for (std::uint32_t i = first; i < end; i++) {
                if (block.threads[i].state != State::AtActiveMask) {
                    continue;
                }
                const Site* site = block.threads[i].site;
                std::uint32_t mask = 0;
                for (std::uint32_t j = i; j < end; j++) {
                    if (block.threads[j].state == State::AtActiveMask && block.threads[j].site == site) {
                        mask |= 1u << (j - first);
                    }
                }
                for (std::uint32_t j = i; j < end; j++) {
                    if (mask >> (j - first) & 1) {
                        block.threads[j].mask = mask;
                        block.threads[j].state = State::Ready;
                    }
                }
                any = true;
            }
        }
    }
    return any;
}

std::string Group::deadlock() const {
    std::map<std::string, std::pair<std::uint32_t, const ThreadState*>> places;
    for (const Block& block : blocks_) {
        for (const ThreadState& thread : block.threads) {
            std::string place = nameOf(thread.state);
            if (thread.state != State::Done && thread.site != nullptr) {
                place += " " + placeOf(*thread.site);
            }
            auto& entry = places[place];
            entry.first++;
            if (entry.second == nullptr) {
                entry.second = &thread;
            }
        }
    }
    std::string text = "the threads of kernel " + std::string(launch_.entry->name) + " wait for each other:";
    for (const auto& [place, entry] : places) {
        text += " " + std::to_string(entry.first) + " " + place + " (first " + nameOf(*entry.second) + ");";
    }
    text.pop_back();
    return text;
}

}  // namespace fusor::sim
