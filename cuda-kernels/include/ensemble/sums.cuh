// Maxima and sums of a warp, in the order of the tree.
#pragma once
#include "float_math.cuh"
#include "fold.cuh"

namespace ensemble {

__device__ inline int lane() { return threadIdx.x % 32; }

__device__ inline float bounded(float difference) { return fmaxf(difference, float_math::kExpZero); }

__device__ inline bool isBetter(float value, float other) { return value > other || (isNaN(value) && !isNaN(other)); }

__device__ inline float larger(float a, float b) { return isNaN(a) || isNaN(b) ? float_math::kNaN : fmaxf(a, b); }

// The largest of many, NaN if any is.
struct Maximum {
    float value = -float_math::kInfinity;
    bool nan = false;

    __device__ void take(float2 pair)
    {
        value = fmaxf(value, fmaxf(pair.x, pair.y));
        nan |= isNaN(pair.x) || isNaN(pair.y);
    }

    __device__ float ofWarp() const
    {
        float max = value;
#pragma unroll
        for (int step = 16; step > 0; step /= 2) {
            max = fmaxf(max, __shfl_xor_sync(kWarp, max, step));
        }
        return __any_sync(kWarp, nan) ? float_math::kNaN : max;
    }
};

// Folds the 64 lanes of a chunk in halves, two of them in each thread; all threads have the result.
__device__ inline float foldLanes(float2 sums)
{
#pragma unroll
    for (int half = 16; half > 0; half /= 2) {
        sums.x = __fadd_rn(sums.x, __shfl_xor_sync(kWarp, sums.x, half));
        sums.y = __fadd_rn(sums.y, __shfl_xor_sync(kWarp, sums.y, half));
    }
    return __fadd_rn(sums.x, sums.y);
}

// The sum of up to 1024 terms in pairs of neighbours; all threads of the warp have the result.
template <typename Term>
__device__ inline double sumPairs(int count, Term term)
{
    double groups = 0.0;
#pragma unroll 1
    for (int group = 0; group * 32 < count; group++) {
        const int j = group * 32 + lane();
        const double sum = __shfl_sync(kWarp, foldWarp(j < count ? term(j) : 0.0, count - group * 32), 0);
        groups = lane() == group ? sum : groups;
    }
    return __shfl_sync(kWarp, foldWarp(groups, (count + 31) / 32), 0);
}

}  // namespace ensemble
