// Arithmetic of whole numbers, modulo 2^width unless a name says saturated.
#pragma once

#include <algorithm>

#include "formats.h"

namespace fusor::sim {

template <class T> using Wide = std::conditional_t<sizeof(T) == 8, std::conditional_t<std::is_signed_v<T>, s128, u128>,
                                                   std::conditional_t<std::is_signed_v<T>, s64, u64>>;

// U is unsigned: 16 bits are promoted to int by C++, hence the casts.
template <class U> constexpr U addLow(U a, U b) { return static_cast<U>(a + b); }
template <class U> constexpr U subtractLow(U a, U b) { return static_cast<U>(a - b); }
template <class U> constexpr U multiplyLow(U a, U b) { return static_cast<U>(static_cast<u64>(a) * b); }

template <class T> constexpr T multiplyHigh(T a, T b) {
    return static_cast<T>((static_cast<Wide<T>>(a) * b) >> (8 * sizeof(T)));
}
template <class T> constexpr auto multiplyWide(T a, T b) {
    const auto product = static_cast<Wide<T>>(a) * b;
    return static_cast<std::conditional_t<sizeof(T) == 2, u32, u64>>(product);
}

constexpr u32 saturatedTo32(s64 value) {
    return static_cast<u32>(static_cast<s32>(std::clamp<s64>(value, std::numeric_limits<s32>::min(), std::numeric_limits<s32>::max())));
}
constexpr u32 addSaturated(s32 a, s32 b) { return saturatedTo32(static_cast<s64>(a) + b); }
constexpr u32 subtractSaturated(s32 a, s32 b) { return saturatedTo32(static_cast<s64>(a) - b); }

// Of the lower 24 bits of either operand; the product has 48.
template <class T> constexpr s64 multiply24(T a, T b) {
    if constexpr (std::is_signed_v<T>) {
        return static_cast<s64>(static_cast<s32>(static_cast<u32>(a) << 8) >> 8) * (static_cast<s32>(static_cast<u32>(b) << 8) >> 8);
    }
    return static_cast<s64>(static_cast<u64>(a & 0xFFFFFF) * (b & 0xFFFFFF));
}

template <class T> constexpr std::make_unsigned_t<T> distance(T a, T b) {
    using U = std::make_unsigned_t<T>;
    return static_cast<U>(a < b ? static_cast<U>(b) - static_cast<U>(a) : static_cast<U>(a) - static_cast<U>(b));
}

// A quotient by zero is unspecified in the manual; devices give all ones, and the dividend as remainder.
template <class T>
    requires std::is_integral_v<T>
constexpr T divide(T a, T b) {
    if (b == 0) {
        return static_cast<T>(-1);
    }
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) {
        return static_cast<T>(0 - static_cast<std::make_unsigned_t<T>>(a));
    }
    return static_cast<T>(a / b);
}
template <class T> constexpr T remainder(T a, T b) {
    if (b == 0) {
        return a;
    }
    return std::is_signed_v<T> && b == static_cast<T>(-1) ? T{0} : static_cast<T>(a % b);
}

// The most negative number stays itself.
template <class T>
    requires std::is_integral_v<T>
constexpr T magnitude(T a) {
    return a < 0 ? static_cast<T>(0 - static_cast<std::make_unsigned_t<T>>(a)) : a;
}
template <class T> constexpr T smaller(T a, T b) { return a < b ? a : b; }
template <class T> constexpr T larger(T a, T b) { return a > b ? a : b; }

// carryOut may be the same variable as carryIn came from.
template <class U> constexpr U addWithCarry(U a, U b, bool carryIn, bool& carryOut) {
    const u128 sum = static_cast<u128>(a) + b + (carryIn ? 1 : 0);
    carryOut = (sum >> (8 * sizeof(U))) != 0;
    return static_cast<U>(sum);
}
template <class U> constexpr U subtractWithBorrow(U a, U b, bool borrowIn, bool& borrowOut) {
    const u128 taken = static_cast<u128>(b) + (borrowIn ? 1 : 0);
    borrowOut = taken > a;
    return static_cast<U>(a - static_cast<U>(taken));
}

// Sums of products of bytes with bytes, or of halves with bytes; the sum wraps.
template <class T, class U> constexpr u32 dotProduct4(u32 a, u32 b, u32 c) {
    using A = std::conditional_t<std::is_signed_v<T>, s8, u8>;
    using B = std::conditional_t<std::is_signed_v<U>, s8, u8>;
    for (int i = 0; i < 4; i++) {
        c += static_cast<u32>(static_cast<A>(a >> (8 * i)) * static_cast<B>(b >> (8 * i)));
    }
    return c;
}
template <class T, class U> constexpr u32 dotProduct2(u32 a, u32 b, u32 c) {
    using A = std::conditional_t<std::is_signed_v<T>, s16, u16>;
    using B = std::conditional_t<std::is_signed_v<U>, s8, u8>;
    for (int i = 0; i < 2; i++) {
        c += static_cast<u32>(static_cast<A>(a >> (16 * i)) * static_cast<B>(b >> (8 * i)));
    }
    return c;
}

}  // namespace fusor::sim
