// Tensors with their axes in other orders: moved as they are, or interpolated with another on the way.
//
//   contract  linalg/PermutedView.java and align/Interpolation.java, equal bit for bit
//   input     one or two tensors of one type for each item, at any address
//   output    one of the same type, which may be the first, but no part of the one whose axes are permuted
//   tables    tiles: lines of an item; items; axes of an item, outermost first, by which a line is found; sources of the elements of a line
//   order     the first product is rounded, the second joins by fma
//   launch    1-D, 256 threads, any grid, as much dynamic shared memory as the longest tile takes
//   traffic   each input once, the output once, 8 bytes a thread where addresses allow it. Lines are staged in shared memory and permuted there, so that
//             global memory is read in whole sectors whatever their order; those that do not fit are gathered from where they lie
#include "axes.cuh"
#include "tiles.cuh"

struct Item {
    uint64_t first;  // 0 to move alone
    uint64_t from;   // whose axes are permuted
    uint64_t out;
    const int* sources;  // for each element of a line, where in the line it comes from; null where it stays
    const Axis* axes;
    int axisCount;
    int staged;         // whether lines go through shared memory
    long long line;     // elements
    uint64_t toLine;    // times an element of a tile, upper half: its line; 2^32 over the length of a line, rounded up, or 0 if a tile has one line
    float weight;       // of the first
    float otherWeight;

    __device__ int lineOf(unsigned element) const { return static_cast<int>(element * toLine >> 32); }
};

namespace {

constexpr int kThreads = 256;
constexpr int kMostLines = 256;  // of a tile
constexpr int kLoads = 8;  // of a thread on the way

template <typename Code>
struct Moved {
    using Type = Code;
    static constexpr bool kJoins = false;
    static __device__ Type combine(const Item&, Type, Type other) { return other; }
};

template <Format FORMAT, typename Code>
struct Interpolated {
    using Type = Code;
    static constexpr bool kJoins = true;
    static __device__ Type combine(const Item& item, Type first, Type other)
    {
        const float product = __fmul_rn(item.weight, widen<FORMAT>(first));
        const float sum = __fmaf_rn(item.otherWeight, widen<FORMAT>(other), product);
        return static_cast<Type>(FORMAT == Format::F32    ? roundToF32(sum)
                                 : FORMAT == Format::F16  ? roundToF16(sum)
                                 : FORMAT == Format::BF16 ? roundToBF16(sum)
                                                          : roundToF8(sum, FORMAT == Format::F8_E4M3));
    }
};

// Elements to shared memory, a word at a time and several on the way.
template <typename Word, typename Code, typename Place>
__device__ inline void copy(uint64_t from, int elements, Code* to, Place place)
{
    constexpr int kPer = sizeof(Word) / sizeof(Code);
    const int words = elements / kPer;
#pragma unroll 1
    for (int begin = threadIdx.x; begin < words; begin += kThreads * kLoads) {
        Word loaded[kLoads];
#pragma unroll
        for (int i = 0; i < kLoads; i++) {
            loaded[i] = *reinterpret_cast<const Word*>(from + place(min(begin + i * kThreads, words - 1) * kPer) * sizeof(Code));
        }
#pragma unroll
        for (int i = 0; i < kLoads; i++) {
            if (begin + i * kThreads < words) {
                reinterpret_cast<Word*>(to)[begin + i * kThreads] = loaded[i];
            }
        }
    }
}

// The same, by words of 8 bytes where each begins at one.
template <typename Code, typename Place>
__device__ inline void stage(bool words, uint64_t from, int elements, Code* to, Place place)
{
    if (words) {
        copy<uint64_t>(from, elements, to, place);
    } else {
        copy<Code>(from, elements, to, place);
    }
}

// The elements of a tile, as many at a time as a word has.
template <typename Operation, typename Word>
__device__ inline void combineLines(
    const Item& item, int count, uint64_t first, const typename Operation::Type* staged, const long long (&starts)[kMostLines], uint64_t out)
{
    using Code = typename Operation::Type;
    constexpr int kPer = sizeof(Word) / sizeof(Code);
    constexpr int kBits = 8 * sizeof(Code);
    const int line = static_cast<int>(item.line);
    const int words = count * line / kPer;
#pragma unroll 1
    for (int word = threadIdx.x; word < words; word += kThreads) {
        const int number = item.lineOf(word * kPer);
        const int within = word * kPer - number * line;
        const Code* const from = staged != nullptr ? staged + number * line : reinterpret_cast<const Code*>(item.from) + starts[number];
        const Word given = Operation::kJoins ? reinterpret_cast<const Word*>(first)[word] : 0;
        Word result = 0;
#pragma unroll
        for (int e = 0; e < kPer; e++) {
            const Code other = from[item.sources == nullptr ? within + e : item.sources[within + e]];
            result |= static_cast<Word>(Operation::combine(item, static_cast<Code>(given >> e * kBits), other)) << e * kBits;
        }
        reinterpret_cast<Word*>(out)[word] = result;
    }
}

template <typename Operation>
__device__ inline void run(const Tile* __restrict__ tiles, long long tileCount, const Item* __restrict__ items)
{
    using Code = typename Operation::Type;
    extern __shared__ __align__(16) unsigned char memory[];
    __shared__ long long starts[kMostLines];
    for (long long t = blockIdx.x; t < tileCount; t += gridDim.x) {
        const Tile tile = tiles[t];
        const Item item = items[tile.item];
        const int elements = tile.count * static_cast<int>(item.line);
        const uint64_t lineBytes = item.line * sizeof(Code);
        uint64_t first = Operation::kJoins ? item.first + tile.from * lineBytes : 0;
        const uint64_t out = item.out + tile.from * lineBytes;
        Code* staged = nullptr;
        if (threadIdx.x < tile.count) {
            starts[threadIdx.x] = offsetOf(tile.from + threadIdx.x, item.axes, item.axisCount);
        }
        __syncthreads();
        if (item.staged) {
            staged = reinterpret_cast<Code*>(memory);
            stage((lineBytes | item.from) % sizeof(uint64_t) == 0, item.from, elements, staged, [&](int element) {
                const int line = item.lineOf(element);
                return starts[line] + (element - line * item.line);
            });
            if (Operation::kJoins) {
                Code* const copied = reinterpret_cast<Code*>(memory + (elements * sizeof(Code) + 15) / 16 * 16);
                stage((lineBytes | first) % sizeof(uint64_t) == 0, first, elements, copied, [](int element) { return element; });
                first = reinterpret_cast<uint64_t>(copied);
            }
            __syncthreads();
        }
        if ((lineBytes | first | out) % sizeof(uint64_t) == 0) {
            combineLines<Operation, uint64_t>(item, tile.count, first, staged, starts, out);
        } else {
            combineLines<Operation, Code>(item, tile.count, first, staged, starts, out);
        }
        __syncthreads();
    }
}

}  // namespace

#define KERNEL(NAME, ...)                                                                                      \
    extern "C" __global__ void __launch_bounds__(kThreads, 4)                                                  \
        NAME(const Tile* __restrict__ tiles, long long tileCount, const Item* __restrict__ items)              \
    {                                                                                                          \
        run<__VA_ARGS__>(tiles, tileCount, items);                                                             \
    }

KERNEL(move_8, Moved<uint8_t>)
KERNEL(move_16, Moved<uint16_t>)
KERNEL(move_32, Moved<uint32_t>)
KERNEL(move_64, Moved<uint64_t>)
KERNEL(interpolate_f32, Interpolated<Format::F32, uint32_t>)
KERNEL(interpolate_f16, Interpolated<Format::F16, uint16_t>)
KERNEL(interpolate_bf16, Interpolated<Format::BF16, uint16_t>)
KERNEL(interpolate_f8_e4m3, Interpolated<Format::F8_E4M3, uint8_t>)
KERNEL(interpolate_f8_e5m2, Interpolated<Format::F8_E5M2, uint8_t>)
