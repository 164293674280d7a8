// What kernels over tiles of tensors share: loads and stores of 16 bytes, and a division.
#pragma once
#include "formats.cuh"

struct Tile {
    long long from;  // the first element, counted from the start of the tensors
    int count;
    int item;
};

template <Format FORMAT>
constexpr int kElements = 16 / bytesOf(FORMAT);  // of 16 bytes

template <Format FORMAT>
__device__ inline uint32_t codeOf(const uint4& vector, int element)
{
    const uint32_t words[] = {vector.x, vector.y, vector.z, vector.w};
    return codeIn<FORMAT>(words, element);
}

// COUNT values, a power of two, as codes side by side, in the widest stores that hold them.
template <int COUNT, int BITS, typename Round>
__device__ inline void storePacked(uint64_t at, const float (&values)[COUNT], Round round)
{
    constexpr int kWords = COUNT * BITS / 32;
    constexpr int kPerWord = 32 / BITS;
    uint32_t words[kWords] = {};
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
        words[i / kPerWord] |= round(values[i]) << i % kPerWord * BITS % 32;
    }
    if constexpr (kWords % 4 == 0) {
#pragma unroll
        for (int i = 0; i < kWords; i += 4) {
            reinterpret_cast<uint4*>(at)[i / 4] = make_uint4(words[i], words[i + 1], words[i + 2], words[i + 3]);
        }
    } else if constexpr (kWords == 2) {
        *reinterpret_cast<uint2*>(at) = make_uint2(words[0], words[1]);
    } else {
        *reinterpret_cast<uint32_t*>(at) = words[0];
    }
}

template <int COUNT>
__device__ inline void store(uint64_t tensor, long long index, const float (&values)[COUNT], Format format)
{
    const uint64_t at = tensor + index * bytesOf(format);
    if (format == Format::BF16) {
        storePacked<COUNT, 16>(at, values, roundToBF16);
    } else if (format == Format::F32) {
        storePacked<COUNT, 32>(at, values, roundToF32);
    } else if (format == Format::F16) {
        storePacked<COUNT, 16>(at, values, roundToF16);
    } else {
        const bool e4m3 = format == Format::F8_E4M3;
        storePacked<COUNT, 8>(at, values, [=](float value) { return roundToF8(value, e4m3); });
    }
}

__device__ inline void storeOne(uint64_t tensor, long long index, float value, Format format)
{
    const uint64_t at = tensor + index * bytesOf(format);
    if (format == Format::F32) {
        *reinterpret_cast<uint32_t*>(at) = roundToF32(value);
    } else if (format == Format::BF16 || format == Format::F16) {
        *reinterpret_cast<uint16_t*>(at) = format == Format::BF16 ? roundToBF16(value) : roundToF16(value);
    } else {
        *reinterpret_cast<uint8_t*>(at) = roundToF8(value, format == Format::F8_E4M3);
    }
}

// A load that a predicate guards, so that loads follow each other without a branch between them. Undefined where it is not wanted.
__device__ inline uint4 loadIf(bool wanted, uint64_t vectors, int index)
{
    uint4 vector;
    asm volatile("{ .reg .pred wanted; setp.ne.s32 wanted, %5, 0; @wanted ld.global.v4.u32 {%0, %1, %2, %3}, [%4]; }"
                 : "=r"(vector.x), "=r"(vector.y), "=r"(vector.z), "=r"(vector.w)
                 : "l"(vectors + static_cast<uint64_t>(index) * 16), "r"(static_cast<int>(wanted)));
    return vector;
}

// The quotient, rounded once. The product with the reciprocal, both in float64, and one correction give it to within 2^-52 or exactly, and no
// quotient of two float32 numbers is nearer than that to the middle between two float32 numbers without being it. Of zeros, infinities
// and NaN the product is the quotient.
__device__ inline float divided(float sum, float divisor, double reciprocal)
{
    const double guess = __dmul_rn(sum, reciprocal);
    const double quotient = __fma_rn(__fma_rn(-guess, divisor, sum), reciprocal, guess);
    const bool finite = fabsf(sum) <= 0x1.fffffep127f && fabs(reciprocal) <= 0x1.fffffffffffffp1023;
    return __double2float_rn(finite && sum != 0.0f && reciprocal != 0.0 ? quotient : guess);
}
