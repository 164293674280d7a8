// Floating point arithmetic. Every operation rounds once, in the direction it names; a result that is NaN is the canonical one in
// 32 and 16 bits and some NaN in 64. Approximations keep the error bounds of the manual, not the bits of any hardware.
#pragma once

#include <utility>

#include "formats.h"

namespace fusor::sim {

constexpr int hostRounding(Round round) {
    switch (round) {
        case Round::rz: return FE_TOWARDZERO;
        case Round::rm: return FE_DOWNWARD;
        case Round::rp: return FE_UPWARD;
        default: return FE_TONEAREST;
    }
}

// Computes in the host's floating point under a direction of rounding. Operands and result are volatile there, so that the compiler
// neither folds the operation nor moves it out from between the two changes of direction.
template <Round R, class Operation, class Host, class... More> Host computed(Operation operation, Host first, More... more) {
    if constexpr (hostRounding(R) == FE_TONEAREST) {
        return operation(first, more...);
    } else {
        volatile Host hidden[] = {first, more...};
        const int before = std::fegetround();
        std::fesetround(hostRounding(R));
        volatile Host result = [&]<std::size_t... I>(std::index_sequence<I...>) {
            return operation(static_cast<Host>(hidden[I])...);
        }(std::make_index_sequence<1 + sizeof...(More)>());
        std::fesetround(before);
        return result;
    }
}

template <Native F, bool Ftz> typename F::Host input(typename F::Bits bits) {
    return std::bit_cast<typename F::Host>(flushed<F, Ftz>(bits));
}

template <Native F, bool Ftz, bool Sat> typename F::Bits output(typename F::Host value) {
    if (F::precision == 24 && value != value) {
        return Sat ? 0 : F::nan;
    }
    return saturated<F, Sat>(flushed<F, Ftz>(std::bit_cast<typename F::Bits>(value)));
}

// Applies an operation on halves to both of two (or three) pairs.
template <class Operation> u32 eachHalf(u32 a, u32 b, Operation operation) {
    const auto lower = static_cast<u16>(operation(static_cast<u16>(a), static_cast<u16>(b)));
    const auto upper = static_cast<u16>(operation(static_cast<u16>(a >> 16), static_cast<u16>(b >> 16)));
    return static_cast<u32>(upper) << 16 | lower;
}
template <class Operation> u32 eachHalf(u32 a, u32 b, u32 c, Operation operation) {
    const u16 lower = operation(static_cast<u16>(a), static_cast<u16>(b), static_cast<u16>(c));
    const u16 upper = operation(static_cast<u16>(a >> 16), static_cast<u16>(b >> 16), static_cast<u16>(c >> 16));
    return static_cast<u32>(upper) << 16 | lower;
}
template <class Operation> u32 eachHalf(u32 a, Operation operation) {
    return static_cast<u32>(operation(static_cast<u16>(a >> 16))) << 16 | operation(static_cast<u16>(a));
}
template <class Operation> u64 eachFloat(u64 a, u64 b, Operation operation) {
    return static_cast<u64>(operation(static_cast<u32>(a >> 32), static_cast<u32>(b >> 32))) << 32 |
           operation(static_cast<u32>(a), static_cast<u32>(b));
}
template <class Operation> u64 eachFloat(u64 a, u64 b, u64 c, Operation operation) {
    return static_cast<u64>(operation(static_cast<u32>(a >> 32), static_cast<u32>(b >> 32), static_cast<u32>(c >> 32))) << 32 |
           operation(static_cast<u32>(a), static_cast<u32>(b), static_cast<u32>(c));
}

// The result in 16 bits of an exact value, or of one rounded to odd.
template <class F, bool Ftz, bool Sat> typename F::Bits narrowed(double value) {
    return saturated<F, Sat>(flushed<F, Ftz>(encode<F>(value, Round::rn)));
}
template <class F, bool Ftz> double widened(typename F::Bits bits) {
    return decode<F>(flushed<F, Ftz>(bits));
}

template <class T, Round R = Round::rn, bool Ftz = false, bool Sat = false> typename T::Bits add(typename T::Bits a, typename T::Bits b) {
    if constexpr (Paired<T>) {
        return eachHalf(a, b, add<typename T::Element, R, Ftz, Sat>);
    } else if constexpr (Native<T>) {
        return output<T, Ftz, Sat>(computed<R>([](auto x, auto y) { return x + y; }, input<T, Ftz>(a), input<T, Ftz>(b)));
    } else {
        return narrowed<T, Ftz, Sat>(sumToOdd(widened<T, Ftz>(a), widened<T, Ftz>(b)));
    }
}

template <class T, Round R = Round::rn, bool Ftz = false, bool Sat = false>
typename T::Bits subtract(typename T::Bits a, typename T::Bits b) {
    if constexpr (Paired<T>) {
        return eachHalf(a, b, subtract<typename T::Element, R, Ftz, Sat>);
    } else if constexpr (Native<T>) {
        return output<T, Ftz, Sat>(computed<R>([](auto x, auto y) { return x - y; }, input<T, Ftz>(a), input<T, Ftz>(b)));
    } else {
        return narrowed<T, Ftz, Sat>(sumToOdd(widened<T, Ftz>(a), -widened<T, Ftz>(b)));
    }
}

template <class T, Round R = Round::rn, bool Ftz = false, bool Sat = false>
typename T::Bits multiply(typename T::Bits a, typename T::Bits b) {
    if constexpr (Paired<T>) {
        return eachHalf(a, b, multiply<typename T::Element, R, Ftz, Sat>);
    } else if constexpr (Native<T>) {
        return output<T, Ftz, Sat>(computed<R>([](auto x, auto y) { return x * y; }, input<T, Ftz>(a), input<T, Ftz>(b)));
    } else {
        return narrowed<T, Ftz, Sat>(widened<T, Ftz>(a) * widened<T, Ftz>(b));  // the product of two halves is exact
    }
}

template <class T, Round R = Round::rn, bool Ftz = false, bool Sat = false>
typename T::Bits fusedMultiplyAdd(typename T::Bits a, typename T::Bits b, typename T::Bits c) {
    if constexpr (Paired<T>) {
        return eachHalf(a, b, c, fusedMultiplyAdd<typename T::Element, R, Ftz, Sat>);
    } else if constexpr (Native<T>) {
        return output<T, Ftz, Sat>(computed<R>([](auto x, auto y, auto z) { return std::fma(x, y, z); }, input<T, Ftz>(a),
                                               input<T, Ftz>(b), input<T, Ftz>(c)));
    } else {
        return narrowed<T, Ftz, Sat>(sumToOdd(widened<T, Ftz>(a) * widened<T, Ftz>(b), widened<T, Ftz>(c)));
    }
}

template <Native T, Round R = Round::rn, bool Ftz = false> typename T::Bits divide(typename T::Bits a, typename T::Bits b) {
    return output<T, Ftz, false>(computed<R>([](auto x, auto y) { return x / y; }, input<T, Ftz>(a), input<T, Ftz>(b)));
}

template <Native T, Round R = Round::rn, bool Ftz = false> typename T::Bits squareRoot(typename T::Bits a) {
    return output<T, Ftz, false>(computed<R>([](auto x) { return std::sqrt(x); }, input<T, Ftz>(a)));
}

template <class T> typename T::Bits rectified(typename T::Bits a) {
    if constexpr (Paired<T>) {
        return eachHalf(a, rectifiedOne<typename T::Element>);
    } else {
        return rectifiedOne<T>(a);
    }
}

template <class T, bool Ftz> typename T::Bits magnitude(typename T::Bits a) {
    if constexpr (Paired<T>) {
        return eachHalf(a, magnitude<typename T::Element, Ftz>);
    } else {
        if (T::precision != 53 && isNan<T>(a)) {
            return T::nan;
        }
        return static_cast<typename T::Bits>(flushed<T, Ftz>(a) & (T::sign - 1));
    }
}

template <class T, bool Ftz> typename T::Bits negate(typename T::Bits a) {
    if constexpr (Paired<T>) {
        return eachHalf(a, negate<typename T::Element, Ftz>);
    } else {
        if (T::precision != 53 && isNan<T>(a)) {
            return T::nan;
        }
        return static_cast<typename T::Bits>(flushed<T, Ftz>(a) ^ T::sign);
    }
}

template <Native T> typename T::Bits copySign(typename T::Bits signOf, typename T::Bits magnitudeOf) {
    return (signOf & T::sign) | (magnitudeOf & (T::sign - 1));
}

// Orders numbers as unsigned integers, the negative zero below the positive.
template <class T> constexpr typename T::Bits orderKey(typename T::Bits bits) {
    return static_cast<typename T::Bits>((bits & T::sign) != 0 ? ~bits : bits | T::sign);
}

// .NaN gives NaN where either is, otherwise the one that is a number; .xorsign.abs compares magnitudes and multiplies signs.
template <class T, bool Ftz, bool Nan, bool Xorsign, bool Larger> typename T::Bits extreme(typename T::Bits a, typename T::Bits b) {
    if constexpr (Paired<T>) {
        return eachHalf(a, b, extreme<typename T::Element, Ftz, Nan, Xorsign, Larger>);
    } else {
        using Bits = typename T::Bits;
        Bits x = flushed<T, Ftz>(a);
        Bits y = flushed<T, Ftz>(b);
        const Bits signs = Xorsign ? static_cast<Bits>((x ^ y) & T::sign) : Bits{0};
        if constexpr (Xorsign) {
            x = static_cast<Bits>(x & (T::sign - 1));
            y = static_cast<Bits>(y & (T::sign - 1));
        }
        if ((isNan<T>(x) && isNan<T>(y)) || (Nan && (isNan<T>(x) || isNan<T>(y)))) {
            return T::nan;
        }
        const bool second = isNan<T>(x) || (!isNan<T>(y) && (orderKey<T>(y) > orderKey<T>(x)) == Larger);
        return static_cast<Bits>((second ? y : x) | signs);
    }
}
template <class T, bool Ftz = false, bool Nan = false, bool Xorsign = false>
typename T::Bits minimum(typename T::Bits a, typename T::Bits b) {
    return extreme<T, Ftz, Nan, Xorsign, false>(a, b);
}
template <class T, bool Ftz = false, bool Nan = false, bool Xorsign = false>
typename T::Bits maximum(typename T::Bits a, typename T::Bits b) {
    return extreme<T, Ftz, Nan, Xorsign, true>(a, b);
}

template <class T, bool Ftz, bool Nan, bool Abs, bool Larger>
typename T::Bits extreme3(typename T::Bits a, typename T::Bits b, typename T::Bits c) {
    constexpr typename T::Bits mask = Abs ? T::sign - 1 : static_cast<typename T::Bits>(~typename T::Bits{0});
    return extreme<T, Ftz, Nan, false, Larger>(extreme<T, Ftz, Nan, false, Larger>(a & mask, b & mask), c & mask);
}
template <class T, bool Ftz, bool Nan, bool Abs> typename T::Bits minimum3(typename T::Bits a, typename T::Bits b, typename T::Bits c) {
    return extreme3<T, Ftz, Nan, Abs, false>(a, b, c);
}
template <class T, bool Ftz, bool Nan, bool Abs> typename T::Bits maximum3(typename T::Bits a, typename T::Bits b, typename T::Bits c) {
    return extreme3<T, Ftz, Nan, Abs, true>(a, b, c);
}

// --- Approximations, computed in double.
inline double reciprocalRoot(double x) { return 1 / std::sqrt(x); }
inline double sine(double x) { return std::sin(x); }
inline double cosine(double x) { return std::cos(x); }
inline double logarithm2(double x) { return std::log2(x); }
inline double exponential2(double x) { return std::exp2(x); }
inline double hyperbolicTangent(double x) { return std::tanh(x); }

template <bool Ftz> u32 approximate(u32 a, double (*function)(double)) {
    return output<f32, Ftz, false>(static_cast<float>(function(input<f32, Ftz>(a))));
}
template <class T, bool Ftz> typename T::Bits approximateHalf(typename T::Bits a, double (*function)(double)) {
    if constexpr (Paired<T>) {
        return eachHalf(a, [function](u16 half) { return approximateHalf<typename T::Element, Ftz>(half, function); });
    } else {
        return narrowed<T, Ftz, false>(function(widened<T, Ftz>(a)));
    }
}
template <bool Ftz> u32 divideApproximately(u32 a, u32 b) {
    return divide<f32, Round::rn, Ftz>(a, b);
}

// The manual: from the upper half of the operand, to the upper half of the result.
constexpr u64 kUpperHalf = 0xFFFFFFFF00000000;
inline u64 coarseReciprocal(u64 a) {
    const u64 result = std::bit_cast<u64>(1 / input<f64, true>(a & kUpperHalf));
    return flushed<f64, true>(result) & kUpperHalf;
}
inline u64 reciprocalRoot64(u64 a) { return std::bit_cast<u64>(reciprocalRoot(std::bit_cast<double>(a))); }
inline u64 coarseReciprocalRoot(u64 a) { return reciprocalRoot64(flushed<f64, true>(a & kUpperHalf)) & kUpperHalf; }

}  // namespace fusor::sim
