// The element types that kernels compute with: codes to float and back, as tensor/FloatFormat.java defines them.
//
//   widening   exact
//   rounding   to nearest, ties to even; subnormal numbers kept; a magnitude too large becomes infinity with its sign, in F8_E4M3, which has
//              none, NaN with its sign; every NaN becomes the positive quiet NaN of the type
#pragma once
#include <stdint.h>

// The numbers are those of CudaFormats.java.
enum class Format : int { F32 = 0, F16 = 1, BF16 = 2, F8_E4M3 = 3, F8_E5M2 = 4 };

__device__ constexpr int bytesOf(Format format)
{
    return format == Format::F32 ? 4 : format == Format::F16 || format == Format::BF16 ? 2 : 1;
}

template <Format FORMAT, int WORDS>
__device__ inline uint32_t codeIn(const uint32_t (&words)[WORDS], int element)
{
    constexpr int kPerWord = 4 / bytesOf(FORMAT);
    const uint32_t word = words[element / kPerWord] >> element % kPerWord * 8 * bytesOf(FORMAT);
    return kPerWord == 1 ? word : word & (1u << 8 * bytesOf(FORMAT) % 32) - 1;
}

template <Format FORMAT>
__device__ inline uint32_t codeAt(uint64_t tensor, long long index)
{
    const uint64_t at = tensor + index * bytesOf(FORMAT);
    return bytesOf(FORMAT) == 4   ? *reinterpret_cast<const uint32_t*>(at)
           : bytesOf(FORMAT) == 2 ? *reinterpret_cast<const uint16_t*>(at)
                                  : *reinterpret_cast<const uint8_t*>(at);
}

__device__ inline float halfToFloat(uint32_t code)
{
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(static_cast<uint16_t>(code)));
    return value;
}

template <Format FORMAT>
__device__ inline float widen(uint32_t code)
{
    if (FORMAT == Format::F32) {
        return __uint_as_float(code);
    }
    if (FORMAT == Format::F16) {
        return halfToFloat(code);
    }
    if (FORMAT == Format::BF16) {
        return __uint_as_float(code << 16);
    }
    if (FORMAT == Format::F8_E5M2) {
        return halfToFloat(code << 8);
    }
    // F8_E4M3's exponent and mantissa at the place of binary32's, 2^120 too small; its last code is NaN.
    const float value = __fmul_rn(__uint_as_float((code & 0x80) << 24 | (code & 0x7F) << 20), 0x1p120f);
    return (code & 0x7F) == 0x7F ? __uint_as_float(0x7FC00000) : value;
}

__device__ inline bool isNaN(float value) { return value != value; }

__device__ inline uint32_t roundToF32(float value) { return isNaN(value) ? 0x7FC00000 : __float_as_uint(value); }

__device__ inline uint32_t roundToBF16(float value)
{
    const uint32_t bits = __float_as_uint(value);
    return isNaN(value) ? 0x7FC0 : (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
}

__device__ inline uint32_t roundToF16(float value)
{
    uint16_t code;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(code) : "f"(value));
    return isNaN(value) ? 0x7E00 : code;
}

// F8_E4M3 with 3 mantissa bits, F8_E5M2 with 2: one code for both, as neither is worth a copy in every kernel.
__device__ inline uint32_t roundToF8(float value, bool e4m3)
{
    const int mantissa = e4m3 ? 3 : 2;
    const int bias = e4m3 ? 7 : 15;
    const uint32_t special = e4m3 ? 0x7F : 0x7C;
    const uint32_t bits = __float_as_uint(value);
    const uint32_t magnitude = bits & 0x7FFFFFFF;
    const int shift = 23 - mantissa;
    const uint32_t rebiased = magnitude - (static_cast<uint32_t>(127 - bias) << 23);
    const uint32_t normal = (rebiased + (1u << (shift - 1)) - 1 + (rebiased >> shift & 1)) >> shift;
    // Below the smallest normal number codes count multiples of the smallest subnormal one.
    const float steps = __fmul_rn(__uint_as_float(magnitude), __uint_as_float(static_cast<uint32_t>(127 + bias - 1 + mantissa) << 23));
    const bool subnormal = magnitude < static_cast<uint32_t>(128 - bias) << 23;
    uint32_t code = subnormal ? static_cast<uint32_t>(__float2int_rn(steps)) : normal;
    code = code < special ? code : special;
    return isNaN(value) ? (e4m3 ? 0x7F : 0x7E) : code | (bits >> 24 & 0x80);
}
