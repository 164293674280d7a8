// The upper levels of the trees that sums go up: pairs of neighbours.
#pragma once

constexpr unsigned kWarp = 0xFFFFFFFFu;

// Folds a warp's values in pairs of neighbours, level by level; one without a neighbour moves up unchanged. The first has the result.
template <typename V>
__device__ inline V foldWarp(V value, long long count)
{
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
        const V other = __shfl_down_sync(kWarp, value, step);
        if (lane % (2 * step) == 0 && lane + step < count) {
            value += other;
        }
    }
    return value;
}
