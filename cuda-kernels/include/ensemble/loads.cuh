// Logits of a thread, on their way to registers.
#pragma once
#include "ensemble/job.cuh"
#include "ensemble/sums.cuh"

namespace ensemble {

template <Format FORMAT>
constexpr int kPairWords = 2 * bytesOf(FORMAT) / 4;  // of two neighbouring classes

// Of a chunk, where several models are combined: their words take 32 registers.
template <Format FORMAT>
constexpr int kRowsAtOnce = 4 / kPairWords<FORMAT>;

template <Format FORMAT>
constexpr uint32_t kMinusInfinity = FORMAT == Format::F32 ? 0xFF800000u : FORMAT == Format::F16 ? 0xFC00u : 0xFF80u;

// Loads of a thread's pairs in some rows of a chunk. Volatile, as is what comes after the loads: what is so keeps its order, and no load sinks to where
// its words are used.
template <Format FORMAT, int ROWS>
__device__ inline void loadPairs(uint32_t (&words)[ROWS * kPairWords<FORMAT>], bool wanted, uint64_t rows)
{
    const uint64_t first = rows + lane() * 2 * bytesOf(FORMAT);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        const uint64_t at = first + r * kLanes * bytesOf(FORMAT);
        if constexpr (FORMAT == Format::F32) {
            asm volatile("{ .reg .pred wanted; setp.ne.s32 wanted, %3, 0; @wanted ld.global.v2.u32 {%0, %1}, [%2]; }"
                         : "=r"(words[2 * r]), "=r"(words[2 * r + 1])
                         : "l"(at), "r"(static_cast<int>(wanted)));
        } else {
            asm volatile("{ .reg .pred wanted; setp.ne.s32 wanted, %2, 0; @wanted ld.global.u32 %0, [%1]; }"
                         : "=r"(words[r])
                         : "l"(at), "r"(static_cast<int>(wanted)));
        }
    }
}

// A load that a predicate guards; else -infinity.
template <Format FORMAT>
__device__ inline uint32_t loadCodeIf(bool wanted, uint64_t at)
{
    uint32_t code;
    if constexpr (FORMAT == Format::F32) {
        asm volatile("{ .reg .pred wanted; setp.ne.s32 wanted, %2, 0; mov.u32 %0, %3; @wanted ld.global.u32 %0, [%1]; }"
                     : "=&r"(code)
                     : "l"(at), "r"(static_cast<int>(wanted)), "n"(kMinusInfinity<FORMAT>));
    } else {
        asm volatile("{ .reg .pred wanted; setp.ne.s32 wanted, %2, 0; mov.u32 %0, %3; @wanted ld.global.u16 %0, [%1]; }"
                     : "=&r"(code)
                     : "l"(at), "r"(static_cast<int>(wanted)), "n"(kMinusInfinity<FORMAT>));
    }
    return code;
}

// The pairs at the ends of rows, and of rows at odd elements; -infinity from a count on.
template <Format FORMAT, int ROWS>
__device__ inline void loadEach(uint32_t (&words)[ROWS * kPairWords<FORMAT>], uint64_t rows, int count)
{
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        uint32_t codes[2];
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int c = r * kLanes + lane() * 2 + h;
            codes[h] = loadCodeIf<FORMAT>(c < count, rows + c * bytesOf(FORMAT));
        }
        if constexpr (FORMAT == Format::F32) {
            words[2 * r] = codes[0];
            words[2 * r + 1] = codes[1];
        } else {
            words[r] = codes[0] | codes[1] << 16;
        }
    }
}

template <int COUNT, int WORDS>
__device__ inline void afterLoads(uint32_t (&words)[COUNT][WORDS])
{
#pragma unroll
    for (int i = 0; i < COUNT * WORDS; i++) {
        asm volatile("" : "+r"(words[i / WORDS][i % WORDS]));
    }
}

}  // namespace ensemble
