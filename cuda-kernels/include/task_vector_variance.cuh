// How much task vectors differ from each other, and what is left of one of them where they differ most, for one element type of the inputs and a
// number of models that fits into registers.
//
//   contract  trim/TaskVectorVariance.java, equal bit for bit; what is left is where a cut of trim/MagnitudeCut.java keeps the variance
//   input     models and a base of one type, at any address
//   output    in F32: the variances; or a model's task vector where they are kept and +0 elsewhere; or factors, 1 there and NaN elsewhere
//   tables    tiles: which elements; addresses: the models, the base, the output
//   order     in float64, in the order of the models
//   launch    1-D, blocks take tiles in turn: any grid, any block; no barrier
//   traffic   each input once, the output once, 16 bytes at a time where all addresses of a tile allow it. More models than slots: element by element,
//             and inputs twice
#pragma once
#include "keys.cuh"
#include "task_vectors.cuh"

namespace task_vector_variance {

// What is asked for in place of a model's task vector; the numbers are those of TaskVectorVarianceCuda.java.
constexpr int kVariances = -1;
constexpr int kFactors = -2;

// What is the same for all elements.
struct Operands : task_vectors::Operands {
    int wanted;         // a model's place, or one of the above
    int key;            // of the cut
    long long lastTie;  // the last element kept of those that have it
};

// One element.
template <typename EachDelta>
__device__ inline float result(const Operands& on, long long i, EachDelta&& eachDelta)
{
    const double models = on.modelCount;
    double mean = 0.0;
    float own = 1.0f;
    eachDelta([&](int m, float delta) {
        if (m < on.modelCount) {
            mean = __dadd_rn(mean, delta);
            own = m == on.wanted ? delta : own;
        }
    });
    mean = __ddiv_rn(mean, models);
    double squares = 0.0;
    eachDelta([&](int m, float delta) {
        if (m < on.modelCount) {
            const double off = __dsub_rn(delta, mean);
            squares = __dadd_rn(squares, __dmul_rn(off, off));
        }
    });
    const float variance = __double2float_rn(__ddiv_rn(squares, models));
    const bool kept = keyOf(variance) + (i <= on.lastTie) > on.key;
    const float elsewhere = on.wanted == kFactors ? __uint_as_float(0x7FC00000) : 0.0f;
    return on.wanted == kVariances ? variance : kept ? own : elsewhere;
}

template <Format FORMAT, int SLOTS>
__device__ inline void run(
    const Tile* __restrict__ tiles,
    long long tileCount,
    const uint64_t* __restrict__ addresses,
    int modelCount,
    int wanted,
    int key,
    long long lastTie)
{
    const Operands on = {
        {addresses, addresses[modelCount], addresses[modelCount + 1], modelCount, Format::F32}, wanted, key, lastTie};
    for (long long t = blockIdx.x; t < tileCount; t += gridDim.x) {
        task_vectors::mergeTile<FORMAT, SLOTS>(
            on, tiles[t], [&](long long i, float, auto&& eachDelta) { return result(on, i, eachDelta); });
    }
}

}  // namespace task_vector_variance

#define TASK_VECTOR_VARIANCE(NAME, FORMAT, SLOTS)                                                                                    \
    extern "C" __global__ void __launch_bounds__(256, 2)                                                                              \
        NAME(const Tile* __restrict__ tiles, long long tileCount, const uint64_t* __restrict__ addresses, int modelCount, int wanted, \
             int key, long long lastTie)                                                                                              \
    {                                                                                                                                 \
        task_vector_variance::run<FORMAT, SLOTS>(tiles, tileCount, addresses, modelCount, wanted, key, lastTie);                      \
    }

// Up to 4 models by vectors, and up to 8.
#define TASK_VECTOR_VARIANCES(FORMAT)                        \
    TASK_VECTOR_VARIANCE(task_vector_variance_4, FORMAT, 4)  \
    TASK_VECTOR_VARIANCE(task_vector_variance_8, FORMAT, 8)
