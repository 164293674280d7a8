// What the values of a chunk add up to, and what its chunks make of a row.
#pragma once
#include "ensemble/row.cuh"

namespace ensemble {

// What a chunk adds up to, of whose rows a thread has pairs.
template <Format FORMAT, Kind KIND>
template <typename Pair>
__device__ inline ChunkRecord Row<FORMAT, KIND>::recordOf(int chunk, Maximum maximum, bool summed, bool ranked, Pair pair) const
{
    ChunkRecord record = {maximum.of(team()), 0.0f, 0.0f, 0};
    if (ranked) {
        record.best = firstOf(chunk, record.max, pair);
    }
    if (summed && isFinite(record.max)) {
        float2 sums = {};
        float2 moments = {};
#pragma unroll 4
        for (int r = 0; r < rowsOf(chunk); r++) {
            const float2 x = pair(r);
            addExponential(__fsub_rn(x.x, record.max), sums.x, moments.x);
            addExponential(__fsub_rn(x.y, record.max), sums.y, moments.y);
        }
        record.sum = foldLanes(sums, team());
        record.moment = foldLanes(moments, team());
    }
    return record;
}

template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::addExponential(float difference, float& sum, float& moment)
{
    const float d = bounded(difference);
    const float q = float_math::expOfDifference(d);
    sum = __fadd_rn(sum, q);
    moment = __fmaf_rn(q, d, moment);
}

// The first class of a chunk that has the maximum.
template <Format FORMAT, Kind KIND>
template <typename Pair>
__device__ inline int Row<FORMAT, KIND>::firstOf(int chunk, float max, Pair pair) const
{
    const auto isMax = [=](float x) { return x == max || (isNaN(x) && isNaN(max)); };
    int first = job.classes;
#pragma unroll 4
    for (int r = rowsOf(chunk) - 1; r >= 0; r--) {
        const float2 x = pair(r);
        const int c = classOf(chunk, r);
        first = isMax(x.x) ? c : isMax(x.y) ? c + 1 : first;
    }
#pragma unroll
    for (int step = team().width / 2; step > 0; step /= 2) {
        first = min(first, __shfl_xor_sync(team().mask, first, step));
    }
    return first;
}

// In pairs of neighbours. A part of a warp has rows of one chunk.
template <Format FORMAT, Kind KIND>
template <typename Term>
__device__ inline double Row<FORMAT, KIND>::sumChunks(Term term) const
{
    if constexpr (PART) {
        return term(0);
    } else {
        return sumPairs(chunks(), term);
    }
}

// What the chunks of a model, or of the scores, add up to; by one team.
template <Format FORMAT, Kind KIND>
__device__ inline Statistics Row<FORMAT, KIND>::total(int slot, float share) const
{
    Statistics all = {};
    all.max = -float_math::kInfinity;
    all.best = record(0, slot).best;
#pragma unroll 1
    for (int j = team().lane; j < chunks(); j += team().width) {
        const ChunkRecord& found = record(j, slot);
        if (isBetter(found.max, all.max)) {
            all.max = found.max;
            all.best = found.best;
        }
    }
#pragma unroll
    for (int step = team().width / 2; step > 0; step /= 2) {
        const float max = __shfl_xor_sync(team().mask, all.max, step);
        const int best = __shfl_xor_sync(team().mask, all.best, step);
        if (isBetter(max, all.max) || (!isBetter(all.max, max) && best < all.best)) {
            all.max = max;
            all.best = best;
        }
    }
    double moment = __longlong_as_double(0x7FF8000000000000LL);
    all.sum = moment;
    if (isFinite(all.max)) {
        const auto difference = [&](int j) { return bounded(__fsub_rn(record(j, slot).max, all.max)); };
        all.sum = sumChunks([&](int j) {
            return __dmul_rn(float_math::exp(difference(j)), record(j, slot).sum);
        });
        moment = sumChunks([&](int j) {
            const double d = difference(j);
            return __dmul_rn(float_math::exp(difference(j)), __dadd_rn(record(j, slot).moment, __dmul_rn(d, record(j, slot).sum)));
        });
    }
    all.logSum = float_math::log(__double2float_rn(all.sum));
    all.scale = __double2float_rn(__ddiv_rn(share, all.sum));
    all.meanDifference = __ddiv_rn(moment, all.sum);
    return all;
}

}  // namespace ensemble
