#include "launch.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <numeric>
#include <thread>

#include "group.h"
#include "memory.h"
#include "record.h"
#include "shadow.h"

namespace fusor::sim {
namespace {

std::uint64_t volume(const Dim& dim) { return static_cast<std::uint64_t>(dim.x) * dim.y * dim.z; }

std::uint64_t indexOf(const Dim& at, const Dim& in) { return at.x + in.x * (at.y + static_cast<std::uint64_t>(in.y) * at.z); }

// The blocks that are resident together, group by group: all of a cooperative grid, else cluster by cluster.
class Grid {
public:
    explicit Grid(const Launch& launch)
        : launch_(launch),
          clusters_{launch.grid.x / launch.cluster.x, launch.grid.y / launch.cluster.y, launch.grid.z / launch.cluster.z} {}

    std::uint64_t groups() const { return launch_.cooperative ? 1 : volume(clusters_); }

    void blocksOf(std::uint64_t group, std::vector<std::uint64_t>& blocks) const {
        blocks.clear();
        const std::uint64_t first = launch_.cooperative ? 0 : group;
        const std::uint64_t last = launch_.cooperative ? volume(clusters_) : group + 1;
        for (std::uint64_t cluster = first; cluster < last; cluster++) {
            addCluster(cluster, blocks);
        }
    }

private:
    void addCluster(std::uint64_t cluster, std::vector<std::uint64_t>& blocks) const {
        const Dim& shape = launch_.cluster;
        const Dim at{static_cast<std::uint32_t>(cluster % clusters_.x), static_cast<std::uint32_t>(cluster / clusters_.x % clusters_.y),
                     static_cast<std::uint32_t>(cluster / (static_cast<std::uint64_t>(clusters_.x) * clusters_.y))};
        for (std::uint32_t z = 0; z < shape.z; z++) {
            for (std::uint32_t y = 0; y < shape.y; y++) {
                for (std::uint32_t x = 0; x < shape.x; x++) {
                    blocks.push_back(indexOf({at.x * shape.x + x, at.y * shape.y + y, at.z * shape.z + z}, launch_.grid));
                }
            }
        }
    }

    const Launch& launch_;
    const Dim clusters_;
};

// In which order the groups run; a permutation in constant memory, for grids of billions of blocks.
class GroupOrder {
public:
    GroupOrder(std::uint64_t groups, const Schedule& schedule) : groups_(groups), order_(schedule.order), step_(1) {
        if (order_ == ThreadOrder::Random) {
            step_ = schedule.seed % groups | 1;
            while (std::gcd(step_, groups) != 1) {
                step_ += 2;
            }
        }
    }

    std::uint64_t at(std::uint64_t turn) const {
        switch (order_) {
            case ThreadOrder::Ascending: return turn;
            case ThreadOrder::Descending: return groups_ - 1 - turn;
            default: return static_cast<std::uint64_t>(static_cast<unsigned __int128>(turn) * step_ % groups_);
        }
    }

private:
    std::uint64_t groups_;
    ThreadOrder order_;
    std::uint64_t step_;
};

}  // namespace

Fault run(const Launch& launch, const Schedule& schedule) {
    const Grid grid(launch);
    const std::uint64_t groups = grid.groups();
    const GroupOrder order(groups, schedule);
    std::vector<std::uint64_t> first;
    grid.blocksOf(0, first);
    const auto perGroup = static_cast<std::uint32_t>(first.size());
    if (perGroup > shadow::kSlots) {
        return {FaultKind::Unsupported, "the simulator keeps at most " + std::to_string(shadow::kSlots) + " blocks resident together, got " +
                                            std::to_string(perGroup)};
    }
    if (launch.entry->localBytes > Stacks::kBytes / 2) {
        return {FaultKind::Unsupported, std::string("the kernel ") + launch.entry->name + " has " + std::to_string(launch.entry->localBytes) +
                                            " bytes of local memory for each thread, the simulator at most " + std::to_string(Stacks::kBytes / 2)};
    }
    const std::uint32_t workers = static_cast<std::uint32_t>(
        std::min<std::uint64_t>({std::max(1u, schedule.workers), groups, shadow::kSlots / perGroup}));
    memory::Open open;
    record(launch);
    std::atomic<std::uint64_t> next{0};
    std::mutex lock;
    Fault fault;
    const auto work = [&](std::uint32_t worker) {
        Group group(launch, schedule, worker * perGroup);
        std::vector<std::uint64_t> blocks;
        for (std::uint64_t turn = next++; turn < groups; turn = next++) {
            grid.blocksOf(order.at(turn), blocks);
            Fault found = group.run(blocks, schedule.seed * 0x9E3779B97F4A7C15ull + turn);
            if (found.kind != FaultKind::None) {
                std::lock_guard guard(lock);
                if (fault.kind == FaultKind::None) {
                    fault = std::move(found);
                }
                next = groups;
            }
        }
    };
    std::vector<std::thread> threads;
    for (std::uint32_t worker = 1; worker < workers; worker++) {
        threads.emplace_back(work, worker);
    }
    work(0);
    for (std::thread& thread : threads) {
        thread.join();
    }
    return fault;
}

}  // namespace fusor::sim
