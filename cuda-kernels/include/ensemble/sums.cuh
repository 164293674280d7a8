// Maxima and sums of a warp or a part of one, in the order of the tree.
#pragma once
#include "float_math.cuh"
#include "fold.cuh"

namespace ensemble {

__device__ inline int lane() { return threadIdx.x % 32; }

// The threads that have a row together: a warp, or a part of one, as wide as a power of two.
struct Team {
    int lane;
    int width;
    unsigned mask;

    __device__ static Team warp() { return {ensemble::lane(), 32, kWarp}; }

    __device__ static Team part(int width)
    {
        const int lane = ensemble::lane() % width;
        return {lane, width, (kWarp >> (32 - width)) << (ensemble::lane() - lane)};
    }
};

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

    __device__ float of(const Team& team) const
    {
        float max = value;
#pragma unroll
        for (int step = team.width / 2; step > 0; step /= 2) {
            max = fmaxf(max, __shfl_xor_sync(team.mask, max, step));
        }
        return __any_sync(team.mask, nan) ? float_math::kNaN : max;
    }
};

// Folds the lanes of a chunk in halves, two of them in each thread; all threads have the result. Lanes that a part of a warp lacks would add +0.
__device__ inline float foldLanes(float2 sums, const Team& team)
{
#pragma unroll
    for (int half = team.width / 2; half > 0; half /= 2) {
        sums.x = __fadd_rn(sums.x, __shfl_xor_sync(team.mask, sums.x, half));
        sums.y = __fadd_rn(sums.y, __shfl_xor_sync(team.mask, sums.y, half));
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
