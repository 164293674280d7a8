// What merges of task vectors share: going through the models and the base of a tile, 16 bytes of each at a time, and forming their differences.
#pragma once
#include "tiles.cuh"

namespace task_vectors {

constexpr int kGroup = 4;  // neighbours that are in registers at a time

// What is the same for all elements of a tile.
struct Operands {
    const uint64_t* models;
    uint64_t base;
    uint64_t output;
    int modelCount;
    Format outFormat;
};

template <Format FORMAT>
__device__ inline bool aligned(const Operands& on, long long from)
{
    uint64_t inputs = on.base + from * bytesOf(FORMAT);
#pragma unroll 1
    for (int m = 0; m < on.modelCount; m++) {
        inputs |= on.models[m] + from * bytesOf(FORMAT);
    }
    const int stored = kElements<FORMAT> * bytesOf(on.outFormat);
    return inputs % 16 == 0 && (on.output + from * bytesOf(on.outFormat)) % (stored < 16 ? stored : 16) == 0;
}

template <Format FORMAT>
__device__ inline float deltaAt(const Operands& on, int model, long long i, float base)
{
    return __fsub_rn(widen<FORMAT>(codeAt<FORMAT>(on.models[model], i)), base);
}

// The elements after a group become the first ones.
template <Format FORMAT>
__device__ inline void passGroup(uint4& x)
{
    constexpr int kWords = kGroup * bytesOf(FORMAT) / 4;
    x = kWords == 1 ? make_uint4(x.y, x.z, x.w, 0) : kWords == 2 ? make_uint4(x.z, x.w, 0, 0) : x;
}

// Where a model is; of one that there is not, where the last one is. Volatile, so that it is not kept in registers: it would be too many.
__device__ inline uint64_t addressOf(const Operands& on, int model)
{
    uint64_t address;
    asm volatile("ld.global.u64 %0, [%1];" : "=l"(address) : "l"(on.models + min(model, on.modelCount - 1)));
    return address;
}

// All threads of a warp go through it together. SLOTS models stay in registers, and so many vectors of each that a thread has 8 loads on the way. Of each group the merge makes results: it is
// called with the number of the first element, the base, room for the results, and what hands it the task vectors, once, in the models' order.
template <Format FORMAT, int SLOTS, typename Merge>
__device__ inline void mergeVectors(const Operands& on, long long from, int vectors, Merge&& merge)
{
    constexpr int kUnroll = 8 / SLOTS;
    constexpr int kCount = kElements<FORMAT>;
    constexpr bool kStoresGroups = kCount == 16 && SLOTS == 8;  // one by one: registers do not hold all results
    const int threads = blockDim.x;
    const uint64_t base = on.base + from * bytesOf(FORMAT);
    const uint64_t output = on.output + from * bytesOf(on.outFormat);
#pragma unroll 1
    for (int first = threadIdx.x; first - static_cast<int>(threadIdx.x) % 32 < vectors; first += threads * kUnroll) {
        uint4 x[kUnroll][SLOTS];
        uint4 b[kUnroll];
#pragma unroll
        for (int u = 0; u < kUnroll; u++) {
            // Beyond the end the last one is read again, and not stored.
            const int vector = min(first + u * threads, vectors - 1);
            b[u] = loadIf(true, base, vector);
#pragma unroll
            for (int m = 0; m < SLOTS; m++) {
                x[u][m] = loadIf(m < on.modelCount, addressOf(on, m) + from * bytesOf(FORMAT), vector);
            }
        }
        // Rolled up: what a vector takes is much code. The next one moves to where the first one was, and so do the groups of F8.
#pragma unroll 1
        for (int u = 0; u < kUnroll; u++) {
            const int vector = first + u * threads;
            float results[kCount];
#pragma unroll(bytesOf(FORMAT) == 1 ? 1 : 4)
            for (int e = 0; e < kCount; e += kGroup) {
                float bases[kGroup];
                float group[kGroup];
#pragma unroll
                for (int i = 0; i < kGroup; i++) {
                    bases[i] = widen<FORMAT>(codeOf<FORMAT>(b[0], i));
                }
                merge(from + static_cast<long long>(vector) * kCount + e, bases, group, [&](auto&& take) {
#pragma unroll
                    for (int m = 0; m < SLOTS; m++) {
                        if (m < on.modelCount) {
                            float deltas[kGroup];
#pragma unroll
                            for (int i = 0; i < kGroup; i++) {
                                deltas[i] = __fsub_rn(widen<FORMAT>(codeOf<FORMAT>(x[0][m], i)), bases[i]);
                            }
                            take(m, deltas);
                            passGroup<FORMAT>(x[0][m]);
                        }
                    }
                });
                passGroup<FORMAT>(b[0]);
                if constexpr (kStoresGroups) {
                    if (vector < vectors) {
                        store(output, static_cast<long long>(vector) * kCount + e, group, on.outFormat);
                    }
                } else {
#pragma unroll
                    for (int i = 0; i < kCount; i++) {
                        results[i] = i + kGroup < kCount ? results[(i + kGroup) % kCount] : group[i % kGroup];
                    }
                }
            }
            if (!kStoresGroups && vector < vectors) {
                store(output, static_cast<long long>(vector) * kCount, results, on.outFormat);
            }
#pragma unroll
            for (int v = 1; v < kUnroll; v++) {
                b[v - 1] = b[v];
#pragma unroll
                for (int m = 0; m < SLOTS; m++) {
                    x[v - 1][m] = x[v][m];
                }
            }
        }
    }
}

// A tile of results that each need one element of the inputs: resultOf is called with the element's number, the base and what hands over the task
// vectors, in the models' order, as often as it is called, and zeros for the slots that are left. More models than slots are read each time.
template <Format FORMAT, int SLOTS, typename ResultOf>
__device__ inline void mergeTile(const Operands& on, const Tile& tile, ResultOf&& resultOf)
{
    const int vectors = on.modelCount <= SLOTS && aligned<FORMAT>(on, tile.from) ? tile.count / kElements<FORMAT> : 0;
    // What is left over comes first: afterwards it would keep registers that vectors want.
#pragma unroll 1
    for (int i = vectors * kElements<FORMAT> + threadIdx.x; i < tile.count; i += blockDim.x) {
        const long long element = tile.from + i;
        const float base = widen<FORMAT>(codeAt<FORMAT>(on.base, element));
        const float result = resultOf(element, base, [&](auto&& take) {
#pragma unroll 1
            for (int m = 0; m < on.modelCount; m++) {
                take(m, deltaAt<FORMAT>(on, m, element, base));
            }
        });
        storeOne(on.output, element, result, on.outFormat);
    }
    mergeVectors<FORMAT, SLOTS>(
        on, tile.from, vectors, [&](long long first, const float (&bases)[kGroup], float (&results)[kGroup], auto&& eachDelta) {
            float deltas[SLOTS][kGroup] = {};
            eachDelta([&](int m, const float (&those)[kGroup]) {
#pragma unroll
                for (int i = 0; i < kGroup; i++) {
                    deltas[m][i] = those[i];
                }
            });
#pragma unroll
            for (int i = 0; i < kGroup; i++) {
                results[i] = resultOf(first + i, bases[i], [&](auto&& take) {
#pragma unroll
                    for (int m = 0; m < SLOTS; m++) {
                        take(m, deltas[m][i]);
                    }
                });
            }
        });
}

}  // namespace task_vectors
