// The body of the disjoint merge, for one element type of the inputs and a number of models that fits into registers.
//
//   contract  consensus/DisjointMerge.java; the twin is DisjointMergeCpu, equal bit for bit
//   input     models and a base of one type, at any address
//   output    one tensor of any of the types; may be one of the inputs
//   tables    tiles: which elements of which item; addresses of an item: its models, its base, its output; voters of an item: its models;
//             divisors of an item: for each set of agreeing models, as bits, what its sum is divided by (one if there is no election)
//   order     votes in the order of the models, as the contract has it
//   launch    1-D, blocks take tiles in turn: any grid, any block; no barrier
//   traffic   each input once, the output once, 16 bytes at a time where all addresses of a tile allow it and its first element's number is a
//             multiple of 4, as random words come in fours; bits or factors of drops as they lie. More models than slots: element by element, inputs twice
#pragma once
#include "keys.cuh"
#include "philox.cuh"
#include "task_vectors.cuh"

namespace disjoint_merge {

// The numbers are those of DisjointMergeCuda.java.
enum class Election : int { WEIGHTED = 0, UNWEIGHTED = 1, NONE = 2, COUNT = 3 };

// What says which elements are drawn: nothing, random words, bits in memory, or factors in memory, of which NaN says no.
enum class Draw : int { ALL = 0, WORDS = 1, BITS = 2, FACTORS = 3 };

struct Voter {
    long long lastTie;       // the last element kept of those whose key is leastKey
    long long lastLimitTie;  // the last element too large of those whose key is limitKey
    int leastKey;
    int limitKey;
    float weight;
    float factor;            // of what is not dropped
    uint64_t source;         // the key of random words; 8 times the address at which the bit of element 0 would be the lowest; or that of its factor
    uint32_t stream;
    uint32_t mostWord;       // elements with larger words are dropped
    Draw draw;
    int unused;
};

struct Item {
    long long first;  // the number in the whole tensor of its first element
    float lambda;
    int unused;
};

struct Divisor {
    double reciprocal;
    float divisor;
    int unused;
};

// What is the same for all elements of a tile.
struct Operands : task_vectors::Operands {
    const Voter* voters;
    const Divisor* divisors;
    long long first;
    float lambda;
    Election election;
    bool takesLargest;  // of the votes that agree; else they are added up
    bool zeroElectsPlus;
    bool normalize;
};

constexpr int kGroup = task_vectors::kGroup;  // random words come together, too

constexpr float kDropped = __builtin_nanf("");

// The part of a vote that does not depend on the model's place: +0 for what is not kept. Ties count as one key more.
__device__ inline float voteOf(const Voter& voter, Election election, float delta, bool tie, bool limitTie, float factor)
{
    const int key = keyOf(delta);
    const bool kept = !isNaN(factor) && key + tie > voter.leastKey && !(key + limitTie > voter.limitKey);
    const float sparse = __fmul_rn(factor, delta);
    return kept ? election == Election::UNWEIGHTED ? sparse : __fmul_rn(voter.weight, sparse) : 0.0f;
}

// A vote's part in what elects.
__device__ inline float massOf(Election election, float vote)
{
    return election != Election::COUNT || vote == 0.0f || isNaN(vote) ? vote : copysignf(1.0f, vote);
}

__device__ inline bool electsPlus(const Operands& on, float mass) { return mass > 0.0f || (mass == 0.0f && on.zeroElectsPlus); }

// Whether a vote that agrees counts beside those before it.
__device__ inline bool counts(const Operands& on, float part, float sum) { return !on.takesLargest || fabsf(part) > fabsf(sum); }

// A vote as a magnitude if it has the elected sign; else not greater than 0.
__device__ inline float turned(float value, bool plus) { return __int_as_float(__float_as_int(value) ^ (plus ? 0 : 0x80000000)); }

__device__ inline float merged(float sum, float mass, float lambda, float base)
{
    return __fmaf_rn(lambda, isNaN(mass) ? __uint_as_float(0x7FC00000) : sum, base);
}

// The random words of four elements, the first of which has a number that is a multiple of 4.
__device__ inline PhiloxBlock wordsAt(const Voter& voter, long long number)
{
    return philox(static_cast<uint32_t>(voter.source), static_cast<uint32_t>(voter.source >> 32), voter.stream, number / kGroup);
}

// The bits of some elements, at most 8, from one on; they may lie in two bytes.
template <int COUNT>
__device__ inline unsigned bitsAt(const Voter& voter, long long number)
{
    const uint64_t bit = voter.source + number;
    const unsigned low = *reinterpret_cast<const uint8_t*>(bit / 8);
    const unsigned high = *reinterpret_cast<const uint8_t*>((bit + COUNT - 1) / 8);
    return (high << 8 | low) >> bit % 8;
}

__device__ inline float factorAt(const Voter& voter, long long number)
{
    return *reinterpret_cast<const float*>(voter.source + number * sizeof(float));
}

template <Format FORMAT>
__device__ inline bool aligned(const Operands& on, long long from)
{
    return task_vectors::aligned<FORMAT>(on, from) && (on.first + from) % 4 == 0;
}

// DRAWS says whether a voter may drop elements.
template <Format FORMAT, bool DRAWS>
__device__ inline float voteAt(const Operands& on, int model, long long i, float base)
{
    const Voter& voter = on.voters[model];
    const long long number = on.first + i;
    const float delta = task_vectors::deltaAt<FORMAT>(on, model, i, base);
    bool drawn = true;
    float factor = voter.factor;
    if (DRAWS && voter.draw == Draw::BITS) {
        drawn = (bitsAt<1>(voter, number) & 1) != 0;
    } else if (DRAWS && voter.draw == Draw::FACTORS) {
        factor = __fmul_rn(factor, factorAt(voter, number));
    } else if (DRAWS && voter.draw == Draw::WORDS) {
        const PhiloxBlock block = wordsAt(voter, number);
        const uint32_t even = number % 4 < 2 ? block.words[0] : block.words[2];
        const uint32_t odd = number % 4 < 2 ? block.words[1] : block.words[3];
        drawn = (number % 2 == 0 ? even : odd) <= voter.mostWord;
    }
    return voteOf(voter, on.election, delta, number <= voter.lastTie, number <= voter.lastLimitTie, drawn ? factor : kDropped);
}

template <Format FORMAT, bool DRAWS>
__device__ inline void mergeElement(const Operands& on, long long i)
{
    const float base = widen<FORMAT>(codeAt<FORMAT>(on.base, i));
    float mass = 0.0f;
#pragma unroll 1
    for (int m = 0; m < on.modelCount; m++) {
        mass = __fadd_rn(mass, massOf(on.election, voteAt<FORMAT, DRAWS>(on, m, i, base)));
    }
    float sum = mass;
    float weights = on.divisors->divisor;
    if (on.election != Election::NONE) {
        const bool plus = electsPlus(on, mass);
        sum = 0.0f;
        weights = 0.0f;
#pragma unroll 1
        for (int m = 0; m < on.modelCount; m++) {
            const float vote = turned(voteAt<FORMAT, DRAWS>(on, m, i, base), plus);
            const float weight = on.voters[m].weight;
            const float part = on.election == Election::UNWEIGHTED ? __fmul_rn(weight, vote) : vote;
            if (vote > 0.0f && counts(on, part, sum)) {
                sum = on.takesLargest ? part : __fadd_rn(sum, part);
                weights = on.takesLargest ? weight : __fadd_rn(weights, weight);
            }
        }
        sum = turned(sum, plus);
    }
    if (on.normalize && weights != 0.0f) {
        sum = __fdiv_rn(sum, weights);
    }
    storeOne(on.output, i, merged(sum, mass, on.lambda, base), on.outFormat);
}

// The votes of one model for neighbours, and their part in the masses.
template <bool DRAWS>
__device__ inline void vote(
    const Voter& voter, Election election, long long number, const float (&deltas)[kGroup], float (&votes)[kGroup], float (&masses)[kGroup])
{
    // Of these elements, counted from the first, the last that ties may keep.
    const int lastTie = static_cast<int>(min(max(voter.lastTie - number, -1ll), static_cast<long long>(kGroup)));
    const int lastLimitTie = static_cast<int>(min(max(voter.lastLimitTie - number, -1ll), static_cast<long long>(kGroup)));
    float factors[kGroup] = {voter.factor, voter.factor, voter.factor, voter.factor};
    if (DRAWS && voter.draw == Draw::BITS) {
        const unsigned bits = bitsAt<kGroup>(voter, number);
#pragma unroll
        for (int i = 0; i < kGroup; i++) {
            factors[i] = (bits >> i & 1) != 0 ? factors[i] : kDropped;
        }
    } else if (DRAWS && voter.draw == Draw::FACTORS) {
#pragma unroll
        for (int i = 0; i < kGroup; i++) {
            factors[i] = __fmul_rn(factors[i], factorAt(voter, number + i));
        }
    } else if (DRAWS && voter.draw == Draw::WORDS) {
        const PhiloxBlock block = wordsAt(voter, number);
#pragma unroll
        for (int i = 0; i < kGroup; i++) {
            factors[i] = block.words[i] <= voter.mostWord ? factors[i] : kDropped;
        }
    }
#pragma unroll
    for (int i = 0; i < kGroup; i++) {
        votes[i] = voteOf(voter, election, deltas[i], i <= lastTie, i <= lastLimitTie, factors[i]);
        masses[i] = __fadd_rn(masses[i], massOf(election, votes[i]));
    }
}

// Votes to results.
template <int SLOTS>
__device__ inline void elect(
    const Operands& on, const float (&votes)[SLOTS][kGroup], const float (&masses)[kGroup], const float (&bases)[kGroup],
    float (&results)[kGroup])
{
#pragma unroll
    for (int i = 0; i < kGroup; i++) {
        const bool plus = electsPlus(on, masses[i]);
        float sum = on.election == Election::NONE ? masses[i] : 0.0f;
        int agreeing = 0;
        if (on.election != Election::NONE) {
#pragma unroll
            for (int m = 0; m < SLOTS; m++) {
                if (m < on.modelCount) {
                    const float vote = turned(votes[m][i], plus);
                    const float part = on.election == Election::UNWEIGHTED ? __fmul_rn(on.voters[m].weight, vote) : vote;
                    const bool agrees = vote > 0.0f && counts(on, part, sum);
                    sum = agrees && on.takesLargest ? part : __fadd_rn(sum, agrees ? part : 0.0f);
                    agreeing = agrees ? (on.takesLargest ? 0 : agreeing) | 1 << m : agreeing;
                }
            }
            sum = turned(sum, plus);
        }
        if (on.normalize) {
            const Divisor by = on.divisors[agreeing];
            sum = by.divisor == 0.0f ? sum : divided(sum, by.divisor, by.reciprocal);
        }
        results[i] = merged(sum, masses[i], on.lambda, bases[i]);
    }
}

// An item of a launch. Divisors of a set of models are numbered by its bits; there is one without an election or beyond the slots.
__device__ inline Operands operandsOf(
    long long item, const uint64_t* addresses, const Voter* voters, const Item* items, const Divisor* divisors, int divisorCount,
    int modelCount, int election, int takesLargest, int zeroElectsPlus, int normalize, int outFormat)
{
    const uint64_t* const at = addresses + item * (modelCount + 2);
    return {{at, at[modelCount], at[modelCount + 1], modelCount, static_cast<Format>(outFormat)},
            voters + item * modelCount,
            divisors + item * divisorCount,
            items[item].first,
            items[item].lambda,
            static_cast<Election>(election),
            takesLargest != 0,
            zeroElectsPlus != 0,
            normalize != 0};
}

// Nobody looks at the task vectors on the way.
struct Unwatched {
    template <int COUNT>
    __device__ inline void see(int, const float (&)[COUNT], long long, bool)
    {
    }
    template <Format FORMAT>
    __device__ inline void seeElement(const Operands&, long long, bool)
    {
    }
    __device__ inline void writeIfFull() {}
};

template <Format FORMAT, int SLOTS, bool DRAWS, typename Watcher>
__device__ inline void mergeTile(const Operands& on, const Tile& tile, Watcher& watcher)
{
    const int vectors = on.modelCount <= SLOTS && aligned<FORMAT>(on, tile.from) ? tile.count / kElements<FORMAT> : 0;
    // What is left over comes first: afterwards it would keep registers that vectors want.
#pragma unroll 1
    for (int first = vectors * kElements<FORMAT>; first < tile.count; first += blockDim.x) {
        const int i = first + static_cast<int>(threadIdx.x);
        watcher.template seeElement<FORMAT>(on, tile.from + i, i < tile.count);
        if (i < tile.count) {
            mergeElement<FORMAT, DRAWS>(on, tile.from + i);
        }
        watcher.writeIfFull();
    }
    // Groups beyond the end are not stored: they have the bits and factors of the last one.
    const long long lastGroup = tile.from + vectors * kElements<FORMAT> - kGroup;
    task_vectors::mergeVectors<FORMAT, SLOTS>(
        on, tile.from, vectors, [&](long long i, const float (&bases)[kGroup], float (&results)[kGroup], auto&& eachDelta) {
            const long long number = on.first + min(i, lastGroup);
            float votes[SLOTS][kGroup];
            float masses[kGroup] = {};
            eachDelta([&](int m, const float (&deltas)[kGroup]) {
                watcher.see(m, deltas, i, i <= lastGroup);
                vote<DRAWS>(on.voters[m], on.election, number, deltas, votes[m], masses);
            });
            watcher.writeIfFull();
            elect(on, votes, masses, bases, results);
        });
}

template <Format FORMAT, int SLOTS>
__device__ inline void run(
    const Tile* __restrict__ tiles,
    long long tileCount,
    int divisorCount,
    const uint64_t* __restrict__ addresses,
    const Voter* __restrict__ voters,
    const Item* __restrict__ items,
    const Divisor* __restrict__ divisors,
    int modelCount,
    int election,
    int takesLargest,
    int zeroElectsPlus,
    int normalize,
    int outFormat)
{
    Unwatched nobody;
    for (long long t = blockIdx.x; t < tileCount; t += gridDim.x) {
        const Tile tile = tiles[t];
        mergeTile<FORMAT, SLOTS, true>(
            operandsOf(tile.item, addresses, voters, items, divisors, divisorCount, modelCount, election, takesLargest, zeroElectsPlus,
                       normalize, outFormat),
            tile, nobody);
    }
}

}  // namespace disjoint_merge

#define DISJOINT_MERGE(NAME, FORMAT, SLOTS)                                                                                           \
    extern "C" __global__ void __launch_bounds__(256, 2)                                                                              \
        NAME(const Tile* __restrict__ tiles, long long tileCount, int divisorCount, const uint64_t* __restrict__ addresses,           \
             const disjoint_merge::Voter* __restrict__ voters, const disjoint_merge::Item* __restrict__ items,                        \
             const disjoint_merge::Divisor* __restrict__ divisors, int modelCount, int election, int takesLargest,                    \
             int zeroElectsPlus, int normalize, int outFormat)                                                                        \
    {                                                                                                                                 \
        disjoint_merge::run<FORMAT, SLOTS>(                                                                                           \
            tiles, tileCount, divisorCount, addresses, voters, items, divisors, modelCount, election, takesLargest, zeroElectsPlus,   \
            normalize, outFormat);                                                                                                    \
    }

// Up to 4 models by vectors, and up to 8.
#define DISJOINT_MERGES(FORMAT)                  \
    DISJOINT_MERGE(disjoint_merge_4, FORMAT, 4)  \
    DISJOINT_MERGE(disjoint_merge_8, FORMAT, 8)
