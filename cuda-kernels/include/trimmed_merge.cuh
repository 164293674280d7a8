// The disjoint merge of a whole tensor by cuts that are likely, which sees on the way what the right ones are; and again where those were wrong.
//
//   contract  what is merged: consensus/DisjointMerge.java; what is seen: trim/KeyWatchCuda.java; the twin of both is trim/KeyWatch.java with
//             consensus/DisjointMergeVectors.java
//   tables    those of disjoint_merge.cuh, of one item and without drops; near: for each model the keys near its cut
//   watch     for each search how many keys lie above the bracket and in it, and how many of each tile of 2^15 elements do; or, where it has more than
//             one key, those that do with the numbers of their elements, in no order. What is beyond the room for them is counted and not kept
//   mend      merges the listed elements again that two tables of voters do not treat alike, each once, and counts them
//   launch    256 threads, any grid along x; mend: a model each along y. Blocks take tiles in turn; no warp waits for another
//   traffic   watch: as the disjoint merge, and 8 bytes for each key in a bracket of several; mend: these again, and the inputs of what it merges
#pragma once
#include "disjoint_merge.cuh"

namespace trimmed_merge {

constexpr int kThreads = 256;
constexpr int kTile = 1 << 15;
constexpr unsigned kWarp = 0xFFFFFFFFu;

// Keys near the cut of a model.
struct Near {
    int low;
    int high;
    int search;  // the place of its counts and its list
};

// Where what is seen goes.
struct Lists {
    unsigned long long* totals;  // of each search: the keys above and those near
    int* insideOfTile;
    long long tiles;
    int* keys;
    int* places;
    long long capacity;  // of the list of each search

    __device__ inline unsigned long long* near(int search) const { return totals + 2 * search + 1; }

    __device__ inline void put(int search, long long at, int key, int place) const
    {
        if (at < capacity) {
            keys[search * capacity + at] = key;
            places[search * capacity + at] = place;
        }
    }
};

// Keys of a model that wait until there are enough of them to be written.
template <int SIZE>
struct Room {
    int keys[SIZE];
    int places[SIZE];
    int count;  // of those that came, whether there was room or not
};

// What the threads of a block have seen of a tile, each for itself, and the warps have not written yet.
template <int SLOTS>
struct Seen {
    static constexpr int kRoom = 256 / SLOTS;
    int counts[SLOTS][kThreads];  // of a tile: keys above, and 2^16 for each near
    Room<kRoom> rooms[kThreads / 32][SLOTS];
};

template <int SLOTS>
struct Watcher {
    const Near* near;
    Lists lists;
    Seen<SLOTS>* seen;
    int models;
    bool full;  // a room is, by half, as far as this thread knows

    __device__ inline Room<Seen<SLOTS>::kRoom>& room(int model) const { return seen->rooms[threadIdx.x / 32][model]; }

    __device__ inline void begin()
    {
        full = false;
        for (int m = 0; m < models; m++) {
            seen->counts[m][threadIdx.x] = 0;
            if (threadIdx.x % 32 == 0) {
                room(m).count = 0;
            }
        }
        __syncwarp();
    }

    // The task vector of a model at some neighbours, if they are there.
    template <int COUNT>
    __device__ inline void see(int model, const float (&deltas)[COUNT], long long first, bool there)
    {
        const Near at = near[model];
        int above = 0;
        unsigned inside = 0;
        int keys[COUNT];
#pragma unroll
        for (int i = 0; i < COUNT; i++) {
            keys[i] = keyOf(deltas[i]);
            above += keys[i] > at.high;
            inside |= (keys[i] >= at.low && keys[i] <= at.high ? 1u : 0u) << i;
        }
        above = there ? above : 0;
        inside = there ? inside : 0;
        const int count = __popc(inside);
        seen->counts[model][threadIdx.x] += above + (count << 16);
        if (inside != 0 && at.low < at.high) {
            int place = atomicAdd(&room(model).count, count);
            full |= place + count > Seen<SLOTS>::kRoom / 2;
#pragma unroll 1
            for (; inside != 0; inside &= inside - 1, place++) {
                const int i = __ffs(inside) - 1;
                int key = keys[0];
#pragma unroll
                for (int other = 1; other < COUNT; other++) {
                    key = i == other ? keys[other] : key;
                }
                if (place < Seen<SLOTS>::kRoom) {
                    room(model).keys[place] = key;
                    room(model).places[place] = static_cast<int>(first) + i;
                } else {
                    lists.put(at.search, static_cast<long long>(atomicAdd(lists.near(at.search), 1ull)), key, static_cast<int>(first) + i);
                }
            }
        }
    }

    template <Format FORMAT>
    __device__ inline void seeElement(const disjoint_merge::Operands& on, long long i, bool there)
    {
        const float base = there ? widen<FORMAT>(codeAt<FORMAT>(on.base, i)) : 0.0f;
#pragma unroll 1
        for (int m = 0; m < models; m++) {
            const float delta[1] = {there ? task_vectors::deltaAt<FORMAT>(on, m, i, base) : 0.0f};
            see(m, delta, i, there);
        }
    }

    // Writes the rooms of this warp that have so many keys at least; all its threads come here.
    __device__ inline void write(int least)
    {
        __syncwarp();
#pragma unroll 1
        for (int m = 0; m < models; m++) {
            const int count = min(room(m).count, Seen<SLOTS>::kRoom);
            if (count >= least) {
                long long start = 0;
                if (threadIdx.x % 32 == 0) {
                    start = static_cast<long long>(atomicAdd(lists.near(near[m].search), static_cast<unsigned long long>(count)));
                }
                start = __shfl_sync(kWarp, start, 0);
                for (int i = threadIdx.x % 32; i < count; i += 32) {
                    lists.put(near[m].search, start + i, room(m).keys[i], room(m).places[i]);
                }
                __syncwarp();
                if (threadIdx.x % 32 == 0) {
                    room(m).count = 0;
                }
            }
        }
        full = false;
        __syncwarp();
    }

    __device__ inline void writeIfFull()
    {
        if (__any_sync(kWarp, full)) {
            write(Seen<SLOTS>::kRoom / 2);
        }
    }

    __device__ inline void endTile(long long tile)
    {
#pragma unroll 1
        for (int m = 0; m < models; m++) {
            int sum = seen->counts[m][threadIdx.x];  // of a warp both halves hold 16 bits
            seen->counts[m][threadIdx.x] = 0;
#pragma unroll
            for (int step = 16; step > 0; step /= 2) {
                sum += __shfl_xor_sync(kWarp, sum, step);
            }
            if (threadIdx.x % 32 == 0 && sum != 0) {
                const Near at = near[m];
                atomicAdd(lists.totals + 2 * at.search, static_cast<unsigned long long>(sum & 0xFFFF));
                if (at.low == at.high) {
                    atomicAdd(lists.near(at.search), static_cast<unsigned long long>(sum >> 16));
                    atomicAdd(lists.insideOfTile + at.search * lists.tiles + tile, sum >> 16);
                }
            }
        }
    }
};

template <Format FORMAT, int SLOTS>
__device__ inline void run(const disjoint_merge::Operands& on, long long length, const Near* near, const Lists& lists)
{
    __shared__ Seen<SLOTS> seen;
    Watcher<SLOTS> watcher = {near, lists, &seen, on.modelCount, false};
    watcher.begin();
    for (long long tile = blockIdx.x; tile < lists.tiles; tile += gridDim.x) {
        const long long from = tile * kTile;
        disjoint_merge::mergeTile<FORMAT, SLOTS, false>(on, {from, static_cast<int>(min(length - from, static_cast<long long>(kTile))), 0}, watcher);
        watcher.endTile(tile);
    }
    watcher.write(1);
}

__device__ inline bool keeps(const disjoint_merge::Voter& voter, int key, int place)
{
    return key + (place <= voter.lastTie) > voter.leastKey;
}

// Whether a key near the cut of a model is trimmed by one of two cuts only.
__device__ inline bool isWrong(const disjoint_merge::Operands& on, const disjoint_merge::Voter* __restrict__ likely, int model, int key, int place)
{
    return keeps(likely[model], key, place) != keeps(on.voters[model], key, place);
}

// Those that a model before this one was wrong about are merged because of that one.
template <Format FORMAT>
__device__ inline bool isMended(const disjoint_merge::Operands& on, const disjoint_merge::Voter* __restrict__ likely, int models, int place)
{
    const float base = widen<FORMAT>(codeAt<FORMAT>(on.base, place));
#pragma unroll 1
    for (int m = 0; m < models; m++) {
        if (isWrong(on, likely, m, keyOf(task_vectors::deltaAt<FORMAT>(on, m, place, base)), place)) {
            return true;
        }
    }
    return false;
}

template <Format FORMAT>
__device__ inline void mend(
    const disjoint_merge::Operands& on, const disjoint_merge::Voter* __restrict__ likely, const Near* __restrict__ near, const Lists& lists,
    unsigned long long* __restrict__ mended)
{
    const int model = blockIdx.y;
    const Near at = near[model];
    const long long first = at.search * lists.capacity;
    const long long count = at.low < at.high ? *lists.near(at.search) : 0;
    int mine = 0;
    for (long long i = static_cast<long long>(blockIdx.x) * kThreads + threadIdx.x; i < count; i += static_cast<long long>(gridDim.x) * kThreads) {
        const int place = lists.places[first + i];
        if (isWrong(on, likely, model, lists.keys[first + i], place) && !isMended<FORMAT>(on, likely, model, place)) {
            disjoint_merge::mergeElement<FORMAT, false>(on, place);
            mine++;
        }
    }
    if (mine > 0) {
        atomicAdd(mended, static_cast<unsigned long long>(mine));
    }
}

}  // namespace trimmed_merge

#define MERGE_WATCHED(NAME, FORMAT, SLOTS)                                                                                             \
    extern "C" __global__ void __launch_bounds__(256, 2)                                                                               \
        NAME(const uint64_t* __restrict__ addresses, const disjoint_merge::Voter* __restrict__ voters,                                 \
             const disjoint_merge::Item* __restrict__ items, const disjoint_merge::Divisor* __restrict__ divisors, int modelCount,     \
             int election, int takesLargest, int zeroElectsPlus, int normalize, int outFormat, long long length,                       \
             const trimmed_merge::Near* __restrict__ near, unsigned long long* __restrict__ totals, int* __restrict__ insideOfTile,    \
             long long tiles, int* __restrict__ keys, int* __restrict__ places, long long capacity)                                    \
    {                                                                                                                                  \
        trimmed_merge::run<FORMAT, SLOTS>(                                                                                             \
            disjoint_merge::operandsOf(0, addresses, voters, items, divisors, 0, modelCount, election, takesLargest, zeroElectsPlus,   \
                                       normalize, outFormat),                                                                          \
            length, near, {totals, insideOfTile, tiles, keys, places, capacity});                                                      \
    }

#define MEND_LISTED(FORMAT)                                                                                                            \
    extern "C" __global__ void __launch_bounds__(256, 4)                                                                               \
        mend_listed(const uint64_t* __restrict__ addresses, const disjoint_merge::Voter* __restrict__ voters,                          \
                    const disjoint_merge::Item* __restrict__ items, const disjoint_merge::Divisor* __restrict__ divisors,              \
                    int modelCount, int election, int takesLargest, int zeroElectsPlus, int normalize, int outFormat,                  \
                    const disjoint_merge::Voter* __restrict__ likely, const trimmed_merge::Near* __restrict__ near,                    \
                    unsigned long long* __restrict__ totals, int* __restrict__ keys, int* __restrict__ places, long long capacity,     \
                    unsigned long long* __restrict__ mended)                                                                           \
    {                                                                                                                                  \
        trimmed_merge::mend<FORMAT>(                                                                                                   \
            disjoint_merge::operandsOf(0, addresses, voters, items, divisors, 0, modelCount, election, takesLargest, zeroElectsPlus,   \
                                       normalize, outFormat),                                                                          \
            likely, near, {totals, nullptr, 0, keys, places, capacity}, mended);                                                       \
    }

// Up to 4 models by vectors, and up to 8.
#define TRIMMED_MERGES(FORMAT)                 \
    MERGE_WATCHED(merge_watched_4, FORMAT, 4)  \
    MERGE_WATCHED(merge_watched_8, FORMAT, 8)  \
    MEND_LISTED(FORMAT)
