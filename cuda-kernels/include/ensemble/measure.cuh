// MEASURE: the sums of exponentials of single models.
#pragma once
#include "ensemble/row.cuh"

namespace ensemble {

// A thread's pair in a row.
template <Format FORMAT, Kind KIND>
template <int WORDS>
__device__ inline float2 Row<FORMAT, KIND>::xIn(const uint32_t (&words)[WORDS], int r, float inverse)
{
    const float first = widen<FORMAT>(codeIn<FORMAT>(words, 2 * r));
    const float second = widen<FORMAT>(codeIn<FORMAT>(words, 2 * r + 1));
    return {__fmul_rn(first, inverse), __fmul_rn(second, inverse)};
}

// What a chunk of a model whose x are there adds up to.
template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::measureModel(int e, int chunk, Maximum maximum) const
{
    const bool votes = job.mode == VOTE;
    const float inverse = model(e).inverse;
    const ChunkRecord found = recordOf(chunk, maximum, !votes || job.everyModel, votes, [&](int r) {
        if constexpr (HOLDS_LOGITS) {
            return heldX(e, classOf(chunk, r), r, inverse);
        } else {
            return pair(r);
        }
    });
    if (team().lane == 0) {
        record(chunk, e) = found;
    }
}

// The models of a row of few classes.
template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::measureFew() const
{
#pragma unroll 1
    for (int i = 0; i < measuredCount(); i++) {
        const int e = measured(i);
        Maximum maximum;
        for (int r = 0; r < rowsOf(0); r++) {
            const int c = classOf(0, r);
            setPair(r, {c < job.classes ? xOf(e, c) : -float_math::kInfinity, c + 1 < job.classes ? xOf(e, c + 1) : -float_math::kInfinity});
            maximum.take(pair(r));
        }
        measureModel(e, 0, maximum);
    }
}

template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::measure(int chunk) const
{
    constexpr int kModels = 32 / (kRows * kPairWords<FORMAT>);  // whose words take 32 registers
    const int modelCount = measuredCount();
#pragma unroll 1
    for (int i = 0; i < modelCount; i += kModels) {
        uint32_t words[kModels][kRows * kPairWords<FORMAT>];
        uint64_t rows[kModels];
        bool vectors = true;
#pragma unroll
        for (int k = 0; k < kModels; k++) {
            const int e = measured(min(i + k, modelCount - 1));
            rows[k] = logits(e, chunk * kChunk);
            vectors &= isVector(rows[k], count(chunk), kRows) && model(e).present == 0;
        }
        if (vectors) {
#pragma unroll
            for (int k = 0; k < kModels; k++) {
                loadPairs<FORMAT, kRows>(words[k], i + k < modelCount, rows[k]);
            }
            afterLoads(words);
        }
        // One copy of what is done with a model: the words of the next move to the place of the first.
#pragma unroll 1
        for (int k = 0; k < kModels && i + k < modelCount; k++) {
            const int e = measured(i + k);
            Maximum maximum;
            if (vectors) {
                maximum = keep(e, words[0]);
            } else {
                eachPair(e, chunk, [&](int r, float2 x) {
                    maximum.take(x);
                    if constexpr (!HOLDS_LOGITS) {
                        setPair(r, x);
                    }
                });
            }
            measureModel(e, chunk, maximum);
#pragma unroll
            for (int w = 0; w < kRows * kPairWords<FORMAT>; w++) {
                words[0][w] = words[kModels - 1][w];
            }
        }
    }
}

// Keeps a chunk that was loaded: its x, or its words where they are to be held.
template <Format FORMAT, Kind KIND>
__device__ inline Maximum Row<FORMAT, KIND>::keep(int e, const uint32_t (&words)[kRows * kPairWords<FORMAT>]) const
{
    const float inverse = model(e).inverse;
    Maximum maximum;
#pragma unroll
    for (int r = 0; r < kRows; r++) {
        const float2 x = xIn(words, r, inverse);
        maximum.take(x);
        if constexpr (!HOLDS_LOGITS) {
            setPair(r, x);
        }
    }
    if constexpr (HOLDS_LOGITS) {
        hold<kRows>(e, 0, words);
    }
    return maximum;
}

template <Format FORMAT, Kind KIND>
template <int ROWS>
__device__ inline void Row<FORMAT, KIND>::hold(int e, int firstRow, const uint32_t (&words)[ROWS * kPairWords<FORMAT>]) const
{
#pragma unroll
    for (int i = 0; i < ROWS * kPairWords<FORMAT>; i++) {
        word(e * kPairWords<FORMAT> + i % kPairWords<FORMAT>, firstRow + i / kPairWords<FORMAT>) = words[i];
    }
}

template <Format FORMAT, Kind KIND>
template <int ROWS>
__device__ inline void Row<FORMAT, KIND>::loadHeld(uint32_t (&words)[ROWS * kPairWords<FORMAT>], int e, int firstRow) const
{
#pragma unroll
    for (int i = 0; i < ROWS * kPairWords<FORMAT>; i++) {
        words[i] = word(e * kPairWords<FORMAT> + i % kPairWords<FORMAT>, firstRow + i / kPairWords<FORMAT>);
    }
}

// The x of two classes, -infinity where the model lacks one, or there is none.
template <Format FORMAT, Kind KIND>
__device__ inline float2 Row<FORMAT, KIND>::limited(int e, int c, float2 x) const
{
    if (model(e).present != 0) {
        x.x = c < job.classes && has(e, c) ? x.x : -float_math::kInfinity;
        x.y = c + 1 < job.classes && has(e, c + 1) ? x.y : -float_math::kInfinity;
    }
    return x;
}

// The x of a thread's pair in a row of a chunk whose logits are held.
template <Format FORMAT, Kind KIND>
__device__ inline float2 Row<FORMAT, KIND>::heldX(int e, int c, int r, float inverse) const
{
    uint32_t words[kPairWords<FORMAT>];
    loadHeld<1>(words, e, r);
    return limited(e, c, xIn(words, 0, inverse));
}

// Loads x of a chunk, some rows after the other, and hands them out; -infinity where there is no class, or the model lacks it.
template <Format FORMAT, Kind KIND>
template <typename Visit>
__device__ inline void Row<FORMAT, KIND>::eachPair(int e, int chunk, Visit visit) const
{
    const uint64_t rows = logits(e, chunk * kChunk);
#pragma unroll 1
    for (int firstRow = 0; firstRow < visitedRows(chunk); firstRow += kRowCount) {
        uint32_t words[kRowCount * kPairWords<FORMAT>];
        loadEach<FORMAT, kRowCount>(words, rows + firstRow * kLanes * bytesOf(FORMAT), count(chunk) - firstRow * kLanes);
#pragma unroll
        for (int r = 0; r < kRowCount; r++) {
            visit(firstRow + r, limited(e, classOf(chunk, firstRow + r), xIn(words, r, model(e).inverse)));
        }
        if constexpr (HOLDS_LOGITS) {
            hold<kRowCount>(e, firstRow, words);
        }
    }
}

// Ends MEASURE of a row, by a block or a part of a warp; results are told by one of those that end it.
template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::finishMeasure(bool told) const
{
#pragma unroll 1
    for (int i = PART ? 0 : threadIdx.x / 32; i < measuredCount(); i += PART ? 1 : blockDim.x / 32) {
        const int e = measured(i);
        const Statistics all = total(e, members.shares[e]);
        if (team().lane == 0) {
            setStatistics(e, all, told);
            if (told) {
                storeNumber(LOG_SUM_EXP, members.row * job.modelCount + e, all.logSumExp());
            }
        }
    }
}

}  // namespace ensemble
