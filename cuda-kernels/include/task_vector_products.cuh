// The dot product of a gradient with each of many task vectors in float64 by the fixed tree, for one element type.
//
//   contract  Reduction.taskVectorProducts in reduce/Reduction.java; the twin is ReductionCpu, equal bit for bit
//   input     for each item a gradient, of the type of the models or F32, a base or none, and models, at any address
//   output    for each model a row of partial results, one for each tile, which fold.cu folds
//   tables    tiles as reduction.cuh has them; addresses of an item: the gradient, the base or 0, the models
//   order     a warp has a chunk, a thread two neighbouring lanes of its 64: a lane's elements come to its thread in order, all folds but the last go
//             from thread to thread; then the chunks of the tile are folded, those of a model by one warp
//   launch    1-D, 256 threads; blocks take tiles in turn: any grid
//   traffic   each input once, and the gradient and the base once more for every further 8 models, from the cache; pairs at a time where all addresses
//             are those of pairs
#pragma once
#include "ensemble/loads.cuh"
#include "reduction.cuh"

namespace adjoint {

using ensemble::afterLoads;
using ensemble::kPairWords;
using ensemble::lane;
using ensemble::loadPairs;
using reduction::kChunk;
using reduction::kChunksOfTile;
using reduction::kRow;
using reduction::kThreads;

constexpr int kModelsAtOnce = 8;
constexpr int kMostModels = 64;
constexpr int kWarps = kThreads / 32;

// Whose words take 40 registers, 44 where the gradient is wider.
template <Format FORMAT>
constexpr int kRowsAtOnce = 4 / kPairWords<FORMAT>;

// Where a chunk lies of what is read for some of the models; in shared memory, as registers are scarce.
struct Operands {
    static constexpr int kTensors = 2 + kModelsAtOnce;
    uint64_t tensors[kTensors];

    __device__ uint64_t gradient() const { return tensors[0]; }
    __device__ uint64_t base() const { return tensors[1]; }  // or 0
    __device__ uint64_t model(int m) const { return tensors[2 + m]; }
};

template <Format FORMAT, int WORDS>
__device__ inline double2 pairIn(const uint32_t (&words)[WORDS], int row)
{
    return {widen<FORMAT>(codeIn<FORMAT>(words, 2 * row)), widen<FORMAT>(codeIn<FORMAT>(words, 2 * row + 1))};
}

template <Format FORMAT>
__device__ inline double elementOf(uint64_t tensor, int i)
{
    return widen<FORMAT>(codeAt<FORMAT>(tensor, i));
}

// Adds a chunk of some of the models to a thread's lanes.
template <Format FORMAT, Format GRADIENT>
__device__ inline void takeChunk(double (&lanes)[kModelsAtOnce][2], const Operands& from, int modelCount, bool vectors, int count)
{
    constexpr int kRows = kRowsAtOnce<FORMAT>;
    const auto take = [&](double& lane, double gradient, double base, double x) {
        lane = __fma_rn(gradient, from.base() == 0 ? x : __dsub_rn(x, base), lane);
    };
    int row = 0;
#pragma unroll 1
    for (; vectors && (row + kRows) * kRow <= count; row += kRows) {
        uint32_t gradient[1][kRows * kPairWords<GRADIENT>];
        uint32_t base[1][kRows * kPairWords<FORMAT>];
        uint32_t models[kModelsAtOnce][kRows * kPairWords<FORMAT>];
        loadPairs<GRADIENT, kRows>(gradient[0], true, from.gradient() + row * kRow * bytesOf(GRADIENT));
        loadPairs<FORMAT, kRows>(base[0], from.base() != 0, from.base() + row * kRow * bytesOf(FORMAT));
#pragma unroll
        for (int m = 0; m < kModelsAtOnce; m++) {
            loadPairs<FORMAT, kRows>(models[m], m < modelCount, from.model(m) + row * kRow * bytesOf(FORMAT));
        }
        afterLoads(gradient);
        afterLoads(base);
        afterLoads(models);
#pragma unroll
        for (int r = 0; r < kRows; r++) {
            const double2 g = pairIn<GRADIENT>(gradient[0], r);
            const double2 b = pairIn<FORMAT>(base[0], r);
#pragma unroll
            for (int m = 0; m < kModelsAtOnce; m++) {
                if (m >= modelCount) {
                    break;
                }
                const double2 x = pairIn<FORMAT>(models[m], r);
                take(lanes[m][0], g.x, b.x, x.x);
                take(lanes[m][1], g.y, b.y, x.y);
            }
        }
    }
#pragma unroll 1
    for (; row * kRow < count; row++) {
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int i = row * kRow + lane() * 2 + h;
            if (i >= count) {
                break;
            }
            const double g = elementOf<GRADIENT>(from.gradient(), i);
            const double b = from.base() == 0 ? 0.0 : elementOf<FORMAT>(from.base(), i);
#pragma unroll
            for (int m = 0; m < kModelsAtOnce; m++) {
                if (m >= modelCount) {
                    break;
                }
                take(lanes[m][h], g, b, elementOf<FORMAT>(from.model(m), i));
            }
        }
    }
}

template <Format FORMAT, Format GRADIENT>
__device__ inline void run(
    const ReductionTile* __restrict__ tiles, long long tileCount, const uint64_t* __restrict__ addresses, double* __restrict__ partials,
    long long stride, int modelCount)
{
    __shared__ double chunks[kMostModels][kChunksOfTile];
    __shared__ Operands operands[kWarps];
    Operands& from = operands[threadIdx.x / 32];
    for (long long i = blockIdx.x; i < tileCount; i += gridDim.x) {
        const ReductionTile tile = tiles[i];
        const int chunkCount = (tile.count + kChunk - 1) / kChunk;
        const uint64_t* const item = addresses + static_cast<long long>(tile.item) * (modelCount + 2);
#pragma unroll 1
        for (int chunk = threadIdx.x / 32; chunk < chunkCount; chunk += kWarps) {
            const long long at = tile.from + chunk * kChunk;
#pragma unroll 1
            for (int first = 0; first < modelCount; first += kModelsAtOnce) {
                const int here = min(kModelsAtOnce, modelCount - first);
                bool aligned = true;
                __syncwarp();
                if (lane() < Operands::kTensors) {
                    const uint64_t tensor = item[lane() < 2 ? lane() : min(first + lane(), modelCount + 1)];
                    const int bytes = bytesOf(lane() == 0 ? GRADIENT : FORMAT);
                    from.tensors[lane()] = tensor == 0 ? 0 : tensor + at * bytes;
                    aligned = tensor % (2 * bytes) == 0;
                }
                __syncwarp();
                double lanes[kModelsAtOnce][2] = {};
                takeChunk<FORMAT, GRADIENT>(lanes, from, here, __all_sync(kWarp, aligned), min(kChunk, tile.count - chunk * kChunk));
#pragma unroll
                for (int m = 0; m < kModelsAtOnce; m++) {
#pragma unroll
                    for (int half = 16; half > 0; half /= 2) {
                        lanes[m][0] = __dadd_rn(lanes[m][0], __shfl_down_sync(kWarp, lanes[m][0], half));
                        lanes[m][1] = __dadd_rn(lanes[m][1], __shfl_down_sync(kWarp, lanes[m][1], half));
                    }
                    if (lane() == 0 && m < here) {
                        chunks[first + m][chunk] = __dadd_rn(lanes[m][0], lanes[m][1]);
                    }
                }
            }
        }
        __syncthreads();
        for (int m = threadIdx.x / 32; m < modelCount; m += kWarps) {
            const double sum = foldWarp(lane() < chunkCount ? chunks[m][lane()] : 0.0, chunkCount);
            if (lane() == 0) {
                partials[m * stride + tile.partial] = sum;
            }
        }
        __syncthreads();
    }
}

}  // namespace adjoint

#define TASK_VECTOR_PRODUCTS(NAME, FORMAT, GRADIENT)                                                                                     \
    extern "C" __global__ void __launch_bounds__(reduction::kThreads, 2)                                                                 \
        NAME(const ReductionTile* __restrict__ tiles, long long tileCount, const uint64_t* __restrict__ addresses,                        \
             double* __restrict__ partials, long long stride, int modelCount)                                                            \
    {                                                                                                                                   \
        adjoint::run<FORMAT, GRADIENT>(tiles, tileCount, addresses, partials, stride, modelCount);                          \
    }
