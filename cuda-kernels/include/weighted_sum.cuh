// The body of the weighted sum, for one element type of the inputs and a number of models that fits into registers.
//
//   contract  arithmetic/WeightedSum.java; the twin is WeightedSumCpu, equal bit for bit
//   input     models of one type; on a base where that is wanted, of the same type; at any address
//   output    for each row of weights one tensor, of any of the types; may be one of the inputs if there is one row
//   tables    tiles: which elements of which item; addresses of an item: its models, its base or 0, its outputs; scalars of an item: for each
//             output the weights of the models, then the divisor; reciprocals of the divisors in float64
//   order     the first product is rounded, each further model joins by one fma, in the order of the models; then division and base
//   launch    1-D, blocks take tiles in turn: any grid, any block; no barrier
//   traffic   each input once, each output once, 16 bytes at a time where all addresses of a tile allow it. Beyond 8 models inputs are read once
//             for each output
#pragma once
#include "tiles.cuh"

namespace weighted_sum {

__device__ inline float joined(float sum, float weight, float delta, bool first)
{
    return first ? __fmul_rn(weight, delta) : __fmaf_rn(weight, delta, sum);
}

// Widening again for each output costs less than the registers that would hold what was widened: hides that it could be done once.
__device__ inline void keepPacked(uint4& vector)
{
    asm volatile("" : "+r"(vector.x), "+r"(vector.y), "+r"(vector.z), "+r"(vector.w));
}

// What is the same for all elements of a tile.
struct Operands {
    const uint64_t* models;
    const uint64_t* outputs;
    const float* rows;  // of weights and a divisor
    const double* reciprocals;
    uint64_t base;      // 0 for none
    int modelCount;
    int outputCount;
    Format outFormat;

    __device__ const float* row(int output) const { return rows + static_cast<long long>(output) * (modelCount + 1); }
};

template <Format FORMAT>
__device__ inline bool aligned(const Operands& on, long long from)
{
    uint64_t inputs = on.base;
#pragma unroll 1
    for (int m = 0; m < on.modelCount; m++) {
        inputs |= on.models[m] + from * bytesOf(FORMAT);
    }
    inputs |= on.base == 0 ? 0 : on.base + from * bytesOf(FORMAT);
    uint64_t outputs = 0;
#pragma unroll 1
    for (int k = 0; k < on.outputCount; k++) {
        outputs |= on.outputs[k] + from * bytesOf(on.outFormat);
    }
    const int stored = kElements<FORMAT> * bytesOf(on.outFormat);
    return inputs % 16 == 0 && outputs % (stored < 16 ? stored : 16) == 0;
}

template <Format FORMAT>
__device__ inline void sumElement(const Operands& on, long long i)
{
    const float base = on.base == 0 ? 0.0f : widen<FORMAT>(codeAt<FORMAT>(on.base, i));
#pragma unroll 1
    for (int k = 0; k < on.outputCount; k++) {
        const float* row = on.row(k);
        float sum = 0.0f;
#pragma unroll 1
        for (int m = 0; m < on.modelCount; m++) {
            const float value = widen<FORMAT>(codeAt<FORMAT>(on.models[m], i));
            sum = joined(sum, row[m], on.base == 0 ? value : __fsub_rn(value, base), m == 0);
        }
        sum = divided(sum, row[on.modelCount], on.reciprocals[k]);
        storeOne(on.outputs[k], i, on.base == 0 ? sum : __fadd_rn(sum, base), on.outFormat);
    }
}

template <Format FORMAT>
__device__ inline void join(float (&sums)[kElements<FORMAT>], float weight, const uint4& x, const uint4& base, bool onBase, bool first)
{
#pragma unroll
    for (int e = 0; e < kElements<FORMAT>; e++) {
        const float value = widen<FORMAT>(codeOf<FORMAT>(x, e));
        const float delta = onBase ? __fsub_rn(value, widen<FORMAT>(codeOf<FORMAT>(base, e))) : value;
        sums[e] = joined(sums[e], weight, delta, first);
    }
}

// SLOTS models stay in registers, and so many vectors of each that a thread has 8 loads on the way.
template <Format FORMAT, int SLOTS>
__device__ inline void sumVectors(const Operands& on, long long from, int vectors)
{
    constexpr int kUnroll = 8 / SLOTS;
    constexpr int kCount = kElements<FORMAT>;
    const int threads = blockDim.x;
    uint64_t models[SLOTS];
#pragma unroll
    for (int m = 0; m < SLOTS; m++) {
        models[m] = m < on.modelCount ? on.models[m] + from * bytesOf(FORMAT) : 0;
    }
    const uint64_t base = on.base + from * bytesOf(FORMAT);
#pragma unroll 1
    for (int first = threadIdx.x; first < vectors; first += threads * kUnroll) {
        uint4 x[kUnroll][SLOTS];
        uint4 b[kUnroll];
#pragma unroll
        for (int u = 0; u < kUnroll; u++) {
            // Beyond the end the last one is read again, and not stored.
            const int vector = min(first + u * threads, vectors - 1);
            b[u] = loadIf(on.base != 0, base, vector);
#pragma unroll
            for (int m = 0; m < SLOTS; m++) {
                x[u][m] = loadIf(m < on.modelCount, models[m], vector);
            }
        }
#pragma unroll 1
        for (int k = 0; k < on.outputCount; k++) {
            const float* row = on.row(k);
            const uint64_t output = on.outputs[k] + from * bytesOf(on.outFormat);
            const float divisor = row[on.modelCount];
            const double reciprocal = on.reciprocals[k];
#pragma unroll
            for (int u = 0; u < kUnroll; u++) {
                const int vector = first + u * threads;
                float sums[kCount];
                keepPacked(b[u]);
#pragma unroll
                for (int m = 0; m < SLOTS; m++) {
                    if (m < on.modelCount) {
                        keepPacked(x[u][m]);
                        join<FORMAT>(sums, row[m], x[u][m], b[u], on.base != 0, m == 0);
                    }
                }
#pragma unroll 1
                for (int m = SLOTS; m < on.modelCount; m++) {
                    const uint64_t more = on.models[m] + from * bytesOf(FORMAT);
                    join<FORMAT>(sums, row[m], reinterpret_cast<const uint4*>(more)[min(vector, vectors - 1)], b[u], on.base != 0, false);
                }
                if (divisor != 1.0f) {
#pragma unroll
                    for (int e = 0; e < kCount; e++) {
                        sums[e] = divided(sums[e], divisor, reciprocal);
                    }
                }
                if (on.base != 0) {
#pragma unroll
                    for (int e = 0; e < kCount; e++) {
                        sums[e] = __fadd_rn(sums[e], widen<FORMAT>(codeOf<FORMAT>(b[u], e)));
                    }
                }
                if (vector < vectors) {
                    store(output, vector * kCount, sums, on.outFormat);
                }
            }
        }
    }
}

template <Format FORMAT, int SLOTS>
__device__ inline void run(
    const Tile* __restrict__ tiles,
    long long tileCount,
    const uint64_t* __restrict__ addresses,
    const float* __restrict__ scalars,
    const double* __restrict__ reciprocals,
    int modelCount,
    int outputCount,
    int outFormat)
{
    for (long long t = blockIdx.x; t < tileCount; t += gridDim.x) {
        const Tile tile = tiles[t];
        const uint64_t* item = addresses + static_cast<long long>(tile.item) * (modelCount + 1 + outputCount);
        const Operands on = {item,
                             item + modelCount + 1,
                             scalars + static_cast<long long>(tile.item) * outputCount * (modelCount + 1),
                             reciprocals + static_cast<long long>(tile.item) * outputCount,
                             item[modelCount],
                             modelCount,
                             outputCount,
                             static_cast<Format>(outFormat)};
        const int vectors = aligned<FORMAT>(on, tile.from) ? tile.count / kElements<FORMAT> : 0;
        sumVectors<FORMAT, SLOTS>(on, tile.from, vectors);
#pragma unroll 1
        for (int i = vectors * kElements<FORMAT> + threadIdx.x; i < tile.count; i += blockDim.x) {
            sumElement<FORMAT>(on, tile.from + i);
        }
    }
}

}  // namespace weighted_sum

// Two blocks a multiprocessor leave 128 registers for a thread: none spills, and the loads on their way fit.
#define WEIGHTED_SUM(NAME, FORMAT, SLOTS)                                                                                             \
    extern "C" __global__ void __launch_bounds__(256, 2)                                                                              \
        NAME(const Tile* __restrict__ tiles, long long tileCount, const uint64_t* __restrict__ addresses,                             \
             const float* __restrict__ scalars, const double* __restrict__ reciprocals, int modelCount, int outputCount,              \
             int outFormat)                                                                                                           \
    {                                                                                                                                 \
        weighted_sum::run<FORMAT, SLOTS>(tiles, tileCount, addresses, scalars, reciprocals, modelCount, outputCount, outFormat);      \
    }

// Up to 2, up to 4, and any number of models.
#define WEIGHTED_SUMS(FORMAT)                \
    WEIGHTED_SUM(weighted_sum_2, FORMAT, 2)  \
    WEIGHTED_SUM(weighted_sum_4, FORMAT, 4)  \
    WEIGHTED_SUM(weighted_sum_8, FORMAT, 8)
