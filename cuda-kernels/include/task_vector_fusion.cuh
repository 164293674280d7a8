// The body of fusions of task vectors, for one element type of the inputs and a number of models that fits into registers.
//
//   contract  consensus/TaskVectorFusion.java, whose merge this equals bit for bit
//   input     models and a base of one type, at any address
//   output    one tensor of any of the types; may be one of the inputs
//   tables    tiles: which elements of which item; addresses of an item: its models, its base, its output; thresholds of the models, of as many as there
//             are slots at least
//   order     sums in the order of the models, from +0
//   launch    1-D, blocks take tiles in turn: any grid, any block; no barrier
//   traffic   each input once, the output once, 16 bytes at a time where all addresses of a tile allow it. More models than slots: element by element,
//             and inputs twice for masks of the sum
#pragma once
#include "keys.cuh"
#include "task_vectors.cuh"

namespace task_vector_fusion {

// The numbers are those of TaskVectorFusionCuda.java.
enum class Kind : int { LARGEST = 0, UNIFIED = 1, TALL_MASKED = 2 };

// What is the same for all elements of a tile.
struct Operands : task_vectors::Operands {
    const float* thresholds;  // NaN for a model whose mask nobody asks
    Kind kind;
    int model;                // whose mask the unified task vector is laid under, or -1
    int fewest;               // masks that have to be set
    float lambda;
};

// One element. What sign a zero has makes no difference: a difference of -0 has a base of +0, to which either zero adds nothing.
template <typename EachDelta>
__device__ inline float fused(const Operands& on, EachDelta&& eachDelta)
{
    if (on.kind == Kind::LARGEST) {
        float largest = 0.0f;
        eachDelta([&](int, float delta) { largest = keyOf(delta) < keyOf(largest) ? largest : delta; });
        return largest;
    }
    float sum = 0.0f;
    float most = 0.0f;
    float least = 0.0f;
    float masking = 0.0f;
    eachDelta([&](int m, float delta) {
        sum = __fadd_rn(sum, delta);
        most = fmaxf(most, delta);
        least = fminf(least, delta);
        masking = m == on.model ? delta : masking;
    });
    if (on.kind == Kind::UNIFIED) {
        const float unified = sum > 0.0f ? most : least;
        const bool agrees = on.model < 0 || (sum > 0.0f ? masking > 0.0f : masking < 0.0f);
        return isNaN(sum) ? sum : agrees ? unified : 0.0f;
    }
    int set = 0;
    eachDelta([&](int m, float delta) {
        set += fabsf(delta) > __fmul_rn(on.thresholds[m], fabsf(__fsub_rn(sum, delta)));
    });
    return isNaN(sum) || set >= on.fewest ? sum : 0.0f;
}

template <Format FORMAT, int SLOTS>
__device__ inline void run(
    const Tile* __restrict__ tiles,
    long long tileCount,
    const uint64_t* __restrict__ addresses,
    const float* __restrict__ thresholds,
    int modelCount,
    int kind,
    int model,
    int fewest,
    float lambda,
    int outFormat)
{
    for (long long t = blockIdx.x; t < tileCount; t += gridDim.x) {
        const Tile tile = tiles[t];
        const uint64_t* const at = addresses + static_cast<long long>(tile.item) * (modelCount + 2);
        const Operands on = {{at, at[modelCount], at[modelCount + 1], modelCount, static_cast<Format>(outFormat)},
                             thresholds,
                             static_cast<Kind>(kind),
                             model,
                             fewest,
                             lambda};
        task_vectors::mergeTile<FORMAT, SLOTS>(on, tile, [&](long long, float base, auto&& eachDelta) {
            return __fmaf_rn(on.lambda, fused(on, eachDelta), base);
        });
    }
}

}  // namespace task_vector_fusion

#define TASK_VECTOR_FUSION(NAME, FORMAT, SLOTS)                                                                                      \
    extern "C" __global__ void __launch_bounds__(256, 2)                                                                              \
        NAME(const Tile* __restrict__ tiles, long long tileCount, const uint64_t* __restrict__ addresses,                             \
             const float* __restrict__ thresholds, int modelCount, int kind, int model, int fewest, float lambda, int outFormat)      \
    {                                                                                                                                 \
        task_vector_fusion::run<FORMAT, SLOTS>(                                                                                       \
            tiles, tileCount, addresses, thresholds, modelCount, kind, model, fewest, lambda, outFormat);                             \
    }

// Up to 4 models by vectors, and up to 8.
#define TASK_VECTOR_FUSIONS(FORMAT)                      \
    TASK_VECTOR_FUSION(task_vector_fusion_4, FORMAT, 4)  \
    TASK_VECTOR_FUSION(task_vector_fusion_8, FORMAT, 8)
