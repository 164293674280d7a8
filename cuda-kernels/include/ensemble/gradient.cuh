// DIFFERENTIATE: how the objective changes with the weight and the temperature of each model.
#pragma once
#include "ensemble/row.cuh"

namespace ensemble {

// 0 where the factor is, whatever the number.
__device__ inline float times(float factor, float number) { return factor == 0.0f ? 0.0f : __fmul_rn(factor, number); }

// What the logits of a class are multiplied by, given its score; the logarithm, given its probability.
template <Format FORMAT, Kind KIND>
__device__ inline float Row<FORMAT, KIND>::factorOf(float value) const
{
    if (isOfProbabilities()) {
        return float_math::log(value);
    }
    const Statistics& all = statistics(combined());
    const float difference = __fsub_rn(value, all.max);
    const float q = __fmul_rn(all.scale, float_math::expOfDifference(bounded(difference)));
    return job.byLabel ? q : times(q, __fsub_rn(difference, __double2float_rn(all.meanDifference)));
}

// By one team: the sums of a chunk for each model, which take the places of those of its exponentials.
template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::differentiate(int chunk) const
{
    combineValues(chunk);
#pragma unroll 1
    for (int r = 0; r < visitedRows(chunk); r++) {
        setPair(r, {factorOf(pair(r).x), factorOf(pair(r).y)});
    }
    const int reference = isOfProbabilities() ? 0 : job.byLabel ? max(label(), 0) : statistics(combined()).best;
#pragma unroll 1
    for (int e = 0; e < job.modelCount; e++) {
        float2 sums = {};
        float2 moments = {};
        if (isOfProbabilities()) {
            const float origin = statistics(e).max;
            const float scale = __double2float_rn(__ddiv_rn(1.0, statistics(e).sum));
            const auto add = [=](float x, float log, float& sum, float& moment) {
                const float p = __fmul_rn(scale, float_math::expOfDifference(bounded(__fsub_rn(x, origin))));
                const float surprise = times(p, log);
                sum = __fadd_rn(sum, surprise);
                moment = __fadd_rn(moment, times(surprise, __fsub_rn(x, origin)));
            };
            eachPair(e, chunk, [&](int r, float2 x) {
                add(x.x, pair(r).x, sums.x, moments.x);
                add(x.y, pair(r).y, sums.y, moments.y);
            });
        } else {
            const float origin = xOf(e, reference);
            eachPair(e, chunk, [&](int r, float2 x) {
                sums.x = __fadd_rn(sums.x, times(pair(r).x, __fsub_rn(x.x, origin)));
                sums.y = __fadd_rn(sums.y, times(pair(r).y, __fsub_rn(x.y, origin)));
            });
        }
        const float sum = foldLanes(sums, team());
        const float moment = foldLanes(moments, team());
        if (team().lane == 0) {
            record(chunk, e).sum = sum;
            record(chunk, e).moment = moment;
        }
    }
}

// Of a model whose derivatives by v times V, and by the reciprocal of the temperature relative to that and to the share, are known.
template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::storeGradient(int e, double byWeight, double byInverse) const
{
    const long long at = members.row * job.modelCount + e;
    const double share = members.shares[e];
    const bool defined = members.sound && (!job.byLabel || label() >= 0);
    const double byTemperature = share == 0.0 ? 0.0 : __ddiv_rn(__dmul_rn(share, byInverse), model(e).temperature);
    storeNumber(BY_WEIGHT, at, defined ? __double2float_rn(__ddiv_rn(byWeight, members.sum)) : float_math::kNaN);
    storeNumber(BY_TEMPERATURE, at, defined ? __double2float_rn(byTemperature) : float_math::kNaN);
}

// By one team, once all chunks are there. What the chunks of a model add up to takes the place of its statistics.
template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::finishGradient() const
{
    double mean = 0.0;
#pragma unroll 1
    for (int e = 0; e < job.modelCount; e++) {
        double sum = sumChunks([&](int j) { return static_cast<double>(record(j, e).sum); });
        double byInverse = sum;
        if (isOfProbabilities()) {
            const double moment = sumChunks([&](int j) { return static_cast<double>(record(j, e).moment); });
            byInverse = __dsub_rn(moment, __dmul_rn(sum, statistics(e).meanDifference));
        } else if (job.byLabel) {
            byInverse = -sum;
        } else {
            sum = -sum;
        }
        mean = members.shares[e] > 0.0f ? __fma_rn(members.shares[e], sum, mean) : mean;
        __syncwarp(team().mask);
        if (team().lane == 0) {
            statistics(e).sum = sum;
            statistics(e).meanDifference = byInverse;
        }
    }
    __syncwarp(team().mask);
    for (int e = team().lane; e < job.modelCount; e += team().width) {
        const double sum = statistics(e).sum;
        storeGradient(e, isOfProbabilities() ? __dsub_rn(mean, sum) : __dsub_rn(sum, mean), statistics(e).meanDifference);
    }
    if (isOfProbabilities() && team().lane == 0) {
        storeNumber(ENTROPY, members.row, members.sound ? -__double2float_rn(mean) : float_math::kNaN);
    }
    __syncwarp(team().mask);  // all threads read the members to here
}

// The probability that a model gives to the label, relative to the exponential of an origin.
template <Format FORMAT, Kind KIND>
__device__ inline double Row<FORMAT, KIND>::likelihood(int e, int label, float origin) const
{
    return __ddiv_rn(float_math::exp(__fsub_rn(__fsub_rn(xOf(e, label), statistics(e).max), origin)), statistics(e).sum);
}

// By one team: the cross-entropy of a mean of probabilities, which needs no class but the label.
template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::differentiateLabel() const
{
    const int c = max(label(), 0);
    float origin = -float_math::kInfinity;
    double mean = 0.0;
#pragma unroll 1
    for (int i = 0; i < members.count; i++) {
        const int e = members.numbers[i];
        origin = larger(origin, __fsub_rn(xOf(e, c), statistics(e).max));
    }
    origin = origin == -float_math::kInfinity ? 0.0f : origin;
#pragma unroll 1
    for (int i = 0; i < members.count; i++) {
        const int e = members.numbers[i];
        mean = __fma_rn(members.shares[e], likelihood(e, c, origin), mean);
    }
    for (int e = team().lane; e < job.modelCount; e += team().width) {
        const double ratio = __ddiv_rn(likelihood(e, c, origin), mean);
        const double difference = __fsub_rn(xOf(e, c), statistics(e).max);
        storeGradient(e, __dsub_rn(1.0, ratio), ratio == 0.0 ? 0.0 : __dmul_rn(ratio, __dsub_rn(difference, statistics(e).meanDifference)));
    }
    if (team().lane == 0) {
        const bool defined = members.sound && label() >= 0;
        storeNumber(LOSS, members.row, defined ? -__fadd_rn(origin, float_math::log(__double2float_rn(mean))) : float_math::kNaN);
    }
}

}  // namespace ensemble
