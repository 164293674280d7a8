// What selecting k-th magnitudes asks of task vectors that are never stored, for one element type.
//
//   contract  trim/MagnitudeSelection.java; keys are those of trim/MagnitudeCut.java
//   input     ranges of models and of a base, of one type, or of no base, at any address
//   tables    items: the ranges, and behind the last one where its tiles end; addresses of an item: its base or 0, its models; searches
//   scan      for each search how many keys lie above its bracket and in it, and how many of each tile do; or, where it has more than one key, those that
//             do with their tile's number, in no order. What is beyond the room for them is counted and not kept
//   histogram for each search how many keys lie above its bracket, and those in it in bins of 2^shift
//   sample    the keys of runs of 128 neighbours, one in each stretch of all elements, by a block each
//   place     where the so-manyth element of a key is in a range, by one block
//   launch    1-D, 256 threads; blocks as a multiple of the searches. Blocks take tiles in turn, and neighbours the same tile for different searches:
//             so the base, and a model that two searches look at, come out of the cache but for one of them
//   traffic   each input once, 16 bytes at a time where addresses allow it
#pragma once
#include "keys.cuh"
#include "locate.cuh"
#include "tiles.cuh"

namespace key_scans {

constexpr int kThreads = 256;
constexpr int kTile = 1 << 15;
constexpr int kRoom = 4096;      // keys of a tile that wait in shared memory
constexpr int kMostBins = 2048;
constexpr unsigned kWarp = 0xFFFFFFFFu;

struct Item {
    long long count;
    long long firstTile;  // of this launch
    long long number;     // of its first tile among those of all launches
};

// Keys of a model, from low to high.
struct Search {
    int model;
    int low;
    int high;
    int shift;
};

struct Sampled {
    long long elements;
    long long first;  // of its elements among those of all tensors
    int run;          // the first that begins in it
    int block;        // of this launch, for that run
};

// What a launch is over.
struct Ranges {
    const Item* items;
    const uint64_t* addresses;
    const Search* searches;
    long long tiles;
    int models;
    int searchCount;
};

// Where a block is.
struct Place {
    const Item* item;
    const uint64_t* addresses;
    long long tile;

    __device__ inline long long from() const { return (tile - item->firstTile) * kTile; }
    __device__ inline int count() const { return static_cast<int>(min(item->count - from(), static_cast<long long>(kTile))); }
    __device__ inline long long number() const { return item->number + tile - item->firstTile; }
};

// Goes on to the item of the tile, which is there.
__device__ inline void settle(Place& place, int models)
{
    while (place.tile >= place.item[1].firstTile) {
        place.item++;
        place.addresses += models + 1;
    }
}

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

// Of a tile the keys that lie in a bracket of several, until there are enough of them to be written.
struct Room {
    int keys[kRoom];
    int count;   // of those that came, whether there was room or not
    int inside;
    int above;
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

// Of each search totals has the keys above and those inside; insideOfTile has as many places as there are tiles in all launches.
template <Format FORMAT>
__device__ inline void scan(
    const Ranges& in, unsigned long long* __restrict__ totals, int* __restrict__ insideOfTile, long long allTiles, int* __restrict__ keysOut,
    int* __restrict__ tilesOut, long long capacity)
{
    __shared__ Room room;
    const int number = blockIdx.x % in.searchCount;
    const Search search = in.searches[number];
    unsigned long long* const allInside = totals + 2 * number + 1;
    insideOfTile += number * allTiles;
    keysOut += number * capacity;
    tilesOut += number * capacity;
    for (Place place = {in.items, in.addresses, blockIdx.x / in.searchCount}; place.tile < in.tiles; place.tile += gridDim.x / in.searchCount) {
        settle(place, in.models);
        const int tile = static_cast<int>(place.number());
        if (threadIdx.x == 0) {
            room.count = 0;
            room.inside = 0;
            room.above = 0;
        }
        __syncthreads();
        int above = 0;
        int inside = 0;
        eachKey<FORMAT>(place.addresses[1 + search.model], place.addresses[0], place.from(), place.count(), [&](auto& keys) {
            constexpr int kCount = sizeof(keys) / sizeof(int);
#pragma unroll
            for (int e = 0; e < kCount; e++) {
                above += keys[e] > search.high;
                inside += keys[e] >= search.low && keys[e] <= search.high;
            }
            if (search.low < search.high) {
                gather(room, keys, search.low, search.high, tile, allInside, keysOut, tilesOut, capacity);
            }
        });
        inside = warpSum<32>(inside);
        above = warpSum<32>(above);
        if (threadIdx.x % 32 == 0) {
            atomicAdd(&room.inside, inside);
            atomicAdd(&room.above, above);
        }
        __syncthreads();
        const int kept = min(room.count, kRoom);
        if (threadIdx.x == 0) {
            atomicAdd(totals + 2 * number, static_cast<unsigned long long>(room.above));
            if (search.low < search.high) {
                room.at = atomicAdd(allInside, static_cast<unsigned long long>(kept));
            } else {
                atomicAdd(allInside, static_cast<unsigned long long>(room.inside));
                atomicAdd(insideOfTile + tile, room.inside);  // a tile may come in several ranges
            }
        }
        __syncthreads();
        for (int i = threadIdx.x; i < kept; i += kThreads) {
            const long long at = static_cast<long long>(room.at) + i;
            if (at < capacity) {
                keysOut[at] = room.keys[i];
                tilesOut[at] = tile;
            }
        }
        // The room is written again behind the barrier at the top; what is reset before it nobody reads any more.
    }
}

// Adds up what the threads of a warp have.
__device__ inline void addUp(unsigned long long* total, long long mine)
{
#pragma unroll
    for (int step = 16; step > 0; step /= 2) {
        mine += __shfl_xor_sync(kWarp, mine, step);
    }
    if (threadIdx.x % 32 == 0 && mine > 0) {
        atomicAdd(total, static_cast<unsigned long long>(mine));
    }
}

// Counts a key of a bracket in its bin.
__device__ inline void countKey(unsigned* bins, int key, const Search& search)
{
    if (key >= search.low && key <= search.high) {
        atomicAdd(bins + (key - search.low >> search.shift), 1u);
    }
}

__device__ inline void writeBins(const unsigned* bins, unsigned long long* out)
{
    for (int i = threadIdx.x; i < kMostBins; i += kThreads) {
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
__device__ inline void histogram(const Ranges& in, unsigned long long* __restrict__ totals, unsigned long long* __restrict__ out)
{
    __shared__ unsigned bins[kMostBins];  // a launch is over fewer than 2^32 elements
    const int number = blockIdx.x % in.searchCount;
    const Search search = in.searches[number];
    long long above = 0;
    clearBins(bins);
    for (Place place = {in.items, in.addresses, blockIdx.x / in.searchCount}; place.tile < in.tiles; place.tile += gridDim.x / in.searchCount) {
        settle(place, in.models);
        int aboveHere = 0;
        eachKey<FORMAT>(place.addresses[1 + search.model], place.addresses[0], place.from(), place.count(), [&](auto& keys) {
            constexpr int kCount = sizeof(keys) / sizeof(int);
#pragma unroll
            for (int e = 0; e < kCount; e++) {
                aboveHere += keys[e] > search.high;
                countKey(bins, keys[e], search);
            }
        });
        above += aboveHere;
    }
    __syncthreads();
    writeBins(bins, out + static_cast<long long>(number) * kMostBins);
    addUp(totals + 2 * number, above);
}

template <Format FORMAT>
__device__ inline void place(uint64_t x, uint64_t base, int count, int key, long long number, long long* __restrict__ out)
{
    const Located at = locate(number, count, [&](long long i) { return keyAt<FORMAT>(x, base, i) == key ? 1 : 0; });
    if (threadIdx.x == 0) {
        *out = at.place;
    }
}

constexpr int kRun = 128;
constexpr unsigned long long kGoldenRatio = 0x9E3779B97F4A7C15ull;  // of 2^64

// A block for each run of each model. A run is as long as its tensor has elements for it; keys that are missing are -1.
template <Format FORMAT>
__device__ inline void sample(
    const Sampled* __restrict__ tensors, int count, const uint64_t* __restrict__ addresses, int models, int runs, long long stretch,
    int* __restrict__ keys)
{
    const int model = blockIdx.x % models;
    const int block = blockIdx.x / models;
    int number = 0;
    for (int end = count; end - number > 1;) {
        const int middle = (number + end) / 2;
        if (tensors[middle].block <= block) {
            number = middle;
        } else {
            end = middle;
        }
    }
    const Sampled tensor = tensors[number];
    const int run = tensor.run + block - tensor.block;
    const unsigned long long offset = __umul64hi(run * kGoldenRatio, stretch - kRun + 1);  // as MagnitudeSample.start has it
    const long long start = run * stretch + static_cast<long long>(offset) - tensor.first;
    const long long from = max(0ll, min(start, tensor.elements - kRun));
    const uint64_t* const operands = addresses + static_cast<long long>(number) * (models + 1);
    const int key =
        threadIdx.x < tensor.elements ? keyAt<FORMAT>(operands[1 + model], operands[0], from + static_cast<int>(threadIdx.x)) : -1;
    keys[(static_cast<long long>(model) * runs + run) * kRun + threadIdx.x] = key;
}

}  // namespace key_scans

#define KEY_SCANS(FORMAT)                                                                                                              \
    extern "C" __global__ void __launch_bounds__(256, 3)                                                                               \
        scan_keys(const key_scans::Item* __restrict__ items, const uint64_t* __restrict__ addresses,                                   \
                  const key_scans::Search* __restrict__ searches, long long tiles, int models, int searchCount,                        \
                  unsigned long long* __restrict__ totals, int* __restrict__ insideOfTile, long long allTiles, int* __restrict__ keys, \
                  int* __restrict__ tilesOfKeys, long long capacity)                                                                   \
    {                                                                                                                                  \
        key_scans::scan<FORMAT>({items, addresses, searches, tiles, models, searchCount}, totals, insideOfTile, allTiles, keys,        \
                                tilesOfKeys, capacity);                                                                                \
    }                                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(256, 3)                                                                               \
        count_keys(const key_scans::Item* __restrict__ items, const uint64_t* __restrict__ addresses,                                  \
                   const key_scans::Search* __restrict__ searches, long long tiles, int models, int searchCount,                       \
                   unsigned long long* __restrict__ totals, unsigned long long* __restrict__ bins)                                     \
    {                                                                                                                                  \
        key_scans::histogram<FORMAT>({items, addresses, searches, tiles, models, searchCount}, totals, bins);                          \
    }                                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(256)                                                                                  \
        place_tie(uint64_t x, uint64_t base, int count, int key, long long number, long long* __restrict__ out)                        \
    {                                                                                                                                  \
        key_scans::place<FORMAT>(x, base, count, key, number, out);                                                                    \
    }                                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(128)                                                                                  \
        sample_keys(const key_scans::Sampled* __restrict__ tensors, int count, const uint64_t* __restrict__ addresses, int models,     \
                    int runs, long long stretch, int* __restrict__ keys)                                                               \
    {                                                                                                                                  \
        key_scans::sample<FORMAT>(tensors, count, addresses, models, runs, stretch, keys);                                             \
    }
