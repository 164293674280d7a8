// Which row it is, and who takes part in it.
#pragma once
#include "ensemble/row.cuh"

namespace ensemble {

// By one warp: names the row, and where what is known of it lies.
template <Format FORMAT>
__device__ inline void Row<FORMAT>::turnTo(long long row, long long slot) const
{
    if (lane() == 0) {
        members.row = row;
        members.records = reinterpret_cast<ChunkRecord*>(job.records) + slot * chunks() * (job.modelCount + 1);
        members.statistics = reinterpret_cast<Statistics*>(job.statistics) + slot * (job.modelCount + 1);
    }
    __syncwarp();
}

// By one warp: the weights of the row, their sum in the order of the models, and who has a share of it; of these, the most confident alone
// where no other is combined.
template <Format FORMAT>
__device__ inline void Row<FORMAT>::gather(Phase phase) const
{
    double weights[kMostModels / 32];
    double sum = 0.0;
    bool sound = true;
#pragma unroll
    for (int part = 0; part < kMostModels / 32; part++) {
        const int e = part * 32 + lane();
        weights[part] = e < job.modelCount ? __dmul_rn(model(e).weight, gate(e)) : 0.0;
        sound &= weights[part] >= 0.0;
#pragma unroll 1
        for (int l = 0; l < min(32, job.modelCount - part * 32); l++) {
            sum = __dadd_rn(sum, __shfl_sync(kWarp, weights[part], l));
        }
    }
    sound = __all_sync(kWarp, sound) && sum > 0.0 && sum < __longlong_as_double(0x7FF0000000000000LL);
    int before = 0;
#pragma unroll
    for (int part = 0; part < kMostModels / 32; part++) {
        const float share = sound ? __double2float_rn(__ddiv_rn(weights[part], sum)) : 0.0f;
        const unsigned takers = __ballot_sync(kWarp, share > 0.0f);
        members.shares[part * 32 + lane()] = share;
        if (share > 0.0f) {
            members.numbers[before + __popc(takers & ((1u << lane()) - 1))] = part * 32 + lane();
        }
        before += __popc(takers);
    }
    __syncwarp();
    if (lane() == 0) {
        members.count = before;
        members.sound = sound;
        if (job.mode == MOST_CONFIDENT && phase != MEASURE && before > 0) {
            members.numbers[0] = mostConfident();
            members.count = 1;
        }
    }
}

template <Format FORMAT>
__device__ inline int Row<FORMAT>::mostConfident() const
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

template <Format FORMAT>
__device__ inline double Row<FORMAT>::gate(int e) const
{
    const long long at = members.row * job.modelCount + e;
    const Format format = static_cast<Format>(job.gateFormat);
    return job.gates == 0            ? 1.0
           : format == Format::F32   ? widen<Format::F32>(codeAt<Format::F32>(job.gates, at))
           : format == Format::F16   ? widen<Format::F16>(codeAt<Format::F16>(job.gates, at))
                                     : widen<Format::BF16>(codeAt<Format::BF16>(job.gates, at));
}

}  // namespace ensemble
