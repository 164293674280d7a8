// block_sum: the sum of float32 values in float64, over a fixed tree.
//
//   input    values f32[length]
//   output   sum f64[1]; partials f64[gridDim.x] and arrived u32[1] are scratch, arrived is zero before and after
//   order    block b takes the 2048 values from 2048 b on: thread t adds values t, t + 256, ... of them in this order, lanes are added by
//            halves (16, 8, 4, 2, 1), the eight warps in order; the last block to finish adds the partials in order
//   launch   256 threads, ceil(length / 2048) blocks
//   traffic  4 * length bytes
#include <stdint.h>

namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr int kChunk = 2048;

}  // namespace

extern "C" __global__ void __launch_bounds__(kThreads) block_sum_f32(
    const float* __restrict__ values,
    long long length,
    double* partials,
    uint32_t* arrived,
    double* sum)
{
    __shared__ double warpSums[kWarps];
    const long long start = static_cast<long long>(blockIdx.x) * kChunk;
    double mine = 0.0;
    for (int i = threadIdx.x; i < kChunk; i += kThreads) {
        mine += start + i < length ? values[start + i] : 0.0f;
    }
    for (int half = 16; half > 0; half /= 2) {
        mine += __shfl_down_sync(0xFFFFFFFF, mine, half);
    }
    if (threadIdx.x % 32 == 0) {
        warpSums[threadIdx.x / 32] = mine;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        double block = 0.0;
        for (int w = 0; w < kWarps; w++) {
            block += warpSums[w];
        }
        partials[blockIdx.x] = block;
        // Releases this block's partial, and acquires those of the blocks before.
        const bool last = __nv_atomic_fetch_add(arrived, 1u, __NV_ATOMIC_ACQ_REL, __NV_THREAD_SCOPE_DEVICE) == gridDim.x - 1;
        if (last) {
            double total = 0.0;
            for (unsigned b = 0; b < gridDim.x; b++) {
                total += partials[b];
            }
            *sum = total;
            *arrived = 0;
        }
    }
}
