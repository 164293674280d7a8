// What trimming keeps of each row of a task vector that is never stored, for one element type.
//
//   contract  trim/RowSelection.java; keys are those of trim/MagnitudeCut.java
//   input     rows of a model and of a base of one type, or of no base, at any address
//   output    a bit for each element, all 0 before: those that stay are set
//   method    a block has a row, and each of its warps a part of it. Keys wait in shared memory, or are made again each time where they do not fit. The
//             k-th key is found bit by bit from the top: how many keys of the row are as large as that? Where that is k, no lower bit matters. Of
//             equals each warp knows how many those before it have
//   launch    1-D, blocks of 32 to 1024 threads take rows in turn: any grid; dynamic shared memory for the keys of a row
//   traffic   each input once, 16 bytes at a time where addresses allow it; a bit for each element
#pragma once
#include "key_scan.cuh"

namespace row_selection {

constexpr unsigned kWarp = 0xFFFFFFFFu;
constexpr int kMostWarps = 32;
constexpr int kUnroll = 2;

struct Rows {
    uint64_t x;
    uint64_t base;
    long long rows;
    int row;
    bool inShared;
};

// Elements whose key is larger than this are kept, and so many of those whose key it is.
struct Cut {
    int key;
    int equals;
};

// The keys of a row into shared memory.
template <Format FORMAT>
__device__ inline void loadKeys(uint64_t x, uint64_t base, int count, int* keys)
{
    constexpr int kCount = kElements<FORMAT>;
    const int vectors = (x | base) % 16 == 0 ? count / kCount : 0;
    const int threads = blockDim.x;
#pragma unroll 1
    for (int first = threadIdx.x; first < vectors; first += threads * kUnroll) {
        uint4 xs[kUnroll];
        uint4 bases[kUnroll];
#pragma unroll
        for (int u = 0; u < kUnroll; u++) {
            // Beyond the end the last one is read again, and not stored.
            const int vector = min(first + u * threads, vectors - 1);
            xs[u] = loadIf(true, x, vector);
            bases[u] = loadIf(base != 0, base, vector);
        }
        // Rolled up: keys are much code.
#pragma unroll 1
        for (int u = 0; u < kUnroll; u++) {
            const int vector = first + u * threads;
#pragma unroll
            for (int e = 0; e < kCount; e += 4) {
                int four[4];
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    const float value = widen<FORMAT>(codeOf<FORMAT>(xs[0], e + i));
                    four[i] = keyOf(base == 0 ? value : __fsub_rn(value, widen<FORMAT>(codeOf<FORMAT>(bases[0], e + i))));
                }
                if (vector < vectors) {
                    *reinterpret_cast<int4*>(keys + vector * kCount + e) = make_int4(four[0], four[1], four[2], four[3]);
                }
            }
#pragma unroll
            for (int v = 1; v < kUnroll; v++) {
                xs[v - 1] = xs[v];
                bases[v - 1] = bases[v];
            }
        }
    }
#pragma unroll 4
    for (int i = vectors * kCount + threadIdx.x; i < count; i += threads) {
        keys[i] = key_scans::keyAt<FORMAT>(x, base, i);
    }
    __syncthreads();
}

// What the warps of a block have counted, two times in turn: a barrier is enough between one and the next.
struct Counts {
    int ofWarp[2][kMostWarps];
};

// The sum over the block, and that of the warps before this one.
__device__ inline int addUp(Counts& counts, int turn, int mine, int& before)
{
    const int warp = threadIdx.x / 32;
#pragma unroll
    for (int step = 16; step > 0; step /= 2) {
        mine += __shfl_xor_sync(kWarp, mine, step);
    }
    if (threadIdx.x % 32 == 0) {
        counts.ofWarp[turn][warp] = mine;
    }
    __syncthreads();
    int sum = 0;
    before = 0;
    for (int w = 0; w < static_cast<int>(blockDim.x) / 32; w++) {
        const int other = counts.ofWarp[turn][w];
        before += w < warp ? other : 0;
        sum += other;
    }
    return sum;
}

// Elements of the row from this thread's first to the end of its warp's part, in steps of 32.
template <typename KeyOf>
__device__ inline int countAtLeast(KeyOf&& keyOfElement, int from, int to, int least)
{
    int count = 0;
#pragma unroll 4
    for (int i = from; i < to; i += 32) {
        count += keyOfElement(i) >= least;
    }
    return count;
}

template <typename KeyOf>
__device__ inline Cut cutAt(Counts& counts, int& turn, KeyOf&& keyOfElement, int from, int to, int row, long long k, bool allTies, int& equalBefore)
{
    constexpr int kMost = 0x7FFFFFFF;
    equalBefore = 0;
    if (k == 0 || k >= row) {
        return {k == 0 ? kMost : -1, 0};
    }
    int key = 0;                                  // the k-th is at least this
    int mine = from < to ? (to - from + 31) / 32 : 0;  // of this thread's keys so many are
    int above = 0;
    int ofMine = 0;
    // Bit by bit, and at last what is above the key.
#pragma unroll 1
    for (int bit = 1 << 30;; bit >>= 1) {
        const int least = bit > 0 ? key | bit : key + 1;
        int before;
        ofMine = countAtLeast(keyOfElement, from, to, least);
        above = addUp(counts, turn ^= 1, ofMine, before);
        if (bit == 0) {
            break;
        }
        if (above == k) {
            return {least - 1, 0};
        }
        key = above > k ? least : key;
        mine = above > k ? ofMine : mine;
    }
    addUp(counts, turn ^= 1, mine - ofMine, equalBefore);
    return {key, allTies ? kMost : static_cast<int>(k) - above};
}

// Whether an element stays by a cut; all lanes of a warp ask at the same time, in the order of elements.
__device__ inline bool stays(const Cut& cut, int key, int& equalBefore)
{
    const unsigned equals = __ballot_sync(kWarp, key == cut.key);
    const int place = equalBefore + __popc(equals & (1u << threadIdx.x % 32) - 1);
    equalBefore += __popc(equals);
    return key > cut.key || (key == cut.key && place < cut.equals);
}

// Sets 32 bits from one on.
__device__ inline void set(unsigned* kept, long long first, unsigned bits)
{
    const int shift = static_cast<int>(first % 32);
    if (threadIdx.x % 32 == 0 && bits != 0) {
        atomicOr(kept + first / 32, bits << shift);
        if (shift > 0 && bits >> (32 - shift) != 0) {
            atomicOr(kept + first / 32 + 1, bits >> (32 - shift));
        }
    }
}

template <Format FORMAT>
__device__ inline void select(const Rows& in, long long atLeast, long long tooLarge, bool allTies, unsigned* __restrict__ kept)
{
    extern __shared__ int4 room[];
    __shared__ Counts counts;
    int* const keys = reinterpret_cast<int*>(room);
    const int warps = blockDim.x / 32;
    const int part = ((in.row + warps - 1) / warps + 31) / 32 * 32;
    const int lane = threadIdx.x % 32;
    const int first = min(static_cast<int>(threadIdx.x) / 32 * part, in.row);
    const int end = min(first + part, in.row);
    int turn = 0;
    for (long long r = blockIdx.x; r < in.rows; r += gridDim.x) {
        const long long start = r * in.row;
        const uint64_t x = in.x + start * bytesOf(FORMAT);
        const uint64_t base = in.base == 0 ? 0 : in.base + start * bytesOf(FORMAT);
        if (in.inShared) {
            loadKeys<FORMAT>(x, base, in.row, keys);
        }
        const auto keyOfElement = [&](int i) { return in.inShared ? keys[i] : key_scans::keyAt<FORMAT>(x, base, i); };
        Cut least = {};
        Cut most = {};
        int equalBefore = 0;
        int largeBefore = 0;
        // Rolled up: a cut is much code.
#pragma unroll 1
        for (int number = 0; number < 2; number++) {
            most = least;
            largeBefore = equalBefore;
            least = cutAt(counts, turn, keyOfElement, first + lane, end, in.row, number == 0 ? tooLarge : atLeast, allTies, equalBefore);
        }
#pragma unroll 1
        for (int i = first; i < end; i += 32) {
            const bool there = i + lane < end;
            const int key = there ? keyOfElement(i + lane) : -2;
            const bool enough = stays(least, key, equalBefore);
            const bool tooMuch = stays(most, key, largeBefore);
            set(kept, start + i, __ballot_sync(kWarp, there && enough && !tooMuch));
        }
        __syncthreads();  // before the keys of the next row
    }
}

}  // namespace row_selection

#define ROW_SELECTION(FORMAT)                                                                                                  \
    extern "C" __global__ void __launch_bounds__(1024)                                                                         \
        select_rows(uint64_t x, uint64_t base, long long rows, int row, int inShared, long long atLeast, long long tooLarge,   \
                    int allTies, unsigned* __restrict__ kept)                                                                  \
    {                                                                                                                          \
        row_selection::select<FORMAT>({x, base, rows, row, inShared != 0}, atLeast, tooLarge, allTies != 0, kept);             \
    }
