// Barriers of a block and of a cluster.
#include <string_view>

#include "group.h"
#include "sanitizer.h"

namespace fusor::sim {
namespace {

bool samePlace(const Site& one, const Site& other) {
    return &one == &other || (one.line == other.line && std::string_view(one.file) == other.file);
}

void complete(Group& group, Block& block, std::uint32_t number) {
    Barrier& barrier = block.barriers[number];
    barrier.lastYes = barrier.yes;
    barrier.lastVotes = barrier.votes;
    barrier.generation++;
    barrier.expected = barrier.arrived = barrier.yes = barrier.votes = 0;
    barrier.whole = false;
    barrier.site = nullptr;
    for (ThreadState& thread : block.threads) {
        if (thread.state == State::AtBarrier && thread.barrier == number) {
            thread.state = State::Ready;
        }
    }
    group.progressed();
}

// Some threads of a warp wait, others of it have ended: the hardware would wait for them or not, as the architecture has it.
void refuseSplitWarps(Group& group, Block& block, std::uint32_t number) {
    for (std::uint32_t w = 0; w < block.warps.size(); w++) {
        const ThreadState* waiting = nullptr;
        const ThreadState* ended = nullptr;
        for (std::uint32_t i = w * kWarpSize; i < std::min<std::size_t>((w + 1) * kWarpSize, block.threads.size()); i++) {
            const ThreadState& thread = block.threads[i];
            if (thread.state == State::AtBarrier && thread.barrier == number) {
                waiting = &thread;
            } else if (thread.state == State::Done) {
                ended = &thread;
            }
        }
        if (waiting != nullptr && ended != nullptr) {
            group.fail(const_cast<ThreadState&>(*waiting), FaultKind::Barrier,
                       "barrier " + std::to_string(number) + " is reached by only a part of a warp: " + nameOf(*ended) + " has ended",
                       *waiting->site);
        }
    }
}

Barrier& arrive(ThreadState& thread, std::uint32_t number, std::uint32_t threads, bool waits, const Site& site) {
    Group& group = Group::current();
    Block& block = *thread.block;
    if (number >= kBarriers) {
        group.fail(thread, FaultKind::Barrier, "there is no barrier " + std::to_string(number) + ": a block has 16", site);
    }
    if (threads % kWarpSize != 0) {
        group.fail(thread, FaultKind::Barrier,
                   "a barrier is for whole warps: its number of threads has to be a multiple of 32, got " + std::to_string(threads), site);
    }
    Barrier& barrier = block.barriers[number];
    const bool whole = threads == 0;
    const std::uint32_t expected = whole ? block.live : threads;
    if (barrier.arrived > 0) {
        if (barrier.whole != whole || (!whole && barrier.expected != expected)) {
            group.fail(thread, FaultKind::Barrier,
                       "barrier " + std::to_string(number) + " is for " + (whole ? "the whole block" : std::to_string(threads) + " threads") +
                           " here, and for " + (barrier.whole ? "the whole block" : std::to_string(barrier.expected) + " threads") +
                           " where " + nameOf(*barrier.first) + " waits at " + placeOf(*barrier.site),
                       site);
        }
        // Named barriers with a count may be met from different places, as producers and consumers do; __syncthreads may not.
        if (whole && waits && !samePlace(*barrier.site, site)) {
            group.fail(thread, FaultKind::Barrier,
                       "threads of one block wait at different barriers: " + nameOf(*barrier.first) + " at " + placeOf(*barrier.site), site);
        }
    } else {
        barrier.whole = whole;
        barrier.site = &site;
        barrier.first = &thread;
    }
    barrier.expected = expected;
    barrier.arrived++;
    sanitizer::release(&barrier.released[barrier.generation & 1]);
    return barrier;
}

void sync(ThreadState& thread, std::uint32_t number, Barrier& barrier, const Site& site) {
    const std::uint32_t generation = barrier.generation;
    thread.barrier = static_cast<std::uint8_t>(number);
    thread.site = &site;
    if (barrier.arrived == barrier.expected) {
        thread.state = State::AtBarrier;
        refuseSplitWarps(Group::current(), *thread.block, number);
        complete(Group::current(), *thread.block, number);
    } else {
        Group::current().wait(thread, State::AtBarrier, site);
    }
    sanitizer::acquire(&barrier.released[generation & 1]);
}

void completeCluster(Block& block) {
    Cluster& cluster = *block.cluster;
    cluster.phase++;
    cluster.arrived = 0;
    Group::current().wakeCluster(cluster);
    Group::current().progressed();
}

}  // namespace

void settleBarriers(Group& group, Block& block) {
    for (std::uint32_t number = 0; number < kBarriers; number++) {
        Barrier& barrier = block.barriers[number];
        if (barrier.arrived > 0 && barrier.whole) {
            barrier.expected = block.live;
            if (barrier.arrived == barrier.expected) {
                refuseSplitWarps(group, block, number);
                complete(group, block, number);
            }
        }
    }
}

void settleCluster(Block& block) {
    Cluster& cluster = *block.cluster;
    if (cluster.arrived > 0 && cluster.arrived == cluster.live) {
        completeCluster(block);
    }
}

void barrierSync(Thread& plain, std::uint32_t number, std::uint32_t threads, const Site& site) {
    if (site.ptxLine == Group::current().schedule().withoutBarrier) {
        return;
    }
    ThreadState& thread = Group::state(plain);
    sync(thread, number, arrive(thread, number, threads, true, site), site);
}

void barrierArrive(Thread& plain, std::uint32_t number, std::uint32_t threads, const Site& site) {
    ThreadState& thread = Group::state(plain);
    Barrier& barrier = arrive(thread, number, threads, false, site);
    if (barrier.arrived == barrier.expected) {
        complete(Group::current(), *thread.block, number);
    }
}

std::uint32_t barrierReduce(Thread& plain, std::uint32_t number, std::uint32_t threads, Vote vote, bool predicate, const Site& site) {
    ThreadState& thread = Group::state(plain);
    Barrier& barrier = arrive(thread, number, threads, true, site);
    barrier.votes++;
    barrier.yes += predicate;
    sync(thread, number, barrier, site);
    switch (vote) {
        case Vote::All: return barrier.lastYes == barrier.lastVotes;
        case Vote::Any: return barrier.lastYes > 0;
        default: return barrier.lastYes;
    }
}

void clusterArrive(Thread& plain, bool relaxed, const Site& site) {
    ThreadState& thread = Group::state(plain);
    Group& group = Group::current();
    if (thread.clusterArrived) {
        group.fail(thread, FaultKind::Barrier, "the thread arrives at the cluster's barrier again without waiting for the last time", site);
    }
    Cluster& cluster = *thread.block->cluster;
    thread.clusterArrived = true;
    thread.clusterPhase = cluster.phase;
    thread.site = &site;
    if (!relaxed) {
        sanitizer::release(&cluster.released[cluster.phase & 1]);
    }
    cluster.arrived++;
    settleCluster(*thread.block);
}

void clusterWait(Thread& plain, const Site& site) {
    ThreadState& thread = Group::state(plain);
    Group& group = Group::current();
    if (!thread.clusterArrived) {
        group.fail(thread, FaultKind::Barrier, "the thread waits at the cluster's barrier without having arrived", site);
    }
    Cluster& cluster = *thread.block->cluster;
    while (cluster.phase == thread.clusterPhase) {
        group.wait(thread, State::AtCluster, site);
    }
    sanitizer::acquire(&cluster.released[thread.clusterPhase & 1]);
    thread.clusterArrived = false;
}

}  // namespace fusor::sim
