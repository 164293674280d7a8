// COMBINE and NORMALISE: what is told of values, class by class and row by row.
#pragma once
#include "ensemble/row.cuh"

namespace ensemble {

__device__ inline uint32_t codeOf(float value, Format format)
{
    return format == Format::F32 ? roundToF32(value) : format == Format::F16 ? roundToF16(value) : roundToBF16(value);
}

// Of a class, given its score or its probability.
template <Format FORMAT, Kind KIND>
__device__ inline float Row<FORMAT, KIND>::logProbability(int c, float value) const
{
    if (!isOfProbabilities()) {
        return __fsub_rn(__fsub_rn(value, statistics(combined()).max), statistics(combined()).logSum);
    }
    return job.mode == PROBABILITIES && value < kTiny ? logOfTheTiny(c) : float_math::log(value);
}

template <Format FORMAT, Kind KIND>
__device__ inline float Row<FORMAT, KIND>::logTerm(int e, int c) const
{
    return __fsub_rn(__fadd_rn(float_math::log(members.shares[e]), __fsub_rn(xOf(e, c), statistics(e).max)), statistics(e).logSum);
}

template <Format FORMAT, Kind KIND>
__device__ inline float Row<FORMAT, KIND>::logOfTheTiny(int c) const
{
    float max = -float_math::kInfinity;
#pragma unroll 1
    for (int i = 0; i < members.count; i++) {
        max = larger(max, logTerm(members.numbers[i], c));
    }
    if (max == -float_math::kInfinity) {
        return max;
    }
    float sum = 0.0f;
#pragma unroll 1
    for (int i = 0; i < members.count; i++) {
        sum = __fadd_rn(sum, float_math::exp(__fsub_rn(logTerm(members.numbers[i], c), max)));
    }
    return __fadd_rn(max, float_math::log(sum));
}

template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::storeNumber(Output output, long long at, float value) const
{
    if (wants(output)) {
        reinterpret_cast<uint32_t*>(job.outputs[output])[at] = roundToF32(value);
    }
}

// Whether no class of a chunk can be the best. The best class has at least what the surest model gives to its own.
template <Format FORMAT, Kind KIND>
__device__ inline bool Row<FORMAT, KIND>::isPassedOver(int chunk) const
{
    if constexpr (PART) {
        return false;
    }
    if (!job.passing || !wants(ARGMAX)) {
        return job.passing;
    }
    float bound = 0.0f;
    float floor = 0.0f;
#pragma unroll 1
    for (int i = lane(); i < members.count; i += 32) {
        const int e = members.numbers[i];
        const float largest = float_math::exp(bounded(__fsub_rn(record(chunk, e).max, statistics(e).max)));
        bound = __fmaf_rn(statistics(e).scale, largest, bound);
        floor = larger(floor, statistics(e).scale);
    }
#pragma unroll 1
    for (int step = 16; step > 0; step /= 2) {
        bound = __fadd_rn(bound, __shfl_xor_sync(kWarp, bound, step));
        floor = larger(floor, __shfl_xor_sync(kWarp, floor, step));
    }
    return __fmaf_rn(bound, kSlack, 0x1p-126f) < floor;
}

template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::combine(int chunk, Maximum maximum) const
{
    ChunkRecord found = recordOf(chunk, maximum, !isOfProbabilities() && job.normalised, job.located, [&](int r) { return pair(r); });
    if (isOfProbabilities() && (wants(ENTROPY) || wants(DISAGREEMENT))) {
        const auto surprise = [](float p) { return p == 0.0f ? 0.0f : __fmul_rn(p, float_math::log(p)); };
        float2 sums = {};
#pragma unroll 2
        for (int r = 0; r < rowsOf(chunk); r++) {
            const float2 p = pair(r);
            sums = {__fadd_rn(sums.x, surprise(p.x)), __fadd_rn(sums.y, surprise(p.y))};
        }
        found.sum = foldLanes(sums, team());
    }
    if (team().lane == 0) {
        record(chunk, combined()) = found;
    }
}

// The result that a row has for a class, given its score or its probability.
template <Format FORMAT, Kind KIND>
__device__ inline float Row<FORMAT, KIND>::resultOf(Output output, int c, float value) const
{
    if (output == (isOfProbabilities() ? PROBABILITIES_OUT : LOGITS_OUT)) {
        return value;
    }
    if (output != PROBABILITIES_OUT) {
        return logProbability(c, value);
    }
    const Statistics& all = statistics(combined());
    return __fmul_rn(all.scale, float_math::expOfDifference(bounded(__fsub_rn(value, all.max))));
}

// The results of whole rows that a phase can tell.
template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::storeResults(Phase phase, int chunk) const
{
#pragma unroll 1
    for (int o = LOGITS_OUT; o <= PROBABILITIES_OUT; o++) {
        const Output output = static_cast<Output>(o);
        if (!wants(output) || (phase == COMBINE) != (isOfProbabilities() || output == LOGITS_OUT)) {
            continue;
        }
        const Format format = static_cast<Format>(job.formats[o]);
        const int bytes = format == Format::F32 ? 4 : 2;
        const uint64_t to = job.outputs[o] + members.row * job.classes * bytes;
        const bool pairs = to % (2 * bytes) == 0;
#pragma unroll 1
        for (int r = 0; r < rowsOf(chunk); r++) {
            const int c = classOf(chunk, r);
            if (c >= job.classes) {
                break;
            }
            const float2 value = pair(r);
            const uint64_t at = to + static_cast<long long>(c) * bytes;
            const uint32_t first = codeOf(resultOf(output, c, value.x), format);
            if (c + 1 == job.classes) {
                storeCode(at, first, bytes);
                break;
            }
            const uint32_t second = codeOf(resultOf(output, c + 1, value.y), format);
            if (!pairs) {
                storeCode(at, first, bytes);
                storeCode(at + bytes, second, bytes);
            } else if (bytes == 4) {
                *reinterpret_cast<uint2*>(at) = make_uint2(first, second);
            } else {
                *reinterpret_cast<uint32_t*>(at) = first | second << 16;
            }
        }
    }
}

template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::storeCode(uint64_t at, uint32_t code, int bytes)
{
    if (bytes == 4) {
        *reinterpret_cast<uint32_t*>(at) = code;
    } else {
        *reinterpret_cast<uint16_t*>(at) = code;
    }
}

// COMBINE or NORMALISE of a chunk, or RANK of the chunks that may have the best classes, by one team.
template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::sweep(Phase phase, int given) const
{
    if (phase == COMBINE && isPassedOver(given)) {
        if (team().lane == 0) {
            record(given, combined()) = {-1.0f, 0.0f, 0.0f, 0};
        }
        return;
    }
    const bool ranks = !HOLDS && phase == RANK;
    if (ranks) {
        rankChunks();
    }
    int place = 0;
    do {
        const int chunk = ranks ? promising()[place] : given;
        Maximum maximum;
        if (!HOLDS || phase == COMBINE) {
            maximum = combineValues(chunk);
        }
        if (ranks) {
            rankClasses(chunk);
            continue;
        }
        if (phase == COMBINE) {
            combine(chunk, maximum);
        }
        storeResults(phase, chunk);
    } while (ranks && isPromising(++place));
    if (ranks) {
        storeRanks();
    }
}

// Ends COMBINE of a row, by one team; results are told by one of those that end it.
template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::finishCombine(bool told) const
{
    const Statistics all = total(combined(), 1.0f);
    float entropy = all.entropy();
    if (isOfProbabilities()) {
        entropy = -__double2float_rn(sumChunks([&](int j) { return static_cast<double>(record(j, combined()).sum); }));
    }
    if (team().lane != 0) {
        return;
    }
    setStatistics(combined(), all, told);
    if (!told) {
        return;
    }
    if (wants(ARGMAX)) {
        reinterpret_cast<int*>(job.outputs[ARGMAX])[members.row] = all.best;
    }
    storeNumber(ENTROPY, members.row, entropy);
    if (wants(DISAGREEMENT)) {
        float disagreement = entropy;
#pragma unroll 1
        for (int i = 0; i < members.count; i++) {
            const int e = members.numbers[i];
            disagreement = __fmaf_rn(-members.shares[e], statistics(e).entropy(), disagreement);
        }
        storeNumber(DISAGREEMENT, members.row, disagreement);
    }
    if (wants(LOSS)) {
        const int c = label();
        storeNumber(LOSS, members.row, c < 0 ? float_math::kNaN : -logProbability(c, valueOf(c, [&](int e) { return xOf(e, c); })));
    }
}

}  // namespace ensemble
