// Shifts, fields, masks and permutations of bits.
#pragma once

#include <algorithm>

#include "formats.h"

namespace fusor::sim {

// What an amount of 32 or more means: .clamp stops at 32, .wrap takes it modulo 32.
enum class Overrun { clamp, wrap };
enum class Permute { f4e, b4e, rc8, ecl, ecr, rc16 };

template <class U> constexpr U shiftLeft(U a, u32 amount) {
    return amount < 8 * sizeof(U) ? static_cast<U>(static_cast<u64>(a) << amount) : U{0};
}
template <class T> constexpr T shiftRight(T a, u32 amount) {
    constexpr u32 width = 8 * sizeof(T);
    if constexpr (std::is_signed_v<T>) {
        return static_cast<T>(a >> std::min(amount, width - 1));
    }
    return amount < width ? static_cast<T>(a >> amount) : T{0};
}

constexpr u32 shiftAmount(Overrun mode, u32 amount) {
    return mode == Overrun::wrap ? amount & 31 : std::min(amount, 32u);
}
// b is the upper word of the pair that is shifted.
template <Overrun M> constexpr u32 funnelLeft(u32 a, u32 b, u32 amount) {
    return static_cast<u32>(((static_cast<u64>(b) << 32 | a) << shiftAmount(M, amount)) >> 32);
}
template <Overrun M> constexpr u32 funnelRight(u32 a, u32 b, u32 amount) {
    return static_cast<u32>((static_cast<u64>(b) << 32 | a) >> shiftAmount(M, amount));
}

// Bit (4a + 2b + c) of the table is the result for bits a, b, c.
constexpr u32 anyLogic(u32 a, u32 b, u32 c, u32 table) {
    u32 result = 0;
    for (u32 row = 0; row < 8; row++) {
        const u32 matches = ((row & 4) != 0 ? a : ~a) & ((row & 2) != 0 ? b : ~b) & ((row & 1) != 0 ? c : ~c);
        result |= (table >> row & 1) != 0 ? matches : 0;
    }
    return result;
}

template <class U> constexpr U reverseBits(U a) {
    U result = 0;
    for (u32 i = 0; i < 8 * sizeof(U); i++) {
        result = static_cast<U>(result << 1 | (a >> i & 1));
    }
    return result;
}

// The position of the highest bit that is not the sign, or all ones.
template <class T> constexpr u32 highestBit(std::make_unsigned_t<T> a) {
    const bool negative = std::is_signed_v<T> && static_cast<T>(a) < 0;
    return static_cast<u32>(std::bit_width(negative ? static_cast<std::make_unsigned_t<T>>(~a) : a)) - 1;
}
template <class T> constexpr u32 highestBitShift(std::make_unsigned_t<T> a) {
    const u32 position = highestBit<T>(a);
    return position == ~0u ? position : static_cast<u32>(8 * sizeof(T) - 1) - position;
}

constexpr u32 findNthSet(u32 mask, u32 base, s32 offset) {
    const s32 step = offset < 0 ? -1 : 1;
    s64 left = offset == 0 ? 0 : (offset < 0 ? -static_cast<s64>(offset) : offset) - 1;
    for (s64 position = base; position >= 0 && position < 32; position += step) {
        if ((mask >> position & 1) != 0 && left-- == 0) {
            return static_cast<u32>(position);
        }
        if (offset == 0) {
            break;
        }
    }
    return ~0u;
}

// Position and length count modulo 256; a signed field is extended by its highest bit that exists.
template <class T> constexpr T extractField(T a, u32 b, u32 c) {
    using U = std::make_unsigned_t<T>;
    constexpr u32 width = 8 * sizeof(T);
    const u32 position = b & 0xFF;
    const u32 length = c & 0xFF;
    if (length == 0) {
        return 0;
    }
    const u32 last = std::min(position + length, width) - 1;
    const U fill = std::is_signed_v<T> && (static_cast<U>(a) >> last & 1) != 0 ? static_cast<U>(~U{0}) : U{0};
    const U field = position < width ? static_cast<U>(static_cast<U>(a) >> position) : U{0};
    const u32 count = position < width ? std::min(length, width - position) : 0;
    const U mask = count < width ? static_cast<U>((U{1} << count) - 1) : static_cast<U>(~U{0});
    return static_cast<T>((field & mask) | (fill & ~mask));
}
template <class U> constexpr U insertField(U a, U b, u32 c, u32 d) {
    constexpr u32 width = 8 * sizeof(U);
    const u32 position = c & 0xFF;
    const u32 length = d & 0xFF;
    if (position >= width || length == 0) {
        return b;
    }
    const U ones = length < width ? static_cast<U>((U{1} << length) - 1) : static_cast<U>(~U{0});
    const U mask = static_cast<U>(ones << position);
    return static_cast<U>((b & ~mask) | (static_cast<U>(a << position) & mask));
}

template <Overrun M> constexpr u32 bitMask(u32 position, u32 length) {
    if (M == Overrun::clamp && position >= 32) {
        return 0;
    }
    const u32 start = position & 31;
    const u32 end = start + (length & 31);
    const bool toTheTop = end >= 32 || (M == Overrun::clamp && length >= 32);
    return (~0u << start) & (toTheTop ? ~0u : ~(~0u << end));
}
template <class T, Overrun M> constexpr u32 extendFrom(u32 a, u32 position) {
    if (M == Overrun::clamp && position >= 32) {
        return a;
    }
    const u32 kept = position & 31;
    const u32 mask = ~0u << kept;
    const bool negative = std::is_signed_v<T> && kept != 0 && (a >> (kept - 1) & 1) != 0;
    return (a & ~mask) | (negative ? mask : 0);
}

// Each digit of the selector picks a byte of b:a, its highest bit that byte's sign instead.
constexpr u32 permute(u32 a, u32 b, u32 selector) {
    const u64 bytes = static_cast<u64>(b) << 32 | a;
    u32 result = 0;
    for (u32 i = 0; i < 4; i++) {
        const u32 digit = selector >> (4 * i);
        const u32 byte = static_cast<u32>(bytes >> (8 * (digit & 7))) & 0xFF;
        result |= ((digit & 8) == 0 ? byte : (byte & 0x80) != 0 ? 0xFF : 0) << (8 * i);
    }
    return result;
}
// The selector that a mode makes of the lower two bits of its operand: the table of the manual.
constexpr u32 permuteSelector(Permute mode, u32 c) {
    constexpr u32 selectors[6][4] = {{0x3210, 0x4321, 0x5432, 0x6543}, {0x5670, 0x6701, 0x7012, 0x0123},
                                     {0x0000, 0x1111, 0x2222, 0x3333}, {0x3210, 0x3211, 0x3222, 0x3333},
                                     {0x0000, 0x1110, 0x2210, 0x3210}, {0x1010, 0x3232, 0x1010, 0x3232}};
    return selectors[static_cast<int>(mode)][c & 3];
}

// The first element is the lowest part.
template <class U, class E, std::size_t N> constexpr U packed(const std::array<E, N>& elements) {
    U result = 0;
    for (std::size_t i = N; i-- > 0;) {
        result = static_cast<U>(result << (8 * sizeof(E)) | elements[i]);
    }
    return result;
}
template <class E, int N, class U> constexpr std::array<E, N> unpacked(U value) {
    std::array<E, N> elements{};
    for (int i = 0; i < N; i++) {
        elements[i] = static_cast<E>(value >> (8 * sizeof(E) * i));
    }
    return elements;
}

}  // namespace fusor::sim
