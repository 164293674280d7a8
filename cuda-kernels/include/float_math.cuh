// The exponential and the logarithm of float32 of simd/FloatMath.java, with its bits: docs/adr/014.
#pragma once

namespace float_math {

constexpr float kExpZero = -104.0f;  // what exp maps to 0, as it does all below
constexpr float kExpInfinity = 89.0f;
constexpr float kLog2E = 0x1.715476p+0f;
constexpr float kLn2High = 0x1.62e4p-1f;
constexpr float kLn2Low = 0x1.7f7d1cp-20f;
constexpr float kRounder = 0x1.8p23f;  // added to a number, it leaves the nearest integer in the lowest bits
constexpr int kTwoThirds = 0x3F2AAAAB;
constexpr float kNaN = __builtin_nanf("");
constexpr float kInfinity = __builtin_inff();

// exp(r) where n log 2 + r is x.
__device__ inline float expOfRemainder(float x, float n)
{
    const float r = __fmaf_rn(n, -kLn2Low, __fmaf_rn(n, -kLn2High, x));
    float p = __fmaf_rn(0x1.6a4b36p-10f, r, 0x1.12398ep-7f);
    p = __fmaf_rn(p, r, 0x1.5558b2p-5f);
    p = __fmaf_rn(p, r, 0x1.555492p-3f);
    p = __fmaf_rn(p, r, 0x1.fffffcp-2f);
    p = __fmaf_rn(p, r, 1.0f);
    return __fmaf_rn(p, r, 1.0f);
}

__device__ inline float powerOfTwo(int exponent) { return __int_as_float((exponent + 127) << 23); }

// Of any number.
__device__ inline float exp(float x)
{
    const float bounded = x < kExpZero ? kExpZero : x > kExpInfinity ? kExpInfinity : x;
    const float rounded = __fmaf_rn(bounded, kLog2E, kRounder);
    const int exponent = __float_as_int(rounded) - __float_as_int(kRounder);
    const int half = exponent >> 1;
    return __fmul_rn(__fmul_rn(expOfRemainder(bounded, __fsub_rn(rounded, kRounder)), powerOfTwo(half)), powerOfTwo(exponent - half));
}

// Of a number from -104 to 0, in 12 instructions. The exponent is added 32 too large, which leaves room for those of subnormal results, and the
// multiplication that makes up for it rounds once, as the last one of exp does.
__device__ inline float expOfDifference(float d)
{
    constexpr int kSpare = 32;
    const float rounded = __fmaf_rn(d, kLog2E, kRounder + kSpare);
    const float p = expOfRemainder(d, __fsub_rn(rounded, kRounder + kSpare));
    // The upper bits of the rounder go with the shift.
    return __fmul_rn(__int_as_float(__float_as_int(p) + (__float_as_int(rounded) << 23)), 0x1p-32f);
}

// Of any number.
__device__ inline float log(float x)
{
    const bool subnormal = x < 0x1p-126f;
    const int bits = __float_as_int(subnormal ? __fmul_rn(x, 0x1p23f) : x);
    const int exponent = (bits - kTwoThirds) >> 23;
    const float f = __fsub_rn(__int_as_float(bits - (exponent << 23)), 1.0f);
    const float e = static_cast<float>(exponent - (subnormal ? 23 : 0));
    float p = __fmaf_rn(-0x1.07e5f4p-3f, f, 0x1.1e73a0p-3f);
    p = __fmaf_rn(p, f, -0x1.f32078p-4f);
    p = __fmaf_rn(p, f, 0x1.1ed424p-3f);
    p = __fmaf_rn(p, f, -0x1.559d36p-3f);
    p = __fmaf_rn(p, f, 0x1.99d05ep-3f);
    p = __fmaf_rn(p, f, -0x1.fffef4p-3f);
    p = __fmaf_rn(p, f, 0x1.555506p-2f);
    const float square = __fmul_rn(f, f);
    const float tail = __fmaf_rn(p, __fmul_rn(f, square), __fmaf_rn(-0.5f, square, __fmul_rn(e, kLn2Low)));
    const float result = __fmaf_rn(e, kLn2High, __fadd_rn(f, tail));
    return x > 0.0f ? (x == kInfinity ? x : result) : x == 0.0f ? -kInfinity : kNaN;
}

}  // namespace float_math
