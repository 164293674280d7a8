// Sums over whole tensors in float64 by the fixed tree, and counts of what is not finite, for one element type.
//
//   contract  reduce/Reduction.java; the twin is ReductionCpu, equal bit for bit
//   input     tensors of one type, one or two for each item, at any address
//   output    a partial result for each tile, which fold.cu folds
//   tables    tiles: which elements of which item, at most 32 chunks and beginning with a chunk, and the place of the partial result; addresses of
//             an item: its tensors
//   order     8 threads have a chunk, each 8 consecutive lanes of its 64: a lane's elements come to its thread in order, the first folds go
//             from thread to thread, the last within one; then the chunks of the tile are folded by one warp
//   launch    1-D, 256 threads; blocks take tiles in turn: any grid
//   traffic   each input once, 16 bytes at a time (8 of F8) where addresses allow it
#pragma once
#include "fold.cuh"
#include "formats.cuh"

struct ReductionTile {
    long long from;     // the first element, counted from the start of the tensors
    long long partial;  // where the result goes
    int count;
    int item;
};

namespace reduction {

constexpr int kThreads = 256;
constexpr int kChunk = 4096;
constexpr int kRow = 64;            // elements of a chunk that belong to different lanes
constexpr int kThreadsOfChunk = 8;
constexpr int kLanes = kRow / kThreadsOfChunk;  // of a thread
constexpr int kChunksOfTile = kThreads / kThreadsOfChunk;

template <Format FORMAT>
constexpr int kWords = kLanes * bytesOf(FORMAT) / 4;

// What the lanes of a thread have summed up. TENSORS are read, RESULTS are kept.
template <Format FORMAT, int RESULTS>
struct Sums {
    using Value = double;
    static constexpr int kResults = RESULTS;
    double lanes[RESULTS][kLanes] = {};

    __device__ double fold(int result)
    {
        double(&sums)[kLanes] = lanes[result];
#pragma unroll
        for (int half = kThreadsOfChunk / 2; half > 0; half /= 2) {
#pragma unroll
            for (int l = 0; l < kLanes; l++) {
                sums[l] = __dadd_rn(sums[l], __shfl_down_sync(kWarp, sums[l], half, kThreadsOfChunk));
            }
        }
#pragma unroll
        for (int half = kLanes / 2; half > 0; half /= 2) {
#pragma unroll
            for (int l = 0; l < half; l++) {
                sums[l] = __dadd_rn(sums[l], sums[l + half]);
            }
        }
        return sums[0];
    }
};

template <Format FORMAT>
struct Dot : Sums<FORMAT, 1> {
    static constexpr int kTensors = 2;
    __device__ void take(int l, const float (&x)[2]) { this->lanes[0][l] = __fma_rn(x[0], x[1], this->lanes[0][l]); }
};

template <Format FORMAT>
struct Products : Sums<FORMAT, 3> {
    static constexpr int kTensors = 2;
    __device__ void take(int l, const float (&x)[2])
    {
        const double a = x[0];
        const double b = x[1];
        this->lanes[0][l] = __fma_rn(a, b, this->lanes[0][l]);
        this->lanes[1][l] = __fma_rn(a, a, this->lanes[1][l]);
        this->lanes[2][l] = __fma_rn(b, b, this->lanes[2][l]);
    }
};

template <Format FORMAT>
struct Squares : Sums<FORMAT, 1> {
    static constexpr int kTensors = 1;
    __device__ void take(int l, const float (&x)[1])
    {
        const double a = x[0];
        this->lanes[0][l] = __fma_rn(a, a, this->lanes[0][l]);
    }
};

template <Format FORMAT>
struct Sum : Sums<FORMAT, 1> {
    static constexpr int kTensors = 1;
    __device__ void take(int l, const float (&x)[1]) { this->lanes[0][l] = __dadd_rn(this->lanes[0][l], x[0]); }
};

// NaN and infinities: counts have no order.
template <Format FORMAT>
struct NonFinite {
    using Value = long long;
    static constexpr int kTensors = 1;
    static constexpr int kResults = 2;
    int counts[2] = {};

    __device__ void take(int, const float (&x)[1])
    {
        counts[0] += isNaN(x[0]);
        counts[1] += fabsf(x[0]) > 0x1.fffffep127f;
    }

    __device__ long long fold(int result)
    {
        int count = counts[result];
#pragma unroll
        for (int half = kThreadsOfChunk / 2; half > 0; half /= 2) {
            count += __shfl_down_sync(kWarp, count, half, kThreadsOfChunk);
        }
        return count;
    }
};

// Volatile, as is afterLoads: what is so keeps its order, and no load sinks to where its words are used.
template <Format FORMAT>
__device__ inline void loadVectors(uint32_t (&words)[kWords<FORMAT>], uint64_t at)
{
    if constexpr (kWords<FORMAT> == 2) {
        asm volatile("ld.global.v2.u32 {%0, %1}, [%2];" : "=r"(words[0]), "=r"(words[1]) : "l"(at));
    } else {
#pragma unroll
        for (int i = 0; i < kWords<FORMAT>; i += 4) {
            asm volatile("ld.global.v4.u32 {%0, %1, %2, %3}, [%4];"
                         : "=r"(words[i]), "=r"(words[i + 1]), "=r"(words[i + 2]), "=r"(words[i + 3])
                         : "l"(at + i * 4));
        }
    }
}

template <int ROWS, int TENSORS, int WORDS>
__device__ inline void afterLoads(uint32_t (&words)[ROWS][TENSORS][WORDS])
{
#pragma unroll
    for (int i = 0; i < ROWS * TENSORS * WORDS; i++) {
        asm volatile("" : "+r"(words[i / WORDS / TENSORS][i / WORDS % TENSORS][i % WORDS]));
    }
}

// The chunk of this thread and its neighbours. Beyond the end of a tensor lanes take +0, which leaves them as they are: no lane is ever -0.
template <Format FORMAT, typename Accumulator>
__device__ inline void takeChunk(Accumulator& accumulator, const uint64_t (&chunk)[Accumulator::kTensors], int count)
{
    constexpr int kTensors = Accumulator::kTensors;
    constexpr int kRows = 32 / (kWords<FORMAT> * kTensors);  // whose words take 32 registers
    constexpr int kRowBytes = kRow * bytesOf(FORMAT);
    const int first = threadIdx.x % kThreadsOfChunk * kLanes;
    uint64_t all = 0;
    uint64_t mine[kTensors];
#pragma unroll
    for (int t = 0; t < kTensors; t++) {
        all |= chunk[t];
        mine[t] = chunk[t] + first * bytesOf(FORMAT);
    }
    const int vectorRows = all % (kWords<FORMAT> == 2 ? 8 : 16) == 0 ? count / kRow : 0;
    int row = 0;
#pragma unroll 1
    for (; row + kRows <= vectorRows; row += kRows) {
        uint32_t words[kRows][kTensors][kWords<FORMAT>];
#pragma unroll
        for (int r = 0; r < kRows; r++) {
#pragma unroll
            for (int t = 0; t < kTensors; t++) {
                loadVectors<FORMAT>(words[r][t], mine[t] + (row + r) * kRowBytes);
            }
        }
        afterLoads(words);
#pragma unroll
        for (int r = 0; r < kRows; r++) {
#pragma unroll
            for (int l = 0; l < kLanes; l++) {
                float values[kTensors];
#pragma unroll
                for (int t = 0; t < kTensors; t++) {
                    values[t] = widen<FORMAT>(codeIn<FORMAT>(words[r][t], l));
                }
                accumulator.take(l, values);
            }
        }
    }
#pragma unroll 1
    for (; row * kRow < count; row++) {
#pragma unroll
        for (int l = 0; l < kLanes; l++) {
            const int i = row * kRow + first + l;
            float values[kTensors];
#pragma unroll
            for (int t = 0; t < kTensors; t++) {
                values[t] = i < count ? widen<FORMAT>(codeAt<FORMAT>(chunk[t], i)) : 0.0f;
            }
            accumulator.take(l, values);
        }
    }
}

template <Format FORMAT, typename Accumulator>
__device__ inline void run(
    const ReductionTile* __restrict__ tiles,
    long long tileCount,
    const uint64_t* __restrict__ addresses,
    typename Accumulator::Value* __restrict__ partials,
    long long stride)
{
    constexpr int kTensors = Accumulator::kTensors;
    constexpr int kResults = Accumulator::kResults;
    __shared__ typename Accumulator::Value chunks[kResults][kChunksOfTile];
    const int chunk = threadIdx.x / kThreadsOfChunk;
    for (long long i = blockIdx.x; i < tileCount; i += gridDim.x) {
        const ReductionTile tile = tiles[i];
        uint64_t at[kTensors];
#pragma unroll
        for (int t = 0; t < kTensors; t++) {
            at[t] = addresses[static_cast<long long>(tile.item) * kTensors + t] + (tile.from + chunk * kChunk) * bytesOf(FORMAT);
        }
        Accumulator accumulator;
        takeChunk<FORMAT>(accumulator, at, min(kChunk, tile.count - chunk * kChunk));
#pragma unroll
        for (int r = 0; r < kResults; r++) {
            const typename Accumulator::Value result = accumulator.fold(r);
            if (threadIdx.x % kThreadsOfChunk == 0) {
                chunks[r][chunk] = result;
            }
        }
        __syncthreads();
        const int r = threadIdx.x / 32;
        if (r < kResults) {
            const typename Accumulator::Value result = foldWarp(chunks[r][threadIdx.x % 32], (tile.count + kChunk - 1) / kChunk);
            if (threadIdx.x % 32 == 0) {
                partials[r * stride + tile.partial] = result;
            }
        }
        __syncthreads();
    }
}

}  // namespace reduction

#define REDUCTION(NAME, ACCUMULATOR, FORMAT, BLOCKS)                                                                                 \
    extern "C" __global__ void __launch_bounds__(reduction::kThreads, BLOCKS)                                                         \
        NAME(const ReductionTile* __restrict__ tiles, long long tileCount, const uint64_t* __restrict__ addresses,                    \
             reduction::ACCUMULATOR<FORMAT>::Value* __restrict__ partials, long long stride)                                          \
    {                                                                                                                                 \
        reduction::run<FORMAT, reduction::ACCUMULATOR<FORMAT>>(tiles, tileCount, addresses, partials, stride);                        \
    }

// How many blocks a multiprocessor has to hold leaves each thread registers for its lanes and the words on their way.
#define REDUCTIONS(FORMAT, DOT_BLOCKS)             \
    REDUCTION(dot, Dot, FORMAT, DOT_BLOCKS)        \
    REDUCTION(products, Products, FORMAT, 2)       \
    REDUCTION(sum_of_squares, Squares, FORMAT, 3)  \
    REDUCTION(sum, Sum, FORMAT, 3)                 \
    REDUCTION(non_finite, NonFinite, FORMAT, 3)
