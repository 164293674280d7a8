// The values of a chunk: scores or probabilities of several models.
#pragma once
#include "ensemble/row.cuh"

namespace ensemble {

template <Format FORMAT, Kind KIND>
__device__ inline Step Row<FORMAT, KIND>::step() const
{
    return job.mode == PROBABILITIES ? Step::PROBABILITY : job.mode == MAXIMUM || job.mode == MOST_CONFIDENT ? Step::MAXIMUM : Step::MEAN;
}

template <Format FORMAT, Kind KIND>
__device__ inline typename Row<FORMAT, KIND>::Constants Row<FORMAT, KIND>::constants(int e) const
{
    return job.mode == PROBABILITIES                    ? Constants{statistics(e).scale, statistics(e).max}
           : job.mode == LOG_PROBABILITIES && job.limited ? Constants{members.shares[e], statistics(e).logSumExp()}
                                                          : Constants{members.shares[e], 0.0f};
}

template <Format FORMAT, Kind KIND>
template <Step STEP>
__device__ inline float Row<FORMAT, KIND>::take(float value, float x, Constants model)
{
    if constexpr (STEP == Step::PROBABILITY) {
        return __fmaf_rn(model.factor, float_math::expOfDifference(bounded(__fsub_rn(x, model.shift))), value);
    } else if constexpr (STEP == Step::MAXIMUM) {
        return larger(value, x);
    } else {
        return __fmaf_rn(model.factor, __fsub_rn(x, model.shift), value);
    }
}

// Takes a step with a model's words in some rows of a chunk.
template <Format FORMAT, Kind KIND>
template <Step STEP>
__device__ inline void Row<FORMAT, KIND>::takeRows(float2 (&to)[kRowCount], const uint32_t (&words)[kRowCount * kPairWords<FORMAT>], float inverse, Constants model) const
{
#pragma unroll
    for (int r = 0; r < kRowCount; r++) {
        const float2 x = xIn(words, r, inverse);
        to[r] = {take<STEP>(to[r].x, x.x, model), take<STEP>(to[r].y, x.y, model)};
    }
}

// Scores or probabilities in some rows of a chunk, as far as the models make them.
template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::combineRows(float2 (&to)[kRowCount], int chunk, int firstRow) const
{
    constexpr int kModels = HOLDS_LOGITS ? 1 : kModelsAtOnce;
    const int firstClass = chunk * kChunk + firstRow * kLanes;
    const int classes = job.classes - firstClass;
    const int count = members.count;
#pragma unroll 1
    for (int i = 0; i < count; i += kModels) {
        uint32_t words[kModels][kRowCount * kPairWords<FORMAT>];
        if constexpr (HOLDS_LOGITS) {
            loadHeld<kRowCount>(words[0], members.numbers[i], firstRow);
            takeModel(to, members.numbers[i], words[0]);
            continue;
        }
        uint64_t rows[kModels];
        bool vectors = true;
#pragma unroll
        for (int k = 0; k < kModels; k++) {
            rows[k] = logits(members.numbers[min(i + k, count - 1)], firstClass);
            vectors &= isVector(rows[k], classes, kRowCount);
        }
        if (!vectors) {
#pragma unroll 1
            for (int k = 0; k < kModels && i + k < count; k++) {
                loadEach<FORMAT, kRowCount>(words[0], logits(members.numbers[i + k], firstClass), classes);
                takeModel(to, members.numbers[i + k], words[0]);
            }
            continue;
        }
#pragma unroll
        for (int k = 0; k < kModels; k++) {
            loadPairs<FORMAT, kRowCount>(words[k], i + k < count, rows[k]);
        }
        afterLoads(words);
#pragma unroll
        for (int k = 0; k < kModels; k++) {
            if (i + k >= count) {
                break;
            }
            takeModel(to, members.numbers[i + k], words[k]);
        }
    }
}

template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::takeModel(float2 (&to)[kRowCount], int e, const uint32_t (&words)[kRowCount * kPairWords<FORMAT>]) const
{
    const float inverse = model(e).inverse;
    const Constants model = constants(e);
    const Step step = this->step();
    if (step == Step::PROBABILITY) {
        takeRows<Step::PROBABILITY>(to, words, inverse, model);
    } else if (step == Step::MAXIMUM) {
        takeRows<Step::MAXIMUM>(to, words, inverse, model);
    } else {
        takeRows<Step::MEAN>(to, words, inverse, model);
    }
}

// Makes the scores or the probabilities of a chunk.
template <Format FORMAT, Kind KIND>
__device__ inline Maximum Row<FORMAT, KIND>::combineValues(int chunk) const
{
    if (PART || (HOLDS_LOGITS && job.limited && members.sound)) {
        return combineOneByOne(chunk);  // before values take the places of logits
    }
    const bool oneByOne = job.mode == VOTE || job.limited;
    Maximum maximum;
#pragma unroll 1
    for (int firstRow = 0; firstRow < rowsOf(chunk); firstRow += kRowCount) {
        float2 made[kRowCount];
#pragma unroll
        for (int r = 0; r < kRowCount; r++) {
            made[r] = {start(), start()};
        }
        if (!oneByOne) {
            combineRows(made, chunk, firstRow);
        }
#pragma unroll
        for (int r = 0; r < kRowCount; r++) {
            maximum.take(made[r]);
            setPair(firstRow + r, made[r]);
        }
    }
    return oneByOne && members.sound ? combineOneByOne(chunk) : maximum;
}

template <Format FORMAT, Kind KIND>
__device__ inline Maximum Row<FORMAT, KIND>::combineOneByOne(int chunk) const
{
    Maximum maximum;
#pragma unroll 1
    for (int r = 0; r < rowsOf(chunk); r++) {
        float made[2];
#pragma unroll 1
        for (int h = 0; h < 2; h++) {
            const int c = classOf(chunk, r) + h;
            made[0] = made[1];
            const auto x = [&](int e) {
                if constexpr (HOLDS_LOGITS) {
                    const float2 pair = heldX(e, c - h, r, model(e).inverse);
                    return h == 0 ? pair.x : pair.y;
                } else {
                    return xOf(e, c);
                }
            };
            made[1] = c < job.classes ? valueOf(c, x) : isOfProbabilities() ? 0.0f : -float_math::kInfinity;
        }
        setPair(r, {made[0], made[1]});
        maximum.take(pair(r));
    }
    return maximum;
}

// The score or the probability of one class, given its x in each model, by one thread.
template <Format FORMAT, Kind KIND>
template <typename X>
__device__ inline float Row<FORMAT, KIND>::valueOf(int c, X xOf) const
{
    float value = start();
    float share = 0.0f;
#pragma unroll 1
    for (int i = 0; i < members.count; i++) {
        const int e = members.numbers[i];
        if (job.mode == VOTE) {
            value = statistics(e).best == c ? __fadd_rn(value, members.shares[e]) : value;
            continue;
        }
        const float x = xOf(e);
        const Constants model = constants(e);
        if (step() == Step::PROBABILITY) {
            value = take<Step::PROBABILITY>(value, x, model);
        } else if (step() == Step::MAXIMUM) {
            value = take<Step::MAXIMUM>(value, x, model);
        } else if (!isMeanOfPresent() || has(e, c)) {
            value = take<Step::MEAN>(value, x, model);
            share = __fadd_rn(share, members.shares[e]);
        }
    }
    return !isMeanOfPresent() || !members.sound ? value : share == 0.0f ? -float_math::kInfinity : __fdiv_rn(value, share);
}

}  // namespace ensemble
