// Which row it is, and who takes part in it.
#pragma once
#include "ensemble/row.cuh"

namespace ensemble {

// By one team: names the row, and where what is known of it lies.
template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::turnTo(long long row, long long slot) const
{
    if (team().lane == 0) {
        members.row = row;
        members.records = reinterpret_cast<ChunkRecord*>(job.records) + slot * chunks() * (job.modelCount + 1);
        members.statistics = reinterpret_cast<Statistics*>(job.statistics) + slot * (job.modelCount + 1);
    }
    __syncwarp(team().mask);
}

// By one team: the weights of the row, their sum in the order of the models, and who has a share of it; of these, the most confident alone
// where no other is combined.
template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::gather(Phase phase) const
{
    double sum = 0.0;
    bool sound = true;
#pragma unroll 1
    for (int e = 0; e < job.modelCount; e++) {
        const double weight = weightOf(e);
        sound &= weight >= 0.0;
        sum = __dadd_rn(sum, weight);
    }
    sound &= sum > 0.0 && sum < __longlong_as_double(0x7FF0000000000000LL);
    int count = 0;
#pragma unroll 1
    for (int first = 0; first < job.modelCount; first += team().width) {
        const int e = first + team().lane;
        const float share = sound && e < job.modelCount ? __double2float_rn(__ddiv_rn(weightOf(e), sum)) : 0.0f;
        const unsigned takers = __ballot_sync(team().mask, share > 0.0f);
        members.shares[e] = share;
        if (share > 0.0f) {
            members.numbers[count + __popc(takers & ((1u << lane()) - 1))] = e;
        }
        count += __popc(takers);
    }
    __syncwarp(team().mask);
    if (team().lane == 0) {
        members.sum = sum;
        members.count = count;
        members.sound = sound;
        if (job.mode == MOST_CONFIDENT && phase != MEASURE && count > 0) {
            members.numbers[0] = mostConfident();
            members.count = 1;
        }
    }
}

template <Format FORMAT, Kind KIND>
__device__ inline int Row<FORMAT, KIND>::mostConfident() const
{
    int best = members.numbers[0];
#pragma unroll 1
    for (int i = 1; i < members.count; i++) {
        const int e = members.numbers[i];
        const double sum = statistics(e).sum;
        const double least = statistics(best).sum;
        if (sum < least || (least != least && sum == sum)) {
            best = e;
        }
    }
    return best;
}

template <Format FORMAT, Kind KIND>
__device__ inline double Row<FORMAT, KIND>::weightOf(int e) const
{
    const double weight = model(e).weight;
    if (job.gates == 0) {
        return weight;
    }
    const long long at = members.row * job.modelCount + e;
    const Format format = static_cast<Format>(job.gateFormat);
    return __dmul_rn(weight, format == Format::F32   ? widen<Format::F32>(codeAt<Format::F32>(job.gates, at))
                             : format == Format::F16 ? widen<Format::F16>(codeAt<Format::F16>(job.gates, at))
                                                     : widen<Format::BF16>(codeAt<Format::BF16>(job.gates, at)));
}

}  // namespace ensemble
