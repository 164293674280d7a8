// What is asked of the keys that key_scan gathered, or trimmed_merge: a histogram, and how many of each tile equal one key.
//
//   contract  trim/MagnitudeSelection.java
//   launch    1-D, 256 threads, any grid
#include "key_scan.cuh"

extern "C" __global__ void __launch_bounds__(256)
    gathered_histogram(const int* __restrict__ keys, long long count, int low, int high, int shift, unsigned long long* __restrict__ bins)
{
    __shared__ unsigned mine[key_scans::kMostBins];
    key_scans::clearBins(mine);
    for (long long i = static_cast<long long>(blockIdx.x) * 256 + threadIdx.x; i < count; i += static_cast<long long>(gridDim.x) * 256) {
        key_scans::countKey(mine, keys[i], {0, low, high, shift});
    }
    __syncthreads();
    key_scans::writeBins(mine, bins);
}

extern "C" __global__ void __launch_bounds__(256)
    gathered_ties(
        const int* __restrict__ keys, const int* __restrict__ places, int tileShift, long long count, int key, int* __restrict__ equalOfTile)
{
    for (long long i = static_cast<long long>(blockIdx.x) * 256 + threadIdx.x; i < count; i += static_cast<long long>(gridDim.x) * 256) {
        if (keys[i] == key) {
            atomicAdd(equalOfTile + (places[i] >> tileShift), 1);
        }
    }
}
