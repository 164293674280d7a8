// Similarities of units: a product of two matrices with a row for each unit, summed in chunks of columns.
//
//   contract  linalg/UnitSimilarity.java; the twin is UnitSimilarityCpu, equal bit for bit
//   input     pairs of tensors in memory, of any types, at any address, with units along any axis and the other axes permuted
//   tables    chunks: up to 256 columns of a pair; operands: the tensors of both sides, a pair's two after each other; axes of an operand, outermost
//             first, by which its columns are found
//   order     an element's sum of a chunk starts at +0 and takes its columns in order by fma; the sums of chunks are added in order
//   launch    1-D, 256 threads, any grid. pack_units widens and transposes both sides of some chunks; multiply_units either adds the chunks of an
//             item to the element itself, or, where there are too few tiles to fill a device, stores each chunk's sums, and
//             add_chunks adds those
//   traffic   each input is read once and its packed form written once; the product reads 16 KiB of packed numbers for 2^18 operations, and
//             reads and writes its result once for each chunk
#include "axes.cuh"
#include "tiles.cuh"

struct Chunk {
    long long from;  // the first column
    int columns;
    int pair;
};

struct Operand {
    uint64_t first;  // the address of the first unit's first element
    long long step;  // elements from a unit to the next
    const Axis* axes;
    int axisCount;
    int format;
};

namespace {

constexpr int kThreads = 256;
constexpr int kChunk = 256;
constexpr int kTile = 128;  // units on a side of what a block multiplies at a time
constexpr int kStep = 8;    // columns in shared memory at a time
constexpr int kGroup = 32;  // units that a block packs at a time
constexpr int kGroups = kTile / kGroup;
constexpr int kPanel = kChunk * kTile;  // packed numbers of a chunk of a tile's units, column by column

__device__ inline int tiles(int units) { return (units + kTile - 1) / kTile; }

__device__ inline int padded(const Chunk& chunk) { return (chunk.columns + kStep - 1) / kStep * kStep; }

// Widens a chunk of some units. Threads run along columns, or along units where these are neighbours in memory. What is padding becomes what fma takes
// without a trace: +0 times -0 is -0, and adding -0 changes nothing.
template <Format FORMAT>
__device__ inline void load(
    float (&tile)[kChunk][kGroup + 1], const long long (&offsets)[kChunk], const Operand& operand, int columns, int first, int count, float padding)
{
    constexpr int kLoads = 8;
    const int warp = threadIdx.x / 32;
    const int lane = threadIdx.x % 32;
    const bool alongUnits = operand.step == 1;
#pragma unroll 1
    for (int from = 0; from < kGroup; from += kLoads) {
        uint32_t codes[kLoads];
#pragma unroll
        for (int i = 0; i < kLoads; i++) {
            const int k = alongUnits ? (from + i) * (kThreads / 32) + warp : threadIdx.x;
            const int unit = min(first + (alongUnits ? lane : from + i), count - 1);
            codes[i] = codeAt<FORMAT>(operand.first, unit * operand.step + offsets[k]);
        }
#pragma unroll
        for (int i = 0; i < kLoads; i++) {
            const int k = alongUnits ? (from + i) * (kThreads / 32) + warp : threadIdx.x;
            const int unit = alongUnits ? lane : from + i;
            tile[k][unit] = k < columns && first + unit < count ? widen<FORMAT>(codes[i]) : padding;
        }
    }
}

__device__ inline float4 fourAt(const float* at) { return *reinterpret_cast<const float4*>(at); }

__device__ inline void storeFour(float* at, const float4& four) { *reinterpret_cast<float4*>(at) = four; }

__device__ inline void take(float (&eight)[8], const float* at, int apart)
{
    const float4 low = fourAt(at);
    const float4 high = fourAt(at + apart);
    eight[0] = low.x, eight[1] = low.y, eight[2] = low.z, eight[3] = low.w;
    eight[4] = high.x, eight[5] = high.y, eight[6] = high.z, eight[7] = high.w;
}

// Adds to up to 4 neighbours, at once where they are aligned.
__device__ inline void add(float* sums, const float (&products)[4], int count, bool aligned)
{
    if (aligned && count >= 4) {
        const float4 old = fourAt(sums);
        const float values[] = {__fadd_rn(old.x, products[0]), __fadd_rn(old.y, products[1]), __fadd_rn(old.z, products[2]),
                                __fadd_rn(old.w, products[3])};
        storePacked<4, 32>(reinterpret_cast<uint64_t>(sums), values, roundToF32);
        return;
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        if (i < count) {
            sums[i] = __uint_as_float(roundToF32(__fadd_rn(sums[i], products[i])));
        }
    }
}

}  // namespace

extern "C" __global__ void __launch_bounds__(kThreads)
    pack_units(const Chunk* __restrict__ chunks, int chunkCount, const Operand* __restrict__ operands, int countA, int countB, float* __restrict__ packedA, float* __restrict__ packedB)
{
    __shared__ float tile[kChunk][kGroup + 1];
    __shared__ long long offsets[kChunk];
    const int groupsA = tiles(countA) * kGroups;
    const int groups = groupsA + tiles(countB) * kGroups;
    for (long long item = blockIdx.x; item < static_cast<long long>(chunkCount) * groups; item += gridDim.x) {
        const long long number = item / groups;
        const bool second = item % groups >= groupsA;
        const int group = static_cast<int>(item % groups) - (second ? groupsA : 0);
        const Chunk chunk = chunks[number];
        const Operand operand = operands[2 * chunk.pair + second];
        const int count = second ? countB : countA;
        const float padding = second ? -0.0f : 0.0f;
        const int k = threadIdx.x;
        offsets[k] = k < chunk.columns ? offsetOf(chunk.from + k, operand.axes, operand.axisCount) : 0;
        __syncthreads();
        switch (static_cast<Format>(operand.format)) {
        case Format::F32: load<Format::F32>(tile, offsets, operand, chunk.columns, group * kGroup, count, padding); break;
        case Format::F16: load<Format::F16>(tile, offsets, operand, chunk.columns, group * kGroup, count, padding); break;
        case Format::BF16: load<Format::BF16>(tile, offsets, operand, chunk.columns, group * kGroup, count, padding); break;
        case Format::F8_E4M3: load<Format::F8_E4M3>(tile, offsets, operand, chunk.columns, group * kGroup, count, padding); break;
        case Format::F8_E5M2: load<Format::F8_E5M2>(tile, offsets, operand, chunk.columns, group * kGroup, count, padding); break;
        }
        __syncthreads();
        const int lane = threadIdx.x % 32;
        float* const panel = (second ? packedB : packedA) + (number * tiles(count) + group / kGroups) * kPanel + group % kGroups * kGroup + lane;
        for (int row = threadIdx.x / 32; row < padded(chunk); row += kThreads / 32) {
            panel[row * kTile] = tile[row][lane];
        }
    }
}

// A warp has 64 by 32 units, a thread 8 by 8 in four squares: the 16 bytes that its lanes load at a time are neighbours, which is free of bank
// conflicts, and so are the 64 bytes of a row that they store.
extern "C" __global__ void __launch_bounds__(kThreads, 2)
    multiply_units(const Chunk* __restrict__ chunks, int firstChunk, const float* __restrict__ packedA, const float* __restrict__ packedB,
                   int countA, int countB, float* __restrict__ sums, float* __restrict__ partials)
{
    __shared__ __align__(16) float a[2][kStep * kTile];
    __shared__ __align__(16) float b[2][kStep * kTile];
    const int row = threadIdx.x / 128 * 64 + threadIdx.x % 32 / 4 * 4;
    const int column = threadIdx.x / 32 % 4 * 32 + threadIdx.x % 4 * 4;
    const int mine = threadIdx.x * 4;
    const int tileA = blockIdx.x / tiles(countB);
    const int tileB = blockIdx.x % tiles(countB);
    const long long number = firstChunk + blockIdx.y;
    const float* fromA = packedA + (number * tiles(countA) + tileA) * kPanel + mine;
    const float* fromB = packedB + (number * tiles(countB) + tileB) * kPanel + mine;
    float products[8][8] = {};
    storeFour(&a[0][mine], fourAt(fromA));
    storeFour(&b[0][mine], fourAt(fromB));
    __syncthreads();
    const int last = padded(chunks[number]) / kStep - 1;
#pragma unroll 1
    for (int step = 0; step <= last; step++) {
        const int now = step % 2;
        float4 nextA;
        float4 nextB;
        if (step < last) {
            fromA += kStep * kTile;
            fromB += kStep * kTile;
            nextA = fourAt(fromA);
            nextB = fourAt(fromB);
        }
#pragma unroll
        for (int k = 0; k < kStep; k++) {
            float x[8];
            float y[8];
            take(x, &a[now][k * kTile + row], 32);
            take(y, &b[now][k * kTile + column], 16);
#pragma unroll
            for (int i = 0; i < 8; i++) {
#pragma unroll
                for (int j = 0; j < 8; j++) {
                    products[i][j] = __fmaf_rn(x[i], y[j], products[i][j]);
                }
            }
        }
        if (step < last) {
            storeFour(&a[1 - now][mine], nextA);
            storeFour(&b[1 - now][mine], nextB);
        }
        __syncthreads();
    }
    const bool aligned = countB % 4 == 0 && reinterpret_cast<uint64_t>(sums) % 16 == 0;
#pragma unroll
    for (int i = 0; i < 8; i++) {
        const int unit = row + i / 4 * 32 + i % 4;
#pragma unroll
        for (int j = 0; j < 8; j += 4) {
            const int other = column + j / 4 * 16;
            const float four[] = {products[i][j], products[i][j + 1], products[i][j + 2], products[i][j + 3]};
            if (partials != nullptr) {
                const long long tile = static_cast<long long>(blockIdx.y) * gridDim.x + blockIdx.x;
                storeFour(partials + (tile * kTile + unit) * kTile + other, make_float4(four[0], four[1], four[2], four[3]));
            } else if (tileA * kTile + unit < countA) {
                add(sums + static_cast<long long>(tileA * kTile + unit) * countB + tileB * kTile + other, four, countB - tileB * kTile - other,
                    aligned);
            }
        }
    }
}

// The sums of chunks, tile by tile, to elements.
extern "C" __global__ void __launch_bounds__(kThreads)
    add_chunks(const float* __restrict__ partials, int chunkCount, int countA, int countB, float* __restrict__ sums)
{
    constexpr int kLoads = 8;
    const long long tileCount = static_cast<long long>(tiles(countA)) * tiles(countB);
    const long long count = static_cast<long long>(countA) * countB;
    for (long long i = static_cast<long long>(blockIdx.x) * kThreads + threadIdx.x; i < count; i += static_cast<long long>(gridDim.x) * kThreads) {
        const int unit = static_cast<int>(i / countB);
        const int other = static_cast<int>(i % countB);
        const long long tile = static_cast<long long>(unit / kTile) * tiles(countB) + other / kTile;
        const float* const from = partials + (tile * kTile + unit % kTile) * kTile + other % kTile;
        float sum = sums[i];
#pragma unroll 1
        for (int chunk = 0; chunk < chunkCount; chunk += kLoads) {
            float products[kLoads];
#pragma unroll
            for (int n = 0; n < kLoads; n++) {
                products[n] = from[min(chunk + n, chunkCount - 1) * tileCount * (kTile * kTile)];
            }
#pragma unroll
            for (int n = 0; n < kLoads; n++) {
                sum = chunk + n < chunkCount ? __fadd_rn(sum, products[n]) : sum;
            }
        }
        sums[i] = __uint_as_float(roundToF32(sum));
    }
}
