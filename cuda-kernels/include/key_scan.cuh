// What selecting the k-th magnitude asks of a task vector that is never stored, for one element type.
//
//   contract  trim/MagnitudeSelection.java; keys are those of trim/MagnitudeCut.java
//   input     a model and a base of one type, or no base, at any address
//   scan      how many keys lie above a bracket, how many of each tile lie in it, and, if wanted, those that do with their tile's number, in no
//             order. What is beyond the room for them is counted and not kept
//   histogram keys of a bracket, in bins of 2^shift
//   sample    the keys of runs at even distances
//   launch    1-D, 256 threads; blocks take tiles in turn: any grid
//   traffic   each input once, 16 bytes at a time where addresses allow it
#pragma once
#include "keys.cuh"
#include "tiles.cuh"

namespace key_scans {

constexpr int kThreads = 256;
constexpr int kTile = 1 << 15;
constexpr int kRoom = 4096;      // keys of a tile that wait in shared memory
constexpr int kMostBins = 2048;
constexpr unsigned kWarp = 0xFFFFFFFFu;

template <Format FORMAT>
__device__ inline int keyAt(uint64_t x, uint64_t base, long long i)
{
    const float value = widen<FORMAT>(codeAt<FORMAT>(x, i));
    return keyOf(base == 0 ? value : __fsub_rn(value, widen<FORMAT>(codeAt<FORMAT>(base, i))));
}

template <Format FORMAT>
struct Keys {
    int keys[kElements<FORMAT>];
};

template <Format FORMAT>
__device__ inline Keys<FORMAT> keysOf(const uint4& x, const uint4& base, bool hasBase)
{
    Keys<FORMAT> found;
#pragma unroll
    for (int e = 0; e < kElements<FORMAT>; e++) {
        const float value = widen<FORMAT>(codeOf<FORMAT>(x, e));
        found.keys[e] = keyOf(hasBase ? __fsub_rn(value, widen<FORMAT>(codeOf<FORMAT>(base, e))) : value);
    }
    return found;
}

// Hands every key of a tile to the visitor, as arrays of COUNT; all threads of a warp call it as often as each other. Places beyond the end
// hold the key -1, which lies in no bracket.
template <Format FORMAT, typename Visitor>
__device__ inline void eachKey(uint64_t x, uint64_t base, long long from, int count, Visitor&& visit)
{
    constexpr int kCount = kElements<FORMAT>;
    constexpr int kUnroll = 4;
    const uint64_t xAt = x + from * bytesOf(FORMAT);
    const uint64_t baseAt = base == 0 ? 0 : base + from * bytesOf(FORMAT);
    const int vectors = (xAt | baseAt) % 16 == 0 ? count / kCount : 0;
#pragma unroll 1
    for (int first = 0; first < vectors; first += kThreads * kUnroll) {
        uint4 xs[kUnroll];
        uint4 bases[kUnroll];
#pragma unroll
        for (int u = 0; u < kUnroll; u++) {
            const int vector = min(first + u * kThreads + static_cast<int>(threadIdx.x), vectors - 1);
            xs[u] = loadIf(true, xAt, vector);
            bases[u] = loadIf(base != 0, baseAt, vector);
        }
        // Rolled up: what is done with keys is much code.
#pragma unroll 1
        for (int u = 0; u < kUnroll; u++) {
            Keys<FORMAT> found = keysOf<FORMAT>(xs[0], bases[0], base != 0);
            const bool there = first + u * kThreads + static_cast<int>(threadIdx.x) < vectors;
#pragma unroll
            for (int e = 0; e < kCount; e++) {
                found.keys[e] = there ? found.keys[e] : -1;
            }
            visit(found.keys);
#pragma unroll
            for (int v = 1; v < kUnroll; v++) {
                xs[v - 1] = xs[v];
                bases[v - 1] = bases[v];
            }
        }
    }
#pragma unroll 1
    for (int first = vectors * kCount; first < count; first += kThreads) {
        const int i = first + static_cast<int>(threadIdx.x);
        const int key[1] = {i < count ? keyAt<FORMAT>(x, base, from + i) : -1};
        visit(key);
    }
}

// The keys of a tile that lie in the bracket, until there are enough of them to be written.
struct Room {
    int keys[kRoom];
    int count;   // of those that came, whether there was room or not
    int inside;
    unsigned long long at;
};

template <int COUNT>
__device__ inline int warpSum(int value)
{
#pragma unroll
    for (int step = COUNT / 2; step > 0; step /= 2) {
        value += __shfl_xor_sync(kWarp, value, step);
    }
    return value;
}

// Puts the keys of a warp that lie in the bracket into the room; those that find it full go straight to memory.
template <int COUNT>
__device__ inline void gather(
    Room& room, const int (&keys)[COUNT], int low, int high, int tile, unsigned long long* gathered, int* keysOut, int* tilesOut,
    long long capacity)
{
    int mine = 0;
#pragma unroll
    for (int e = 0; e < COUNT; e++) {
        mine += keys[e] >= low && keys[e] <= high;
    }
    int before = mine;  // of this thread and those below it, then without it
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
        const int other = __shfl_up_sync(kWarp, before, step);
        before += static_cast<int>(threadIdx.x % 32) >= step ? other : 0;
    }
    const int all = __shfl_sync(kWarp, before, 31);
    before -= mine;
    int start = 0;
    if (all > 0 && threadIdx.x % 32 == 0) {
        start = atomicAdd(&room.count, all);
    }
    int place = __shfl_sync(kWarp, start, 0) + before;
#pragma unroll
    for (int e = 0; e < COUNT; e++) {
        if (keys[e] >= low && keys[e] <= high) {
            if (place < kRoom) {
                room.keys[place] = keys[e];
            } else {
                const long long at = static_cast<long long>(atomicAdd(gathered, 1ull));
                if (at < capacity) {
                    keysOut[at] = keys[e];
                    tilesOut[at] = tile;
                }
            }
            place++;
        }
    }
}

template <Format FORMAT>
__device__ inline void scan(
    uint64_t x, uint64_t base, long long count, int low, int high, int gathers, int* __restrict__ insideOfTile,
    unsigned long long* __restrict__ totals, int* __restrict__ keysOut, int* __restrict__ tilesOut, long long capacity)
{
    __shared__ Room room;
    unsigned long long* const gathered = totals + 1;
    long long above = 0;
    const long long tiles = (count + kTile - 1) / kTile;
    for (long long tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        if (threadIdx.x == 0) {
            room.count = 0;
            room.inside = 0;
        }
        __syncthreads();
        int aboveHere = 0;
        int inside = 0;
        eachKey<FORMAT>(x, base, tile * kTile, static_cast<int>(min(count - tile * kTile, static_cast<long long>(kTile))), [&](auto& keys) {
            constexpr int kCount = sizeof(keys) / sizeof(int);
#pragma unroll
            for (int e = 0; e < kCount; e++) {
                aboveHere += keys[e] > high;
                inside += keys[e] >= low && keys[e] <= high;
            }
            if (gathers != 0) {
                gather(room, keys, low, high, static_cast<int>(tile), gathered, keysOut, tilesOut, capacity);
            }
        });
        above += aboveHere;
        inside = warpSum<32>(inside);
        if (threadIdx.x % 32 == 0 && inside > 0) {
            atomicAdd(&room.inside, inside);
        }
        __syncthreads();
        const int kept = min(room.count, kRoom);
        if (threadIdx.x == 0) {
            insideOfTile[tile] = room.inside;
            if (kept > 0) {
                room.at = atomicAdd(gathered, static_cast<unsigned long long>(kept));
            }
        }
        __syncthreads();
        for (int i = threadIdx.x; i < kept; i += kThreads) {
            const long long at = static_cast<long long>(room.at) + i;
            if (at < capacity) {
                keysOut[at] = room.keys[i];
                tilesOut[at] = static_cast<int>(tile);
            }
        }
        // The room is written again behind the barrier at the top; what is reset before it nobody reads any more.
    }
#pragma unroll
    for (int step = 16; step > 0; step /= 2) {
        above += __shfl_xor_sync(kWarp, above, step);
    }
    if (threadIdx.x % 32 == 0 && above > 0) {
        atomicAdd(totals, static_cast<unsigned long long>(above));
    }
}

// Counts a key, if one of the bins is its.
__device__ inline void countKey(unsigned* bins, int binCount, int key, int least, int shift)
{
    const unsigned bin = static_cast<unsigned>(key - least) >> shift;
    if (key >= least && bin < static_cast<unsigned>(binCount)) {
        atomicAdd(bins + bin, 1u);
    }
}

__device__ inline void writeBins(const unsigned* bins, int binCount, unsigned long long* out)
{
    for (int i = threadIdx.x; i < binCount; i += kThreads) {
        if (bins[i] > 0) {
            atomicAdd(out + i, static_cast<unsigned long long>(bins[i]));
        }
    }
}

__device__ inline void clearBins(unsigned* bins)
{
    for (int i = threadIdx.x; i < kMostBins; i += kThreads) {
        bins[i] = 0;
    }
    __syncthreads();
}

template <Format FORMAT>
__device__ inline void histogram(uint64_t x, uint64_t base, long long count, int least, int shift, int binCount, unsigned long long* out)
{
    __shared__ unsigned bins[kMostBins];  // a block has fewer than 2^32 elements: its share of a tensor
    const long long tiles = (count + kTile - 1) / kTile;
    clearBins(bins);
    for (long long tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        eachKey<FORMAT>(x, base, tile * kTile, static_cast<int>(min(count - tile * kTile, static_cast<long long>(kTile))), [&](auto& keys) {
            constexpr int kCount = sizeof(keys) / sizeof(int);
#pragma unroll
            for (int e = 0; e < kCount; e++) {
                countKey(bins, binCount, keys[e], least, shift);
            }
        });
    }
    __syncthreads();
    writeBins(bins, binCount, out);
}

template <Format FORMAT>
__device__ inline void sample(uint64_t x, uint64_t base, long long stride, int run, int count, int* __restrict__ keys)
{
    for (int i = blockIdx.x * kThreads + threadIdx.x; i < count; i += gridDim.x * kThreads) {
        keys[i] = keyAt<FORMAT>(x, base, i / run * stride + i % run);
    }
}

}  // namespace key_scans

#define KEY_SCANS(FORMAT)                                                                                                             \
    extern "C" __global__ void __launch_bounds__(256, 3)                                                                              \
        scan_keys(uint64_t x, uint64_t base, long long count, int low, int high, int gathers, int* __restrict__ insideOfTile,          \
                  unsigned long long* __restrict__ totals, int* __restrict__ keys, int* __restrict__ tiles, long long capacity)        \
    {                                                                                                                                 \
        key_scans::scan<FORMAT>(x, base, count, low, high, gathers, insideOfTile, totals, keys, tiles, capacity);                      \
    }                                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256, 3)                                                                              \
        count_keys(uint64_t x, uint64_t base, long long count, int least, int shift, int binCount,                                 \
                      unsigned long long* __restrict__ bins)                                                                          \
    {                                                                                                                                 \
        key_scans::histogram<FORMAT>(x, base, count, least, shift, binCount, bins);                                                    \
    }                                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256)                                                                                 \
        sample_keys(uint64_t x, uint64_t base, long long stride, int run, int count, int* __restrict__ keys)                           \
    {                                                                                                                                 \
        key_scans::sample<FORMAT>(x, base, stride, run, count, keys);                                                                  \
    }
