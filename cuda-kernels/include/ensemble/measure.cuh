// MEASURE: the sums of exponentials of single models.
#pragma once
#include "ensemble/row.cuh"

namespace ensemble {

// A thread's pair in a row.
template <Format FORMAT, bool PART>
template <int WORDS>
__device__ inline float2 Row<FORMAT, PART>::xIn(const uint32_t (&words)[WORDS], int r, float inverse)
{
    const float first = widen<FORMAT>(codeIn<FORMAT>(words, 2 * r));
    const float second = widen<FORMAT>(codeIn<FORMAT>(words, 2 * r + 1));
    return {__fmul_rn(first, inverse), __fmul_rn(second, inverse)};
}

// What a chunk of a model whose x are there adds up to.
template <Format FORMAT, bool PART>
__device__ inline void Row<FORMAT, PART>::measureModel(int e, int chunk, Maximum maximum) const
{
    const bool votes = job.mode == VOTE;
    const ChunkRecord found = recordOf(chunk, maximum, !votes || job.everyModel, votes);
    if (team().lane == 0) {
        record(chunk, e) = found;
    }
}

// The models of a row of few classes.
template <Format FORMAT, bool PART>
__device__ inline void Row<FORMAT, PART>::measureFew() const
{
#pragma unroll 1
    for (int i = 0; i < measuredCount(); i++) {
        const int e = measured(i);
        Maximum maximum;
        for (int r = 0; r < rowsOf(0); r++) {
            const int c = classOf(0, r);
            pair(r) = {c < job.classes ? xOf(e, c) : -float_math::kInfinity, c + 1 < job.classes ? xOf(e, c + 1) : -float_math::kInfinity};
            maximum.take(pair(r));
        }
        measureModel(e, 0, maximum);
    }
}

template <Format FORMAT, bool PART>
__device__ inline void Row<FORMAT, PART>::measure(int chunk) const
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
                maximum = keep(words[0], model(e).inverse);
            } else {
                eachPair(e, chunk, [&](int r, float2 x) {
                    maximum.take(x);
                    pair(r) = x;
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

// Keeps x of a chunk that was loaded.
template <Format FORMAT, bool PART>
__device__ inline Maximum Row<FORMAT, PART>::keep(const uint32_t (&words)[kRows * kPairWords<FORMAT>], float inverse) const
{
    Maximum maximum;
#pragma unroll
    for (int r = 0; r < kRows; r++) {
        const float2 x = xIn(words, r, inverse);
        maximum.take(x);
        pair(r) = x;
    }
    return maximum;
}

// Loads x of a chunk, some rows after the other, and hands them out; -infinity where there is no class, or the model lacks it.
template <Format FORMAT, bool PART>
template <typename Visit>
__device__ inline void Row<FORMAT, PART>::eachPair(int e, int chunk, Visit visit) const
{
    const uint64_t rows = logits(e, chunk * kChunk);
#pragma unroll 1
    for (int firstRow = 0; firstRow < visitedRows(chunk); firstRow += kRowCount) {
        uint32_t words[kRowCount * kPairWords<FORMAT>];
        loadEach<FORMAT, kRowCount>(words, rows + firstRow * kLanes * bytesOf(FORMAT), count(chunk) - firstRow * kLanes);
#pragma unroll
        for (int r = 0; r < kRowCount; r++) {
            float2 x = xIn(words, r, model(e).inverse);
            if (model(e).present != 0) {
                const int c = classOf(chunk, firstRow + r);
                x.x = c < job.classes && has(e, c) ? x.x : -float_math::kInfinity;
                x.y = c + 1 < job.classes && has(e, c + 1) ? x.y : -float_math::kInfinity;
            }
            visit(firstRow + r, x);
        }
    }
}

// Ends MEASURE of a row, by a block or a part of a warp.
template <Format FORMAT, bool PART>
__device__ inline void Row<FORMAT, PART>::finishMeasure() const
{
#pragma unroll 1
    for (int i = PART ? 0 : threadIdx.x / 32; i < measuredCount(); i += PART ? 1 : blockDim.x / 32) {
        const int e = measured(i);
        const Statistics all = total(e, members.shares[e]);
        if (team().lane == 0) {
            statistics(e) = all;
            storeNumber(LOG_SUM_EXP, members.row * job.modelCount + e, all.logSumExp());
        }
    }
}

}  // namespace ensemble
