// The types of PTX, what values their bits stand for, and the rounding of a value to bits.
#pragma once

#include <array>
#include <bit>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace fusor::sim {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using s8 = std::int8_t;
using s16 = std::int16_t;
using s32 = std::int32_t;
using s64 = std::int64_t;
__extension__ using u128 = unsigned __int128;
__extension__ using s128 = __int128;

// As PTX writes them: to nearest even, to zero, down, up; to nearest with ties away from zero; the second row to whole numbers.
enum class Round { none, rn, rz, rm, rp, rna, rni, rzi, rmi, rpi };

// A binary floating point format: precision counts the leading bit, which is not stored; all bits without the sign.
template <class B, int Precision, int MinimumExponent, u64 Largest, u64 Infinity, u64 Nan> struct Format {
    using Bits = B;
    static constexpr bool isPair = false;
    static constexpr int precision = Precision;
    static constexpr int minimumExponent = MinimumExponent;
    static constexpr Bits largest = static_cast<Bits>(Largest);
    static constexpr Bits infinity = static_cast<Bits>(Infinity);
    static constexpr Bits nan = static_cast<Bits>(Nan);  // the one that results have
};

struct f16 : Format<u16, 11, -14, 0x7BFF, 0x7C00, 0x7FFF> {
    static constexpr u16 sign = 0x8000;
};
struct bf16 : Format<u16, 8, -126, 0x7F7F, 0x7F80, 0x7FFF> {
    static constexpr u16 sign = 0x8000;
};
struct tf32 : Format<u32, 11, -126, 0x3FBFF, 0x3FC00, 0x3FFFF> {
    static constexpr u32 sign = 0x40000;
};
struct e5m2 : Format<u8, 3, -14, 0x7B, 0x7C, 0x7F> {
    static constexpr u8 sign = 0x80;
};
// Has no infinity: what overflows is its NaN.
struct e4m3 : Format<u8, 4, -6, 0x7E, 0x7F, 0x7F> {
    static constexpr u8 sign = 0x80;
};
struct f32 : Format<u32, 24, -126, 0x7F7FFFFF, 0x7F800000, 0x7FFFFFFF> {
    using Host = float;
    static constexpr u32 sign = 0x80000000;
};
struct f64 : Format<u64, 53, -1022, 0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000, 0x7FF8000000000000> {
    using Host = double;
    static constexpr u64 sign = 0x8000000000000000;
};

template <class E, class B> struct Pair {
    using Element = E;
    using Bits = B;
    static constexpr bool isPair = true;
};
struct f16x2 : Pair<f16, u32> {};
struct bf16x2 : Pair<bf16, u32> {};
struct e4m3x2 : Pair<e4m3, u16> {};
struct e5m2x2 : Pair<e5m2, u16> {};

template <class T> concept Native = requires { typename T::Host; };
template <class T> concept Paired = T::isPair;

// Registers hold integers as themselves and everything else as bits.
template <class T> struct BitsOf {
    using Type = typename T::Bits;
};
template <class T>
    requires std::is_integral_v<T>
struct BitsOf<T> {
    using Type = T;
};

template <class F> constexpr bool isNan(typename F::Bits bits) {
    const auto magnitude = static_cast<typename F::Bits>(bits & (F::sign - 1));
    return magnitude > F::infinity || (F::infinity == F::nan && magnitude == F::nan);
}

template <class F> constexpr bool isSubnormal(typename F::Bits bits) {
    const auto magnitude = static_cast<typename F::Bits>(bits & (F::sign - 1));
    return magnitude != 0 && magnitude >> (F::precision - 1) == 0;
}

// .ftz: subnormal numbers count as zeros of their sign.
template <class F, bool Ftz> constexpr typename F::Bits flushed(typename F::Bits bits) {
    if constexpr (Ftz) {
        return isSubnormal<F>(bits) ? static_cast<typename F::Bits>(bits & F::sign) : bits;
    }
    return bits;
}

// .sat: to 0..1, and NaN to 0.
template <class F, bool Sat> constexpr typename F::Bits saturated(typename F::Bits bits) {
    if constexpr (Sat) {
        constexpr auto one = static_cast<typename F::Bits>((F::infinity >> 1) & ~((typename F::Bits{1} << (F::precision - 1)) - 1));
        if (isNan<F>(bits) || (bits & F::sign) != 0) {
            return 0;
        }
        return bits > one ? one : bits;
    }
    return bits;
}

template <class F> inline constexpr auto one = saturated<F, true>(F::infinity);

// .relu: negative numbers, and the negative zero, to zero.
template <class F> constexpr typename F::Bits rectifiedOne(typename F::Bits bits) {
    return !isNan<F>(bits) && (bits & F::sign) != 0 ? 0 : bits;
}

// The value of the bits; exact, since no format is wider than double.
template <class F> inline double decode(typename F::Bits bits) {
    if constexpr (Native<F>) {
        return std::bit_cast<typename F::Host>(bits);
    } else {
        const u64 magnitude = bits & (F::sign - 1);
        const u64 negative = (bits & F::sign) != 0 ? f64::sign : 0;
        if (isNan<F>(bits)) {
            return std::bit_cast<double>(f64::nan | negative);
        }
        if (magnitude == F::infinity) {
            return std::bit_cast<double>(f64::infinity | negative);
        }
        const u64 field = magnitude >> (F::precision - 1);
        const u64 fraction = magnitude & ((u64{1} << (F::precision - 1)) - 1);
        if (field == 0) {
            constexpr double quantum = std::bit_cast<double>(static_cast<u64>(F::minimumExponent - F::precision + 1 + 1023) << 52);
            return std::bit_cast<double>(std::bit_cast<u64>(static_cast<double>(fraction) * quantum) | negative);
        }
        const u64 exponent = field + static_cast<u64>(F::minimumExponent + 1022);
        return std::bit_cast<double>(negative | exponent << 52 | fraction << (53 - F::precision));
    }
}

constexpr bool roundsUp(Round round, bool negative, bool odd, bool aboveHalf, bool half, bool inexact) {
    switch (round) {
        case Round::rz: return false;
        case Round::rm: return negative && inexact;
        case Round::rp: return !negative && inexact;
        case Round::rna: return aboveHalf || half;
        default: return aboveHalf || (half && odd);
    }
}

// What a number too large becomes: directed roundings stop at the largest finite one.
template <class F> constexpr typename F::Bits overflow(Round round, bool negative) {
    const bool away = round == Round::rp ? !negative : round == Round::rm ? negative : round != Round::rz;
    return away ? F::infinity : F::largest;
}

// magnitude * 2^exponent with a sign, rounded once.
template <class F> constexpr typename F::Bits encode(bool negative, u64 magnitude, int exponent, Round round) {
    using Bits = typename F::Bits;
    const Bits sign = negative ? F::sign : Bits{0};
    if (magnitude == 0) {
        return sign;
    }
    const int leading = exponent + static_cast<int>(std::bit_width(magnitude)) - 1;
    const int quantum = (leading > F::minimumExponent ? leading : F::minimumExponent) - (F::precision - 1);
    const int shift = quantum - exponent;
    u64 kept = 0;
    if (shift <= 0) {
        kept = magnitude << -shift;
    } else {
        const u64 rest = shift < 64 ? magnitude & ((u64{1} << shift) - 1) : magnitude;
        const u64 half = shift <= 64 ? u64{1} << (shift - 1) : 0;
        kept = shift < 64 ? magnitude >> shift : 0;
        kept += roundsUp(round, negative, (kept & 1) != 0, half != 0 && rest > half, half != 0 && rest == half, rest != 0) ? 1 : 0;
    }
    // A carry out of the significand lands in the exponent, as it should.
    const auto above = static_cast<u64>(quantum + F::precision - 1 - F::minimumExponent);
    const u64 bits = (above << (F::precision - 1)) + kept;
    return static_cast<Bits>(sign | (bits > F::largest ? overflow<F>(round, negative) : static_cast<Bits>(bits)));
}

// The value rounded once; NaN becomes the format's own.
template <class F> inline typename F::Bits encode(double value, Round round) {
    const u64 bits = std::bit_cast<u64>(value);
    const bool negative = (bits & f64::sign) != 0;
    const u64 magnitude = bits & (f64::sign - 1);
    if (magnitude > f64::infinity) {
        return F::nan;
    }
    if (magnitude == f64::infinity) {
        return static_cast<typename F::Bits>(F::infinity | (negative ? F::sign : 0));
    }
    // Most numbers are normal in both formats and rounded to nearest: then a carry does it all.
    constexpr int dropped = 53 - F::precision;
    constexpr u64 rebias = static_cast<u64>(1022 + F::minimumExponent) << 52;
    if constexpr (dropped > 0) {
        if (round == Round::rn && magnitude >= rebias + (u64{1} << 52)) {
            const u64 moved = magnitude - rebias;
            const u64 rounded = (moved + ((u64{1} << (dropped - 1)) - 1) + (moved >> dropped & 1)) >> dropped;
            if (rounded <= F::largest) {
                return static_cast<typename F::Bits>(rounded | (negative ? F::sign : 0));
            }
        }
    }
    const int field = static_cast<int>(magnitude >> 52);
    const u64 fraction = magnitude & ((u64{1} << 52) - 1);
    return field == 0 ? encode<F>(negative, fraction, -1074, round) : encode<F>(negative, fraction | u64{1} << 52, field - 1075, round);
}

// x + y where bits beyond the 53 of double only leave a mark in the last one (rounding to odd), so that rounding the result once more
// to a format of at most 51 bits gives what rounding the exact sum gives.
inline double sumToOdd(double x, double y) {
    const double sum = x + y;
    const double yTaken = sum - x;
    const double error = (x - (sum - yTaken)) + (y - yTaken);
    const u64 bits = std::bit_cast<u64>(sum);
    if (error == 0 || std::isnan(error) || (bits & 1) != 0) {
        return sum;
    }
    return std::bit_cast<double>((error > 0) == (sum > 0) ? bits + 1 : bits - 1);
}

}  // namespace fusor::sim
