// Finds the n-th of what lies at numbered places, by how many lie at each.
#pragma once

struct Located {
    long long place;   // negative if there are fewer than n
    long long number;  // which of those that lie at the place, from 1
};

// A block of 256 threads calls it, once. They share the places out, then those of the one that has the n-th, until that is one place.
template <typename CountAt>
__device__ inline Located locate(long long n, long long places, CountAt&& countAt)
{
    constexpr int kThreads = 256;
    __shared__ long long ofWarps[kThreads / 32];
    __shared__ struct {
        long long from;
        long long to;
        long long n;
    } found;
    long long from = 0;
    long long to = places;
    if (threadIdx.x == 0) {
        found = {0, 0, 0};
    }
    do {
        const long long share = (to - from + kThreads - 1) / kThreads;
        const long long first = min(to, from + share * threadIdx.x);
        const long long last = min(to, first + share);
        long long mine = 0;
#pragma unroll 4
        for (long long i = first; i < last; i++) {
            mine += countAt(i);
        }
        long long upTo = mine;  // of this thread and those before it
#pragma unroll
        for (int step = 1; step < 32; step *= 2) {
            const long long other = __shfl_up_sync(0xFFFFFFFFu, upTo, step);
            upTo += static_cast<int>(threadIdx.x % 32) >= step ? other : 0;
        }
        if (threadIdx.x % 32 == 31) {
            ofWarps[threadIdx.x / 32] = upTo;
        }
        __syncthreads();
        for (int warp = 0; warp < static_cast<int>(threadIdx.x / 32); warp++) {
            upTo += ofWarps[warp];
        }
        if (n <= upTo && n > upTo - mine) {
            found = {first, last, n - (upTo - mine)};
        }
        __syncthreads();
        from = found.from;
        to = found.to;
        n = found.n;
    } while (to - from > 1);
    return {from < to ? from : -1, n};
}
