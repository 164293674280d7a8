// Where samples of keys have the k-th of all keys, for several searches.
//
//   contract  trim/MagnitudeSample.java, to the bit: each key that it ranks, how many of the sample are larger and how many equal
//   input     samples of so many runs of 128 keys, as sample_keys writes them: a run that is not whole ends with keys of -1
//   tables    searches: the sample and k as a fraction; places: what is asked of each sample, from the larger keys to the smaller
//   order     bins of the upper 13 bits say which bin has the k-th key. How much neighbouring runs differ at either side of that bin, in whole
//             numbers, says how far the ranks are apart, and the same bins say which bins have these. Two rounds of 512 bins for each
//             rank do the other 18 bits
//   launch    a block of 1024 threads for each search
//   traffic   the sample four times, out of the second-level cache but for the first
#include "key_scan.cuh"

namespace sampled_ranks {

using key_scans::kRun;
using key_scans::kWarp;

constexpr int kThreads = 1024;
constexpr int kWarps = kThreads / 32;
constexpr int kKeyBits = 31;
constexpr int kUpperBits = 13;
constexpr int kUpperBins = 1 << kUpperBits;
constexpr int kUpperShift = kKeyBits - kUpperBits;
constexpr int kBinsOfThread = kUpperBins / kThreads;
constexpr int kFinerBits = 9;
constexpr int kFinerBins = 1 << kFinerBits;
constexpr int kBinsOfLane = kFinerBins / 32;
constexpr int kPlaces = 5;
constexpr int kLargest = 0x7FFFFFFE;

struct Search {
    double fraction;
    long long sample;
};

struct Place {
    double deviations;
    long long more;
};

struct Ranked {
    int key;
    int larger;
    int equal;
};

struct Found {
    Ranked ranked[kPlaces];
    int size;
};

// A key as far as it is known.
struct Sought {
    int key;   // without the bits that are not
    int rank;  // among those that agree with it; 0 if the sample has no such key
    int larger;
    int equal;
};

// Of the neighbours before a thread or a lane, and all of them.
struct Sums {
    int before;
    int all;
};

struct Shared {
    unsigned bins[kUpperBins];
    int ofWarp[kWarps];
    int bin;  // with the k-th key
    unsigned squares[2];
    Sought sought[kPlaces];
};

__device__ inline Sums sumsOfWarp(int mine)
{
    int upTo = mine;
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
        const int other = __shfl_up_sync(kWarp, upTo, step);
        upTo += static_cast<int>(threadIdx.x % 32) >= step ? other : 0;
    }
    return {upTo - mine, __shfl_sync(kWarp, upTo, 31)};
}

__device__ inline Sums sumsOfBlock(int mine, int* ofWarp)
{
    const Sums lanes = sumsOfWarp(mine);
    if (threadIdx.x % 32 == 0) {
        ofWarp[threadIdx.x / 32] = lanes.all;
    }
    __syncthreads();
    const Sums warps = sumsOfWarp(ofWarp[threadIdx.x % 32]);
    return {__shfl_sync(kWarp, warps.before, threadIdx.x / 32) + lanes.before, warps.all};
}

// Narrows a key down to one of some bins of its next bits; it is that of its rank from the last of these on downwards.
__device__ inline void narrow(Sought& sought, const unsigned* bins, int last, int before, int shift)
{
    int bin = last;
    int left = sought.rank - before;
    while (left > static_cast<int>(bins[bin])) {
        left -= bins[bin--];
    }
    sought = {sought.key | bin << shift, left, sought.larger + sought.rank - left, static_cast<int>(bins[bin])};
}

template <typename Visitor>
__device__ inline void eachKey(const int4* __restrict__ sample, int runs, Visitor&& visit)
{
#pragma unroll 4
    for (int i = threadIdx.x; i < runs * (kRun / 4); i += kThreads) {
        const int4 keys = sample[i];
        visit(keys.x);
        visit(keys.y);
        visit(keys.z);
        visit(keys.w);
    }
}

__device__ inline int rankOf(const Place& place, double k, double deviation)
{
    const double at = __dsub_rn(k, __dmul_rn(place.deviations, deviation));
    return static_cast<int>(place.deviations > 0 ? floor(at) - place.more : ceil(at) + 1 + place.more);
}

// Sums up the squares of what whole runs differ by from the ones before, in how many keys they have from a bin on and from behind it. A warp
// has neighbours.
__device__ inline void addSquares(const int4* __restrict__ sample, int runs, int bin, unsigned* squares)
{
    const int share = (runs + kWarps - 1) / kWarps;
    const int first = min(static_cast<int>(threadIdx.x / 32) * share, runs);
    const int lane = threadIdx.x % 32;
    int run = first;
    while (run > 0 && sample[--run * 32 + 31].w < 0) {
    }
    unsigned sums[2] = {0, 0};
    int before[2] = {-1, -1};
    const int end = min(first + share, runs);
#pragma unroll 4
    for (; run < end; run++) {
        const int4 keys = sample[run * 32 + lane];
        const bool whole = __shfl_sync(kWarp, keys.w, 31) >= 0;
        const int bins[4] = {keys.x >> kUpperShift, keys.y >> kUpperShift, keys.z >> kUpperShift, keys.w >> kUpperShift};
        int both = 0;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            both += (bins[i] >= bin) + ((bins[i] > bin) << 16);
        }
        both = key_scans::warpSum<32>(both);
        const int counts[2] = {both & 0xFFFF, both >> 16};
#pragma unroll
        for (int side = 0; side < 2; side++) {
            const int difference = counts[side] - before[side];
            sums[side] += whole && before[side] >= 0 ? difference * difference : 0;
            before[side] = whole ? counts[side] : before[side];
        }
    }
    if (lane == 0) {
        atomicAdd(squares, sums[0]);
        atomicAdd(squares + 1, sums[1]);
    }
}

// Counts the keys that agree with those sought in bins of their next bits; those of places that agree are the first one's.
__device__ inline void countFiner(const int4* __restrict__ sample, int runs, const Sought* sought, int shift, unsigned* bins)
{
    int upper[kPlaces];
#pragma unroll
    for (int i = 0; i < kPlaces; i++) {
        upper[i] = sought[i].key >> shift + kFinerBits;
    }
    eachKey(sample, runs, [&](int key) {
        const int mine = key >> shift + kFinerBits;
        if (mine <= upper[0] && mine >= upper[kPlaces - 1]) {
            int place = -1;
#pragma unroll
            for (int i = kPlaces - 1; i >= 0; i--) {
                place = mine == upper[i] ? i : place;
            }
            if (place >= 0) {
                atomicAdd(bins + place * kFinerBins + (key >> shift & kFinerBins - 1), 1u);
            }
        }
    });
}

// By a warp.
__device__ inline void narrowFiner(Sought& sought, const unsigned* bins, int shift)
{
    const int last = kFinerBins - 1 - kBinsOfLane * static_cast<int>(threadIdx.x % 32);
    int mine = 0;
#pragma unroll
    for (int i = 0; i < kBinsOfLane; i++) {
        mine += bins[last - i];
    }
    const int before = sumsOfWarp(mine).before;
    const int rank = sought.rank;
    __syncwarp();
    if (rank > before && rank <= before + mine) {
        narrow(sought, bins, last, before, shift);
    }
}

extern "C" __global__ void __launch_bounds__(1024)
    rank_sample(
        const Search* __restrict__ searches, const Place* __restrict__ places, const int4* __restrict__ samples, int runs, Found* __restrict__ found)
{
    __shared__ Shared shared;
    const Search search = searches[blockIdx.x];
    const int4* const sample = samples + search.sample * runs * (kRun / 4);
    for (int i = threadIdx.x; i < kUpperBins; i += kThreads) {
        shared.bins[i] = 0;
    }
    if (threadIdx.x < 2) {
        shared.squares[threadIdx.x] = 0;
    }
    __syncthreads();
    eachKey(sample, runs, [&](int key) {
        if (key >= 0) {
            atomicAdd(shared.bins + (key >> kUpperShift), 1u);
        }
    });
    __syncthreads();
    // The first threads have the bins of the largest keys.
    const int last = kUpperBins - 1 - kBinsOfThread * static_cast<int>(threadIdx.x);
    int mine = 0;
#pragma unroll
    for (int i = 0; i < kBinsOfThread; i++) {
        mine += shared.bins[last - i];
    }
    const Sums sums = sumsOfBlock(mine, shared.ofWarp);
    const auto isMine = [&](int rank) { return rank > sums.before && rank <= sums.before + mine; };
    const double k = __dmul_rn(search.fraction, sums.all);
    const int rankOfK = static_cast<int>(ceil(k));
    if (isMine(rankOfK)) {
        Sought kth = {0, rankOfK, 0, 0};
        narrow(kth, shared.bins, last, sums.before, 0);
        shared.bin = kth.key;
    }
    __syncthreads();
    addSquares(sample, runs, shared.bin, shared.squares);
    __syncthreads();
    const double squares = __dmul_rn(max(shared.squares[0], shared.squares[1]), 0.5);
    const double alone = __dmul_rn(__dmul_rn(search.fraction, __dsub_rn(1, search.fraction)), sums.all);
    const double deviation = __dsqrt_rn(max(squares, alone));
    for (int i = 0; i < kPlaces; i++) {
        const int rank = rankOf(places[i], k, deviation);
        if (isMine(rank)) {
            Sought sought = {0, rank, 0, 0};
            narrow(sought, shared.bins, last, sums.before, kUpperShift);
            shared.sought[i] = sought;
        } else if (threadIdx.x == 0 && rank < 1) {
            shared.sought[i] = {kLargest, 0, 0, 0};
        } else if (threadIdx.x == 0 && rank > sums.all) {
            shared.sought[i] = {0, 0, sums.all, 0};
        }
    }
    __syncthreads();
    const int place = threadIdx.x / 32;  // of a warp, if it has one
#pragma unroll 1
    for (int shift = kUpperShift - kFinerBits; shift >= 0; shift -= kFinerBits) {
        for (int i = threadIdx.x; i < kPlaces * kFinerBins; i += kThreads) {
            shared.bins[i] = 0;
        }
        __syncthreads();
        countFiner(sample, runs, shared.sought, shift, shared.bins);
        int first = place;  // that agrees with this one, whose bins are meant
        while (first > 0 && first < kPlaces && shared.sought[first - 1].key == shared.sought[place].key) {
            first--;
        }
        __syncthreads();
        if (place < kPlaces) {
            narrowFiner(shared.sought[place], shared.bins + first * kFinerBins, shift);
        }
        __syncthreads();
    }
    if (threadIdx.x < kPlaces) {
        const Sought& sought = shared.sought[threadIdx.x];
        found[blockIdx.x].ranked[threadIdx.x] = {sought.key, sought.larger, sought.equal};
    }
    if (threadIdx.x == 0) {
        found[blockIdx.x].size = sums.all;
    }
}

}  // namespace sampled_ranks
