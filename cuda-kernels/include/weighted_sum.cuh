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
#include "formats.cuh"

struct Tile {
    long long from;  // the first element, counted from the start of the tensors
    int count;
    int item;
};

namespace weighted_sum {

template <Format FORMAT>
constexpr int kElements = 16 / bytesOf(FORMAT);  // of 16 bytes

template <Format FORMAT>
__device__ inline uint32_t codeOf(const uint4& vector, int element)
{
    const uint32_t words[] = {vector.x, vector.y, vector.z, vector.w};
    return codeIn<FORMAT>(words, element);
}

// COUNT values, a power of two, as codes side by side, in the widest stores that hold them.
template <int COUNT, int BITS, typename Round>
__device__ inline void storePacked(uint64_t at, const float (&values)[COUNT], Round round)
{
    constexpr int kWords = COUNT * BITS / 32;
    constexpr int kPerWord = 32 / BITS;
    uint32_t words[kWords] = {};
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
        words[i / kPerWord] |= round(values[i]) << i % kPerWord * BITS % 32;
    }
    if constexpr (kWords % 4 == 0) {
#pragma unroll
        for (int i = 0; i < kWords; i += 4) {
            reinterpret_cast<uint4*>(at)[i / 4] = make_uint4(words[i], words[i + 1], words[i + 2], words[i + 3]);
        }
    } else if constexpr (kWords == 2) {
        *reinterpret_cast<uint2*>(at) = make_uint2(words[0], words[1]);
    } else {
        *reinterpret_cast<uint32_t*>(at) = words[0];
    }
}

template <int COUNT>
__device__ inline void store(uint64_t tensor, long long index, const float (&values)[COUNT], Format format)
{
    const uint64_t at = tensor + index * bytesOf(format);
    if (format == Format::BF16) {
        storePacked<COUNT, 16>(at, values, roundToBF16);
    } else if (format == Format::F32) {
        storePacked<COUNT, 32>(at, values, roundToF32);
    } else if (format == Format::F16) {
        storePacked<COUNT, 16>(at, values, roundToF16);
    } else {
        const bool e4m3 = format == Format::F8_E4M3;
        storePacked<COUNT, 8>(at, values, [=](float value) { return roundToF8(value, e4m3); });
    }
}

__device__ inline void storeOne(uint64_t tensor, long long index, float value, Format format)
{
    const uint64_t at = tensor + index * bytesOf(format);
    if (format == Format::F32) {
        *reinterpret_cast<uint32_t*>(at) = roundToF32(value);
    } else if (format == Format::BF16 || format == Format::F16) {
        *reinterpret_cast<uint16_t*>(at) = format == Format::BF16 ? roundToBF16(value) : roundToF16(value);
    } else {
        *reinterpret_cast<uint8_t*>(at) = roundToF8(value, format == Format::F8_E4M3);
    }
}

__device__ inline float joined(float sum, float weight, float delta, bool first)
{
    return first ? __fmul_rn(weight, delta) : __fmaf_rn(weight, delta, sum);
}

// The quotient, rounded once. The product with the reciprocal, both in float64, and one correction give it to within 2^-52 or exactly, and no
// quotient of two float32 numbers is nearer than that to the middle between two float32 numbers without being it. Of zeros, infinities
// and NaN the product is the quotient.
__device__ inline float divided(float sum, float divisor, double reciprocal)
{
    const double guess = __dmul_rn(sum, reciprocal);
    const double quotient = __fma_rn(__fma_rn(-guess, divisor, sum), reciprocal, guess);
    const bool finite = fabsf(sum) <= 0x1.fffffep127f && fabs(reciprocal) <= 0x1.fffffffffffffp1023;
    return __double2float_rn(finite && sum != 0.0f && reciprocal != 0.0 ? quotient : guess);
}

// A load that a predicate guards, so that loads follow each other without a branch between them. Undefined where it is not wanted.
__device__ inline uint4 loadIf(bool wanted, uint64_t vectors, int index)
{
    uint4 vector;
    asm volatile("{ .reg .pred wanted; setp.ne.s32 wanted, %5, 0; @wanted ld.global.v4.u32 {%0, %1, %2, %3}, [%4]; }"
                 : "=r"(vector.x), "=r"(vector.y), "=r"(vector.z), "=r"(vector.w)
                 : "l"(vectors + static_cast<uint64_t>(index) * 16), "r"(static_cast<int>(wanted)));
    return vector;
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
