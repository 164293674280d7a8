// The last levels of a reduction's tree: partial results to one for each item.
//
//   contract  reduce/Reduction.java
//   input     for each item and result a row of partial results, of tiles of equal size but the last: pairs of neighbours are folded level by
//             level, one without a neighbour moves up unchanged
//   tables    starts: where an item's partial results begin in a row of them, and where the last one's end
//   output    results item by item; of an item without partial results +0. The partial results are overwritten
//   launch    1-D, any number of whole warps; a block has one item and result at a time, any grid
#include "fold.cuh"

template <typename V>
__device__ inline void fold(
    const long long* __restrict__ starts, long long items, int resultCount, V* partials, long long stride, V* scratch,
    long long scratchStride, V* __restrict__ results)
{
    const int warps = blockDim.x / 32;
    for (long long task = blockIdx.x; task < items * resultCount; task += gridDim.x) {
        const long long item = task / resultCount;
        const int r = static_cast<int>(task % resultCount);
        V* from = partials + r * stride + starts[item];
        V* to = scratch + r * scratchStride + starts[item] / 32 + item;
        long long left = starts[item + 1] - starts[item];
        if (left == 0 && threadIdx.x == 0) {
            results[task] = 0;
        }
        do {
            const long long groups = (left + 31) / 32;
            for (long long group = threadIdx.x / 32; group < groups; group += warps) {
                const long long i = group * 32 + threadIdx.x % 32;
                const V folded = foldWarp(i < left ? from[i] : V(0), left - group * 32);
                if (threadIdx.x % 32 == 0) {
                    (groups == 1 ? results[task] : to[group]) = folded;
                }
            }
            __syncthreads();
            V* const next = from;
            from = to;
            to = next;
            left = groups;
        } while (left > 1);
    }
}

#define FOLD(NAME, V)                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256)                                                                                 \
        NAME(const long long* __restrict__ starts, long long items, int resultCount, V* partials, long long stride, V* scratch,       \
             long long scratchStride, V* __restrict__ results)                                                                        \
    {                                                                                                                                 \
        fold(starts, items, resultCount, partials, stride, scratch, scratchStride, results);                                          \
    }

FOLD(fold_f64, double)
FOLD(fold_s64, long long)
