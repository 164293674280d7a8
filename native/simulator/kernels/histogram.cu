// histogram: how many values have each upper 11 bits of their magnitude.
//
//   input    values f32[length]
//   output   bins u32[2048], added to: bin b counts the values whose bits without the sign have b as their upper 11 of 31 bits
//   order    counts are integers, so the order of the additions does not matter
//   launch   1-D grid-stride loop: any grid, any block, 64-bit index; 8 KiB of static shared memory, a histogram for each block
//   traffic  4 * length bytes
#include <stdint.h>

namespace {

constexpr int kBins = 2048;
constexpr int kShift = 20;

}  // namespace

extern "C" __global__ void histogram_f32(const uint32_t* __restrict__ values, long long length, uint32_t* bins)
{
    __shared__ uint32_t mine[kBins];
    for (int i = threadIdx.x; i < kBins; i += blockDim.x) {
        mine[i] = 0;
    }
    __syncthreads();
    const long long stride = static_cast<long long>(gridDim.x) * blockDim.x;
    for (long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; i < length; i += stride) {
        __nv_atomic_fetch_add(&mine[(values[i] & 0x7FFFFFFF) >> kShift], 1u, __NV_ATOMIC_RELAXED, __NV_THREAD_SCOPE_BLOCK);
    }
    __syncthreads();
    for (int i = threadIdx.x; i < kBins; i += blockDim.x) {
        if (mine[i] != 0) {
            __nv_atomic_fetch_add(&bins[i], mine[i], __NV_ATOMIC_RELAXED, __NV_THREAD_SCOPE_DEVICE);
        }
    }
}
