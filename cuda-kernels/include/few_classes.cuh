// Ensembles of rows of few classes: up to 64 for several rows in each warp, and up to 1024 for one.
//
//   contract, input, output, tables, order    those of logit_ensemble.cuh, equal to the bit: a row is one chunk, and its lanes beyond the last class add 0
//   launch    1-D, up to 128 threads, of which 4, 8, 16 or 32 have a row, each of them two neighbouring classes of 64; rows in turn: any grid. For each
//             warp and 64 classes 256 bytes of shared memory, and 12 for each rank of each row of a block
//   phases    a set of them, one after the other, of each row; logits that are read again come from the cache
//   traffic   each logit once, results once
#pragma once
#include "ensemble/members.cuh"
#include "ensemble/chunk_sums.cuh"
#include "ensemble/measure.cuh"
#include "ensemble/combine.cuh"
#include "ensemble/results.cuh"
#include "ensemble/rank.cuh"

namespace few_classes {

using namespace ensemble;

constexpr int kMostThreads = 128;
constexpr int kLeastWidth = 4;

template <Format FORMAT>
__device__ inline void run(const EnsembleJob& given, long long firstRow, long long rows, unsigned phases)
{
    extern __shared__ float2 values[];
    __shared__ EnsembleJob job;
    __shared__ Members members[kMostThreads / kLeastWidth];
    __shared__ Ranking rankings[kMostThreads / kLeastWidth];
    for (int i = threadIdx.x; i < static_cast<int>(sizeof(EnsembleJob) / 4); i += blockDim.x) {
        reinterpret_cast<int*>(&job)[i] = reinterpret_cast<const int*>(&given)[i];
    }
    __syncthreads();
    const int number = threadIdx.x / job.width;
    const int pairs = (job.classes + kLanes - 1) / kLanes * 32;  // of a warp
    const Row<FORMAT, Kind::FEW> row = {job, members[number], rankings[number], values + threadIdx.x / 32 * pairs + lane()};
    const Team team = row.team();
    if (team.lane == 0) {
        row.ranking.room = reinterpret_cast<float*>(values + blockDim.x / 32 * pairs) + 3 * job.ranks * number;
        row.ranking.most = job.ranks;
    }
    const int teams = blockDim.x / job.width;
    for (long long slot = static_cast<long long>(blockIdx.x) * teams + number; slot < rows; slot += static_cast<long long>(gridDim.x) * teams) {
        row.turnTo(firstRow + slot, slot);
#pragma unroll 1
        for (int i = MEASURE; i <= RANK; i++) {
            const Phase phase = static_cast<Phase>(i);
            if ((phases >> i & 1) == 0) {
                continue;
            }
            row.gather(phase);
            __syncwarp(team.mask);
            if (phase == MEASURE) {
                row.measureFew();
                __syncwarp(team.mask);
                row.finishMeasure();
            } else {
                row.sweep(phase, 0);
                __syncwarp(team.mask);
            }
            if (phase == COMBINE) {
                row.finishCombine();
            }
            __syncwarp(team.mask);
        }
    }
}

}  // namespace few_classes

#define FEW_CLASSES(FORMAT)                                                                                           \
    extern "C" __global__ void __launch_bounds__(few_classes::kMostThreads, 8)                                         \
        combine_few(const EnsembleJob* __restrict__ job, long long firstRow, long long rows, unsigned phases)          \
    {                                                                                                                 \
        few_classes::run<FORMAT>(*job, firstRow, rows, phases);                                                        \
    }
