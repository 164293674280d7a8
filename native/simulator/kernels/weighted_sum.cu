// weighted_sum: out = sum of weights[m] * models[m] over BF16 models, in one pass over memory.
//
//   input    models: device addresses of the models, each bf16[length]; weights f32[count]
//   output   out bf16[length]; may be one of the models
//   order    an accumulator in float32 starts at zero and takes fma(weight, value, accumulator) model by model; rounded once, to nearest even
//   launch   1-D grid-stride loop: any grid, any block, 64-bit index; no barrier
//   traffic  2 * (count + 1) * length bytes, 16 at a time where every address allows it
#include <cuda_bf16.h>
#include <stdint.h>

namespace {

__device__ float widened(uint32_t half) { return __uint_as_float(half << 16); }

__device__ uint32_t rounded(float value) { return __bfloat16_as_ushort(__float2bfloat16_rn(value)); }

__device__ uint32_t roundedPair(float low, float high) { return rounded(low) | rounded(high) << 16; }

}  // namespace

extern "C" __global__ void weighted_sum_bf16(
    const uint64_t* __restrict__ models,
    const float* __restrict__ weights,
    int count,
    uint16_t* out,
    long long length)
{
    const long long stride = static_cast<long long>(gridDim.x) * blockDim.x;
    const long long thread = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    uint64_t addresses = reinterpret_cast<uint64_t>(out);
    for (int m = 0; m < count; m++) {
        addresses |= models[m];
    }
    const long long vectors = addresses % 16 == 0 ? length / 8 : 0;
    for (long long i = thread; i < vectors; i += stride) {
        float sums[8] = {};
        for (int m = 0; m < count; m++) {
            const uint4 values = reinterpret_cast<const uint4*>(models[m])[i];
            const float weight = weights[m];
            const uint32_t words[] = {values.x, values.y, values.z, values.w};
#pragma unroll
            for (int k = 0; k < 4; k++) {
                sums[2 * k] = __fmaf_rn(weight, widened(words[k] & 0xFFFF), sums[2 * k]);
                sums[2 * k + 1] = __fmaf_rn(weight, widened(words[k] >> 16), sums[2 * k + 1]);
            }
        }
        reinterpret_cast<uint4*>(out)[i] = make_uint4(roundedPair(sums[0], sums[1]), roundedPair(sums[2], sums[3]),
                                                      roundedPair(sums[4], sums[5]), roundedPair(sums[6], sums[7]));
    }
    for (long long i = 8 * vectors + thread; i < length; i += stride) {
        float sum = 0.0f;
        for (int m = 0; m < count; m++) {
            sum = __fmaf_rn(weights[m], widened(reinterpret_cast<const uint16_t*>(models[m])[i]), sum);
        }
        out[i] = static_cast<uint16_t>(rounded(sum));
    }
}
