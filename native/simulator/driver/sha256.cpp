#include "sha256.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace fusor::sim {
namespace {

using Words = std::array<std::uint32_t, 8>;

constexpr int kRounds = 64;
constexpr std::size_t kBlock = 64;

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes, and of the square roots of the first eight.
struct Constants {
    std::array<std::uint32_t, kRounds> round;
    Words start;

    Constants() {
        int found = 0;
        for (int candidate = 2; found < kRounds; candidate++) {
            bool prime = true;
            for (int divisor = 2; divisor * divisor <= candidate; divisor++) {
                prime &= candidate % divisor != 0;
            }
            if (prime) {
                round[found] = fraction(std::cbrt(static_cast<long double>(candidate)));
                if (found < 8) {
                    start[found] = fraction(std::sqrt(static_cast<long double>(candidate)));
                }
                found++;
            }
        }
    }

    static std::uint32_t fraction(long double value) {
        return static_cast<std::uint32_t>((value - std::floor(value)) * 4294967296.0L);
    }
};

void compress(Words& state, const unsigned char* block, const Constants& constants) {
    std::array<std::uint32_t, kRounds> w;
    for (int i = 0; i < 16; i++) {
        w[i] = static_cast<std::uint32_t>(block[4 * i]) << 24 | block[4 * i + 1] << 16 | block[4 * i + 2] << 8 | block[4 * i + 3];
    }
    for (int i = 16; i < kRounds; i++) {
        const std::uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
        const std::uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (int i = 0; i < kRounds; i++) {
        const std::uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
        const std::uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + constants.round[i] + w[i];
        const std::uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
        const std::uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    const Words changed = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++) {
        state[i] += changed[i];
    }
}

}  // namespace

std::string sha256(std::string_view text) {
    static const Constants constants;
    std::string padded(text);
    padded.push_back('\x80');
    while (padded.size() % kBlock != kBlock - 8) {
        padded.push_back('\0');
    }
    const std::uint64_t bits = text.size() * 8;
    for (int shift = 56; shift >= 0; shift -= 8) {
        padded.push_back(static_cast<char>(bits >> shift));
    }
    Words state = constants.start;
    for (std::size_t at = 0; at < padded.size(); at += kBlock) {
        compress(state, reinterpret_cast<const unsigned char*>(padded.data()) + at, constants);
    }
    std::string hex;
    for (std::uint32_t word : state) {
        for (int shift = 28; shift >= 0; shift -= 4) {
            hex.push_back("0123456789abcdef"[word >> shift & 15]);
        }
    }
    return hex;
}

}  // namespace fusor::sim
