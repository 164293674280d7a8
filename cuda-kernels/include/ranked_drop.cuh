// The drop of DELLA: the factor of each element of a task vector by its rank in its row and a random word, NaN for what is dropped; for one element type.
//
//   contract  drop/RankedDrop.java and trim/RowRanks.java, equal bit for bit; keys are those of trim/MagnitudeCut.java
//   input     rows of a model and of a base of one type, or of no base, at any address
//   output    a float32 factor for each element
//   table     for each rank the largest word that keeps its element, and the factor it then has; NaN where no word does
//   method    a block has a row. Its elements are sorted by their keys, from the last one on so that of equals the first becomes the largest, in four
//             stable passes over 8 bits each. In a pass each warp counts the digits of its part, places of a digit begin after those of smaller digits
//             and of the warps before, and each warp takes its places in order. The last pass leaves ranks
//   launch    1-D, blocks of 32 to 1024 threads take rows in turn: any grid; dynamic shared memory for 256 counts of each warp, and for the keys and two
//             orders of a row; where these do not fit they are in a workspace, which each block has a part of, and numbers have 32 bits in place of 16
//   traffic   each input once, 16 bytes at a time where addresses allow it; 4 bytes for each element
#pragma once
#include "philox.cuh"
#include "row_selection.cuh"

namespace ranked_drop {

struct Rows {
    uint64_t x;
    uint64_t base;
    long long rows;
    int row;
};

struct Chance {
    uint32_t mostWord;
    float factor;
};

// The random words of a tensor, and what they decide.
struct Draw {
    uint64_t key;
    long long first;  // the number in the whole tensor of the first element
    const Chance* ofRank;
    uint32_t stream;
};

constexpr unsigned kWarp = 0xFFFFFFFFu;
constexpr int kDigitBits = 8;
constexpr int kDigits = 1 << kDigitBits;
constexpr int kKeyBits = 32;
constexpr int kNone = kDigits;  // the digit of what is beyond the end
constexpr int kMostWarps = 32;
constexpr int kEach = kDigits / 32;  // counts of a thread, when they are added up

// What a warp has of a row.
struct Part {
    int from;
    int to;
};

__device__ inline Part partOf(int row)
{
    const int warps = blockDim.x / 32;
    const int part = ((row + warps - 1) / warps + 31) / 32 * 32;
    const int from = min(static_cast<int>(threadIdx.x) / 32 * part, row);
    return {from, min(from + part, row)};
}

// Where a warp counts a digit: the counts of a digit lie side by side, in the order of the warps.
__device__ inline int& countOf(int* counts, int digit) { return counts[digit * (blockDim.x / 32) + threadIdx.x / 32]; }

// In place of each count the sum of those before it.
__device__ inline void addUp(int* counts)
{
    __shared__ int ofWarp[kMostWarps];
    const int lane = threadIdx.x % 32;
    int* const mine = counts + threadIdx.x * kEach;
    int sum = 0;
#pragma unroll
    for (int i = 0; i < kEach; i++) {
        const int count = mine[i];
        mine[i] = sum;
        sum += count;
    }
    int upTo = sum;
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
        const int before = __shfl_up_sync(kWarp, upTo, step);
        upTo += lane >= step ? before : 0;
    }
    if (lane == 31) {
        ofWarp[threadIdx.x / 32] = upTo;
    }
    __syncthreads();
    int before = upTo - sum;
    for (int w = 0; w < static_cast<int>(threadIdx.x) / 32; w++) {
        before += ofWarp[w];
    }
#pragma unroll
    for (int i = 0; i < kEach; i++) {
        mine[i] += before;
    }
}

// Shows each element of a warp's part, its digit, and the lanes that have the same one. All lanes see each step.
template <typename ElementAt, typename Visit>
__device__ inline void eachDigit(const Part& part, const int* keys, int shift, ElementAt&& elementAt, Visit&& visit)
{
    const int lane = threadIdx.x % 32;
#pragma unroll 1
    for (int i = part.from; i < part.to; i += 32) {
        const bool there = i + lane < part.to;
        const int element = there ? elementAt(i + lane) : 0;
        const int digit = there ? keys[element] >> shift & (kDigits - 1) : kNone;
        visit(element, digit, __match_any_sync(kWarp, digit));
        __syncwarp();  // before the next ones count
    }
}

// Ranks of a row's keys, which are there when all threads come.
template <typename Number>
__device__ inline void rank(const int* keys, int row, int* counts, Number* order, Number* ranks)
{
    const Part part = partOf(row);
    const int lane = threadIdx.x % 32;
    Number* from = ranks;
    Number* to = order;
#pragma unroll 1
    for (int shift = 0; shift < kKeyBits; shift += kDigitBits) {
        const bool last = shift + kDigitBits == kKeyBits;
        const auto elementAt = [&](int place) { return shift == 0 ? row - 1 - place : static_cast<int>(from[place]); };
        for (int digit = lane; digit < kDigits; digit += 32) {
            countOf(counts, digit) = 0;
        }
        __syncwarp();
        eachDigit(part, keys, shift, elementAt, [&](int, int digit, unsigned same) {
            if (digit != kNone && lane == __ffs(same) - 1) {
                countOf(counts, digit) += __popc(same);
            }
        });
        __syncthreads();
        addUp(counts);
        __syncthreads();
        eachDigit(part, keys, shift, elementAt, [&](int element, int digit, unsigned same) {
            const int leader = __ffs(same) - 1;
            int place = 0;
            if (digit != kNone && lane == leader) {
                place = countOf(counts, digit);
                countOf(counts, digit) = place + __popc(same);
            }
            place = __shfl_sync(kWarp, place, leader) + __popc(same & ((1u << lane) - 1));
            if (digit != kNone) {
                to[last ? element : place] = static_cast<Number>(last ? place : element);
            }
        });
        __syncthreads();
        Number* const next = from;
        from = to;
        to = next;
    }
}

// A thread has four elements whose random words come together.
template <typename Number>
__device__ inline void draw(const Draw& by, long long start, int row, const Number* ranks, float* factors)
{
    constexpr int kGroup = 4;
    const long long number = by.first + start;
    const int early = static_cast<int>(number % kGroup);
#pragma unroll 1
    for (int group = threadIdx.x; group * kGroup < early + row; group += blockDim.x) {
        const PhiloxBlock block = philox(static_cast<uint32_t>(by.key), static_cast<uint32_t>(by.key >> 32), by.stream, number / kGroup + group);
#pragma unroll
        for (int i = 0; i < kGroup; i++) {
            const int element = group * kGroup + i - early;
            if (element >= 0 && element < row) {
                const Chance chance = by.ofRank[ranks[element]];
                factors[start + element] = block.words[i] <= chance.mostWord ? chance.factor : __uint_as_float(0x7FC00000);
            }
        }
    }
}

template <Format FORMAT, typename Number>
__device__ inline void run(const Rows& in, const Draw& by, int* counts, int4* room, float* factors)
{
    int* const keys = reinterpret_cast<int*>(room);
    Number* const order = reinterpret_cast<Number*>(keys + in.row);
    Number* const ranks = order + in.row;
#pragma unroll 1
    for (long long r = blockIdx.x; r < in.rows; r += gridDim.x) {
        const long long start = r * in.row;
        const uint64_t base = in.base == 0 ? 0 : in.base + start * bytesOf(FORMAT);
        row_selection::loadKeys<FORMAT>(in.x + start * bytesOf(FORMAT), base, in.row, keys);
        rank(keys, in.row, counts, order, ranks);
        draw(by, start, in.row, ranks, factors);
    }
}

}  // namespace ranked_drop

#define DROP_BY_RANK(NAME, FORMAT, NUMBER, ROOM)                                                                                     \
    extern "C" __global__ void __launch_bounds__(1024)                                                                               \
        NAME(uint64_t x, uint64_t base, long long rows, int row, uint64_t key, long long first, int stream,                          \
             const ranked_drop::Chance* __restrict__ ofRank, float* __restrict__ factors, int4* __restrict__ workspace,              \
             long long ofBlock)                                                                                                      \
    {                                                                                                                                \
        extern __shared__ int4 shared[];                                                                                             \
        ranked_drop::run<FORMAT, NUMBER>({x, base, rows, row}, {key, first, ofRank, static_cast<uint32_t>(stream)},                  \
                                         reinterpret_cast<int*>(shared), ROOM, factors);                                             \
    }

// A row has its room in shared memory, after the counts, or its block's part of the workspace.
#define DROPS_BY_RANK(FORMAT)                                                                          \
    DROP_BY_RANK(drop_by_rank, FORMAT, uint16_t, shared + blockDim.x * ranked_drop::kEach / 4)         \
    DROP_BY_RANK(drop_by_rank_long, FORMAT, uint32_t, workspace + blockIdx.x * ofBlock)
