// Instructions made of several calls of machine.h: atomics, reductions over a warp, and matrices held by a warp.
#pragma once

#include <string>

#include "instructions.h"
#include "machine.h"
#include "parameters.h"

namespace fusor::sim {

// --- Vectors whose elements are ordered one by one.
template <Space S, class T, int N> std::array<T, N> loadEach(Thread& thread, u64 address, Order order, Scope scope, const Site& site) {
    std::array<T, N> values;
    for (int i = 0; i < N; i++) {
        values[i] = loadOrdered<S, T>(thread, address + i * sizeof(T), order, scope, site);
    }
    return values;
}
template <Space S, class T, int N>
void storeEach(Thread& thread, u64 address, const std::array<T, N>& values, Order order, Scope scope, const Site& site) {
    for (int i = 0; i < N; i++) {
        storeOrdered<S, T>(thread, address + i * sizeof(T), values[i], order, scope, site);
    }
}

// --- Atomics
enum class Update { and_, or_, xor_, exch, add, min, max, inc, dec };

template <class T, Update U> constexpr auto updated(T old, T value) {
    switch (U) {
        case Update::and_: return static_cast<T>(old & value);
        case Update::or_: return static_cast<T>(old | value);
        case Update::xor_: return static_cast<T>(old ^ value);
        case Update::exch: return value;
        case Update::add: return static_cast<T>(static_cast<u64>(old) + static_cast<u64>(value));
        case Update::min: return old < value ? old : value;
        case Update::max: return old > value ? old : value;
        case Update::inc: return static_cast<T>(old >= value ? 0 : old + 1);
        case Update::dec: return static_cast<T>(old == 0 || old > value ? value : old - 1);
    }
}

template <Space S, class T, Update U>
auto atomicUpdate(Thread& thread, u64 address, T value, Order order, Scope scope, const Site& site) {
    if constexpr (std::is_signed_v<T>) {
        using Bits = std::make_unsigned_t<T>;
        return atomic<S, Bits>(thread, address, order, scope,
                               [value](Bits old) { return static_cast<Bits>(updated<T, U>(static_cast<T>(old), value)); }, site);
    } else {
        return atomic<S, T>(thread, address, order, scope, [value](T old) { return updated<T, U>(old, value); }, site);
    }
}

// Floats in global memory: f32 flushes subnormal numbers there, and keeps them in shared memory.
template <Space S, class F>
typename F::Bits atomicAdd(Thread& thread, u64 address, typename F::Bits value, Order order, Scope scope, const Site& site) {
    bool flushes = std::is_same_v<F, f32> && (S == Space::Global || S == Space::Generic);
    if (S == Space::Generic && flushes) {
        flushes = !isInSpace<Space::SharedCluster>(thread, address) && !isInSpace<Space::SharedCta>(thread, address);
    }
    return atomic<S, typename F::Bits>(thread, address, order, scope, [value, flushes](typename F::Bits old) {
        if constexpr (std::is_same_v<F, f32>) {
            return flushes ? add<f32, Round::rn, true>(old, value) : add<f32>(old, value);
        } else {
            return add<F>(old, value);
        }
    }, site);
}

template <Space S, class T>
T atomicCompareAndSwap(Thread& thread, u64 address, T expected, T value, Order order, Scope scope, const Site& site) {
    return atomic<S, T>(thread, address, order, scope, [expected, value](T old) { return old == expected ? value : old; }, site);
}

// --- redux
enum class Reduce { add, min, max, and_, or_, xor_ };

template <class T, Reduce R> constexpr T reducedPair(T a, T b) {
    switch (R) {
        case Reduce::add: return static_cast<T>(static_cast<u32>(a) + static_cast<u32>(b));
        case Reduce::min: return a < b ? a : b;
        case Reduce::max: return a > b ? a : b;
        case Reduce::and_: return a & b;
        case Reduce::or_: return a | b;
        case Reduce::xor_: return a ^ b;
    }
}

template <class Operation> u32 reduceLanes(Thread& thread, u32 value, u32 mask, Operation operation, const Site& site) {
    const u32* words = exchange(thread, mask, &value, 1, site);
    u32 lane = static_cast<u32>(std::countr_zero(mask));
    u32 result = words[lane];
    for (lane++; lane < 32; lane++) {
        if ((mask >> lane & 1) != 0) {
            result = operation(result, words[lane]);
        }
    }
    return result;
}
template <class T, Reduce R> u32 reduce(Thread& thread, u32 value, u32 mask, const Site& site) {
    return reduceLanes(thread, value, mask, [](u32 a, u32 b) {
        return static_cast<u32>(reducedPair<T, R>(static_cast<T>(a), static_cast<T>(b)));
    }, site);
}
template <bool Larger, bool Abs, bool Nan> u32 reduceFloat(Thread& thread, u32 value, u32 mask, const Site& site) {
    const u32 own = isNan<f32>(value) ? f32::nan : Abs ? value & (f32::sign - 1) : value;
    return reduceLanes(thread, own, mask, extreme<f32, false, Nan, false, Larger>, site);
}

// --- Matrices of 8 rows of 8 halves. Lane 8m + r gives the address of row r of matrix m; lane l gets elements 2(l % 4) and the next of
// row l / 4, or of column l / 4 where the matrix is transposed.
constexpr u32 kAllLanes = 0xFFFFFFFF;

inline const u32* matrixRows(Thread& thread, u32 address, int matrices, const Site& site) {
    if (static_cast<int>(thread.lane) < 8 * matrices && address % 16 != 0) {
        trap(thread, "a row of a matrix is not aligned to 16 bytes", site);
    }
    return exchange(thread, kAllLanes, &address, 1, site);
}

template <int N, bool Transposed> std::array<u32, N> loadMatrix(Thread& thread, u32 address, const Site& site) {
    const u32* rows = matrixRows(thread, address, N, site);
    const u32 outer = thread.lane / 4;
    const u32 inner = 2 * (thread.lane % 4);
    std::array<u32, 8 * N> copy;  // the rows are only lent until the next exchange, and loads may switch lanes
    std::copy_n(rows, copy.size(), copy.begin());
    std::array<u32, N> values;
    for (int m = 0; m < N; m++) {
        if constexpr (Transposed) {
            const u32 lower = load<Space::SharedCta, u16>(thread, copy[8 * m + inner] + 2 * outer, site);
            const u32 upper = load<Space::SharedCta, u16>(thread, copy[8 * m + inner + 1] + 2 * outer, site);
            values[m] = upper << 16 | lower;
        } else {
            values[m] = load<Space::SharedCta, u32>(thread, copy[8 * m + outer] + 2 * inner, site);
        }
    }
    return values;
}

template <int N, bool Transposed> void storeMatrix(Thread& thread, u32 address, const std::array<u32, N>& values, const Site& site) {
    const u32* rows = matrixRows(thread, address, N, site);
    const u32 outer = thread.lane / 4;
    const u32 inner = 2 * (thread.lane % 4);
    std::array<u32, 8 * N> copy;
    std::copy_n(rows, copy.size(), copy.begin());
    for (int m = 0; m < N; m++) {
        if constexpr (Transposed) {
            store<Space::SharedCta, u16>(thread, copy[8 * m + inner] + 2 * outer, static_cast<u16>(values[m]), site);
            store<Space::SharedCta, u16>(thread, copy[8 * m + inner + 1] + 2 * outer, static_cast<u16>(values[m] >> 16), site);
        } else {
            store<Space::SharedCta, u32>(thread, copy[8 * m + outer] + 2 * inner, values[m], site);
        }
    }
}

// One element of A (16 x K) times B (K x 8) plus C. The device does not say in which order it sums; here products are exact, the sum
// starts at C and takes k = 0, 1, ... in double, and is rounded once at the end. Kernels may not rely on the last bits.
template <class F, int K> double matrixElement(const u32* words, int wordsPerLane, u32 row, u32 column, double sum) {
    constexpr int aWords = K / 4;
    for (u32 k = 0; k < K; k++) {
        const u32 aLane = row % 8 * 4 + k % 8 / 2;
        const u32 bLane = column * 4 + k % 8 / 2;
        const u32 a = words[aLane * wordsPerLane + row / 8 + 2 * (k / 8)];
        const u32 b = words[bLane * wordsPerLane + aWords + k / 8];
        const int shift = k % 2 == 0 ? 0 : 16;
        sum += decode<F>(static_cast<u16>(a >> shift)) * decode<F>(static_cast<u16>(b >> shift));
    }
    return sum;
}

template <int K>
const u32* exchangeMatrices(Thread& thread, const std::array<u32, K / 4>& a, const std::array<u32, K / 8>& b, const Site& site) {
    std::array<u32, K / 4 + K / 8> own;
    std::copy(a.begin(), a.end(), own.begin());
    std::copy(b.begin(), b.end(), own.begin() + a.size());
    return exchange(thread, kAllLanes, own.data(), own.size(), site);
}

template <class F, int K>
std::array<u32, 4> multiplyMatrices(Thread& thread, const std::array<u32, K / 4>& a, const std::array<u32, K / 8>& b,
                                    const std::array<u32, 4>& c, const Site& site) {
    const u32* words = exchangeMatrices<K>(thread, a, b, site);
    std::array<u32, 4> d;
    for (u32 i = 0; i < 4; i++) {
        const u32 row = thread.lane / 4 + 8 * (i / 2);
        const u32 column = 2 * (thread.lane % 4) + i % 2;
        d[i] = encode<f32>(matrixElement<F, K>(words, K / 4 + K / 8, row, column, decode<f32>(c[i])), Round::rn);
    }
    return d;
}
template <int K>
std::array<u32, 2> multiplyHalfMatrices(Thread& thread, const std::array<u32, K / 4>& a, const std::array<u32, K / 8>& b,
                                        const std::array<u32, 2>& c, const Site& site) {
    const u32* words = exchangeMatrices<K>(thread, a, b, site);
    std::array<u32, 2> d{};
    for (u32 i = 0; i < 4; i++) {
        const u32 row = thread.lane / 4 + 8 * (i / 2);
        const u32 column = 2 * (thread.lane % 4) + i % 2;
        const double start = decode<f16>(static_cast<u16>(c[i / 2] >> (16 * (i % 2))));
        const u32 half = encode<f16>(matrixElement<f16, K>(words, K / 4 + K / 8, row, column, start), Round::rn);
        d[i / 2] |= half << (16 * (i % 2));
    }
    return d;
}

// --- Addresses: where an instruction takes a generic one but means shared memory.
inline u32 sharedAddress(Thread& thread, u64 address, const Site& site) {
    if (!isInSpace<Space::SharedCta>(thread, address)) {
        trap(thread, "the generic address is not in the shared memory of this block", site);
    }
    return static_cast<u32>(fromGeneric<Space::SharedCta>(thread, address, site));
}
inline u64 mapGeneric(Thread& thread, u64 address, u32 rank, const Site& site) {
    return toGeneric<Space::SharedCluster>(thread, mapShared(thread, sharedAddress(thread, address, site), rank, site));
}

// --- __assertfail: its arguments are pointers to text in generic memory, and a line.
inline std::string textAt(Thread& thread, const u8* parameter, const Site& site) {
    constexpr std::size_t most = 200;
    std::string text;
    for (u64 address = readParameter<u64>(parameter); text.size() < most; address++) {
        const auto letter = static_cast<char>(load<Space::Generic, u8>(thread, address, site));
        if (letter == 0) {
            break;
        }
        text += letter;
    }
    return text;
}
[[noreturn]] inline void assertionFailed(Thread& thread, const u8* message, const u8* file, const u8* line, const u8* function,
                                         const Site& site) {
    thread_local std::string report;  // trap never returns, so nothing on the stack would be freed
    report = textAt(thread, file, site) + ":" + std::to_string(readParameter<u32>(line)) + ": " + textAt(thread, function, site) +
             ": assertion failed: " + textAt(thread, message, site);
    trap(thread, report.c_str(), site);
}

}  // namespace fusor::sim
