// Comparisons and what is made of their answers.
#pragma once

#include "formats.h"

namespace fusor::sim {

// Those that end in u also hold where an operand is NaN; lo, ls, hi and hs are lt, le, gt and ge of unsigned integers.
enum class Compare { eq, ne, lt, le, gt, ge, lo, ls, hi, hs, equ, neu, ltu, leu, gtu, geu, num, nan };
enum class Logic { and_, or_, xor_ };
enum class Property { finite, infinite, number, notanumber, normal, subnormal };

template <Compare C, class V> constexpr bool holds(V a, V b) {
    switch (C) {
        case Compare::eq: case Compare::equ: return a == b;
        case Compare::ne: case Compare::neu: return a != b;
        case Compare::lt: case Compare::lo: case Compare::ltu: return a < b;
        case Compare::le: case Compare::ls: case Compare::leu: return a <= b;
        case Compare::gt: case Compare::hi: case Compare::gtu: return a > b;
        case Compare::ge: case Compare::hs: case Compare::geu: return a >= b;
        case Compare::num: return true;
        case Compare::nan: return false;
    }
}

constexpr bool holdsForNan(Compare comparison) {
    return comparison >= Compare::equ && comparison != Compare::num;
}

template <class T, Compare C, bool Ftz = false> bool compare(typename BitsOf<T>::Type a, typename BitsOf<T>::Type b) {
    if constexpr (std::is_integral_v<T>) {
        return holds<C>(a, b);
    } else {
        if (isNan<T>(a) || isNan<T>(b)) {
            return holdsForNan(C);
        }
        return holds<C>(decode<T>(flushed<T, Ftz>(a)), decode<T>(flushed<T, Ftz>(b)));
    }
}

template <Logic L> constexpr bool combine(bool a, bool b) {
    return L == Logic::and_ ? a && b : L == Logic::or_ ? a || b : a != b;
}

template <Logic L = Logic::and_> void setPredicates(bool& first, bool& second, bool answer, bool with = true) {
    first = combine<L>(answer, with);
    second = combine<L>(!answer, with);
}

template <class T, Compare C, bool Ftz, Logic L = Logic::and_> void setBoth(bool& lower, bool& upper, u32 a, u32 b, bool with = true) {
    lower = combine<L>(compare<T, C, Ftz>(static_cast<u16>(a), static_cast<u16>(b)), with);
    upper = combine<L>(compare<T, C, Ftz>(static_cast<u16>(a >> 16), static_cast<u16>(b >> 16)), with);
}

// True as an integer has all bits set, and as a float it is one.
template <class T> constexpr typename BitsOf<T>::Type truth(bool answer) {
    if constexpr (std::is_integral_v<T>) {
        return static_cast<T>(answer ? -1 : 0);
    } else {
        return answer ? one<T> : typename T::Bits{0};
    }
}

template <class R, class T, Compare C, bool Ftz> u32 truthOfHalves(u32 a, u32 b) {
    const u32 lower = truth<R>(compare<T, C, Ftz>(static_cast<u16>(a), static_cast<u16>(b)));
    const u32 upper = truth<R>(compare<T, C, Ftz>(static_cast<u16>(a >> 16), static_cast<u16>(b >> 16)));
    return upper << 16 | lower;
}

template <Native T, Property P> constexpr bool testProperty(typename T::Bits a) {
    const auto magnitude = a & (T::sign - 1);
    switch (P) {
        case Property::finite: return magnitude < T::infinity;
        case Property::infinite: return magnitude == T::infinity;
        case Property::number: return !isNan<T>(a);
        case Property::notanumber: return isNan<T>(a);
        // The manual counts zeros as normal numbers.
        case Property::normal: return magnitude < T::infinity && !isSubnormal<T>(a);
        case Property::subnormal: return isSubnormal<T>(a);
    }
}

}  // namespace fusor::sim
