// Conversions between formats: cvt.
#pragma once

#include <algorithm>

#include "float.h"

namespace fusor::sim {

template <class D, class S, bool Sat> constexpr D convertWhole(S a) {
    if constexpr (Sat) {
        return static_cast<D>(std::clamp<s128>(a, std::numeric_limits<D>::min(), std::numeric_limits<D>::max()));
    }
    return static_cast<D>(a);
}

inline double wholeNear(double value, Round round) {
    switch (round) {
        case Round::rzi: return std::trunc(value);
        case Round::rmi: return std::floor(value);
        case Round::rpi: return std::ceil(value);
        default: return std::nearbyint(value);
    }
}

// Numbers beyond the range become its nearest end. The manual on NaN: zero, but the highest bit alone where either type has 64 bits.
template <class D, class S, Round R, bool Ftz = false> D convertToWhole(typename S::Bits a) {
    const double value = wholeNear(decode<S>(flushed<S, Ftz>(a)), R);
    if (std::isnan(value)) {
        constexpr bool wide = sizeof(D) == 8 || sizeof(typename S::Bits) == 8;
        return wide ? static_cast<D>(std::make_unsigned_t<D>{1} << (8 * sizeof(D) - 1)) : D{0};
    }
    constexpr double limit = 2.0 * static_cast<double>(u64{1} << (std::numeric_limits<D>::digits - 1));
    if (value >= limit) {
        return std::numeric_limits<D>::max();
    }
    return value <= static_cast<double>(std::numeric_limits<D>::min()) ? std::numeric_limits<D>::min() : static_cast<D>(value);
}

template <class D, class S, Round R, bool Sat> constexpr typename D::Bits convertFromWhole(S a) {
    const bool negative = a < 0;
    const u64 magnitude = negative ? 0 - static_cast<u64>(a) : static_cast<u64>(a);
    return saturated<D, Sat>(encode<D>(negative, magnitude, 0, R));
}

template <class D, class S, Round R, bool Ftz, bool Sat> typename D::Bits convertFloat(typename S::Bits a) {
    constexpr bool flushInput = Ftz && std::is_same_v<S, f32>;
    constexpr bool flushOutput = Ftz && std::is_same_v<D, f32>;
    const double value = decode<S>(flushed<S, flushInput>(a));
    if constexpr (std::is_same_v<D, f64>) {
        return saturated<f64, Sat>(std::bit_cast<u64>(value));
    } else {
        return saturated<D, Sat>(flushed<D, flushOutput>(encode<D>(value, R)));
    }
}

template <class F, Round R, bool Ftz, bool Sat> typename F::Bits roundToWhole(typename F::Bits a) {
    const double value = wholeNear(decode<F>(flushed<F, Ftz>(a)), R);
    if constexpr (std::is_same_v<F, f64>) {
        return saturated<f64, Sat>(std::bit_cast<u64>(value));
    } else {
        return saturated<F, Sat>(encode<F>(value, Round::rn));
    }
}

// .satfinite: what is beyond the largest number, infinities too, becomes that number; NaN stays NaN.
template <class D, Round R, bool Relu, bool SatFinite> typename D::Bits narrowedFrom(double value) {
    using Bits = typename D::Bits;
    Bits bits = encode<D>(value, R);
    if (SatFinite && !std::isnan(value) && static_cast<Bits>(bits & (D::sign - 1)) > D::largest) {
        bits = static_cast<Bits>((bits & D::sign) | D::largest);
    }
    return Relu ? rectifiedOne<D>(bits) : bits;
}

template <class D, Round R, bool Relu, bool SatFinite> typename D::Bits convertClamped(u32 a) {
    return narrowedFrom<D, R, Relu, SatFinite>(decode<f32>(a));
}

// a goes to the upper half.
template <class D, Round R, bool Relu, bool SatFinite> auto convertPair(u32 a, u32 b) {
    constexpr int width = 8 * sizeof(typename D::Bits);
    return static_cast<u32>(convertClamped<D, R, Relu, SatFinite>(a)) << width | convertClamped<D, R, Relu, SatFinite>(b);
}

// Two numbers of one format to two of another, each in its place.
template <class D, class S, bool Relu, bool SatFinite> u32 convertHalves(u32 a) {
    using Source = typename S::Bits;
    const auto upper = static_cast<Source>(a >> (8 * sizeof(Source)));
    const u32 first = narrowedFrom<D, Round::rn, Relu, SatFinite>(decode<S>(upper));
    return first << (8 * sizeof(typename D::Bits)) | narrowedFrom<D, Round::rn, Relu, SatFinite>(decode<S>(static_cast<Source>(a)));
}

// tf32 lies in the upper 19 bits of its register.
template <Round R, bool Relu, bool SatFinite> u32 convertTf32(u32 a) {
    if (isNan<f32>(a)) {
        return f32::nan;
    }
    return narrowedFrom<tf32, R, Relu, SatFinite>(decode<f32>(a)) << 13;
}

template <class D> constexpr u32 packSaturated(s32 a, s32 b, u32 c = 0) {
    constexpr int width = 8 * sizeof(D);
    const auto upper = static_cast<std::make_unsigned_t<D>>(convertWhole<D, s32, true>(a));
    const auto lower = static_cast<std::make_unsigned_t<D>>(convertWhole<D, s32, true>(b));
    const u32 both = static_cast<u32>(upper) << width | lower;
    return width == 16 ? both : c << 16 | both;
}

}  // namespace fusor::sim
