// The key of a number's magnitude: the bits without the sign, all NaN as one key above infinity, as trim/MagnitudeCut.java defines it.
#pragma once
#include <stdint.h>

__device__ inline int keyOf(float value)
{
    constexpr int kNaNKey = 0x7F800001;
    return min(__float_as_int(value) & 0x7FFFFFFF, kNaNKey);
}
