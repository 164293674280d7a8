// float_math: the exponential and the logarithm of each number.
//
//   input    x f32[count]
//   output   exponentials f32[count], of the differences also by the function for them; logarithms f32[count]
//   launch   1-D, any grid
#include "float_math.cuh"

extern "C" __global__ void float_math_f32(
    const float* __restrict__ x, long long count, float* __restrict__ exponentials, float* __restrict__ ofDifferences, float* __restrict__ logarithms)
{
    for (long long i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
        exponentials[i] = float_math::exp(x[i]);
        ofDifferences[i] = x[i] >= float_math::kExpZero && x[i] <= 0.0f ? float_math::expOfDifference(x[i]) : exponentials[i];
        logarithms[i] = float_math::log(x[i]);
    }
}
