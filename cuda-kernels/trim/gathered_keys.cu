// Narrows brackets down to the k-th keys among those that key_scan gathered, or trimmed_merge, and finds the tiles of the last ties.
//
//   contract   trim/MagnitudeSelection.java; the twin of histogram and choice is trim/KeyBracket.java
//   input      of each search its bracket and what the pass found: the keys above and inside, and those that were gathered
//   histogram  the keys of a bracket of several, in bins
//   choice     the bin that has the k-th key is the bracket from now on; bins are zeros again
//   ties       how many of the keys that were gathered are the k-th, tile by tile
//   tiles      the tile of the last tie that is kept, and which of its ties that is; from counts of this pass or of the one over all elements
//   misses     where the k-th key is not inside, or more are than were kept, what comes out means nothing
//   launch     256 threads; histogram and ties: any grid along x, a search each along y; choice and tiles: a block for each search
#include "key_scan.cuh"

namespace gathered_keys {

constexpr int kBinBits = 11;

// What a search knows.
struct Bracket {
    long long k;
    long long higher;     // gathered keys above the bracket
    long long tieOfTile;  // the last tie that is kept among those of its tile, from 1
    int low;
    int high;
    int gathers;  // whether there were several keys at first
    int tile;     // of the last tie

    __device__ inline long long rank(const long long* totals) const { return k - totals[2 * blockIdx.x] - higher; }
    __device__ inline int shift() const { return max(0, 32 - __clz(high - low) - kBinBits); }
};

// Hands over the numbers of the keys that were gathered for a search.
template <typename Visitor>
__device__ inline void eachKey(const long long* totals, long long capacity, Visitor&& visit)
{
    const long long count = min(totals[2 * blockIdx.y + 1], capacity);
    for (long long i = static_cast<long long>(blockIdx.x) * 256 + threadIdx.x; i < count; i += static_cast<long long>(gridDim.x) * 256) {
        visit(blockIdx.y * capacity + i);
    }
}

}  // namespace gathered_keys

using gathered_keys::Bracket;

extern "C" __global__ void __launch_bounds__(256)
    gathered_histogram(
        const Bracket* __restrict__ brackets, const long long* __restrict__ totals, const int* __restrict__ keys, long long capacity,
        unsigned long long* __restrict__ bins)
{
    __shared__ unsigned mine[key_scans::kMostBins];
    const Bracket bracket = brackets[blockIdx.y];
    if (bracket.low == bracket.high) {
        return;
    }
    key_scans::clearBins(mine);
    gathered_keys::eachKey(totals, capacity, [&](long long i) { key_scans::countKey(mine, keys[i], {0, bracket.low, bracket.high, bracket.shift()}); });
    __syncthreads();
    key_scans::writeBins(mine, bins + static_cast<long long>(blockIdx.y) * key_scans::kMostBins);
}

extern "C" __global__ void __launch_bounds__(256)
    gathered_choice(Bracket* __restrict__ brackets, const long long* __restrict__ totals, unsigned long long* __restrict__ bins)
{
    constexpr int kLast = key_scans::kMostBins - 1;
    Bracket& bracket = brackets[blockIdx.x];
    bins += static_cast<long long>(blockIdx.x) * key_scans::kMostBins;
    const long long rank = bracket.rank(totals);
    const Located fromTop = locate(rank, key_scans::kMostBins, [&](long long i) { return static_cast<long long>(bins[kLast - i]); });
    if (threadIdx.x == 0 && fromTop.place >= 0) {
        const int shift = bracket.shift();
        bracket.low += kLast - static_cast<int>(fromTop.place) << shift;
        bracket.high = min(bracket.high, bracket.low + (1 << shift) - 1);
        bracket.higher += rank - fromTop.number;
    }
    for (int i = threadIdx.x; i <= kLast; i += 256) {
        bins[i] = 0;
    }
}

extern "C" __global__ void __launch_bounds__(256)
    gathered_ties(
        const Bracket* __restrict__ brackets, const long long* __restrict__ totals, const int* __restrict__ keys, const int* __restrict__ places,
        int tileShift, long long capacity, int* __restrict__ tiesOfTile, long long tiles)
{
    const Bracket bracket = brackets[blockIdx.y];
    if (bracket.gathers == 0) {
        return;
    }
    gathered_keys::eachKey(totals, capacity, [&](long long i) {
        if (keys[i] == bracket.low) {
            atomicAdd(tiesOfTile + blockIdx.y * tiles + (places[i] >> tileShift), 1);
        }
    });
}

extern "C" __global__ void __launch_bounds__(256)
    last_tiles(Bracket* __restrict__ brackets, const long long* __restrict__ totals, const int* __restrict__ tiesOfTile, long long tiles)
{
    tiesOfTile += blockIdx.x * tiles;
    const Located tile = locate(brackets[blockIdx.x].rank(totals), tiles, [&](long long i) { return tiesOfTile[i]; });
    if (threadIdx.x == 0) {
        brackets[blockIdx.x].tile = static_cast<int>(tile.place);
        brackets[blockIdx.x].tieOfTile = tile.number;
    }
}
