// How blocks share out the parts of rows.
#pragma once
#include "ensemble/row.cuh"
#include "ensemble/members.cuh"

namespace ensemble {

// Takes parts of rows in turn: a warp has a chunk of one to sweep, and the block that is through with the last part of a row finishes the row; in
// MEASURE with all of its warps, else with the first.
template <Format FORMAT, typename Sweep, typename Finish>
__device__ inline void run(const EnsembleJob& given, long long firstRow, long long rows, Phase phase, Sweep sweep, Finish finish)
{
    extern __shared__ float2 values[];  // of each warp
    __shared__ EnsembleJob job;         // a copy, so that nothing of it is kept in registers
    __shared__ Members members;
    __shared__ Ranking ranking;
    __shared__ bool last;
    for (int i = threadIdx.x; i < static_cast<int>(sizeof(EnsembleJob) / 4); i += blockDim.x) {
        reinterpret_cast<int*>(&job)[i] = reinterpret_cast<const int*>(&given)[i];
    }
    __syncthreads();
    const int chunkOfPart = threadIdx.x / 32;
    if (threadIdx.x == 0) {
        ranking.room = reinterpret_cast<float*>(values + kChunk / 2);
        ranking.most = job.ranks;
    }
    const Row<FORMAT, Kind::SWEPT> row = {job, members, ranking, values + chunkOfPart * (kChunk / 2) + lane()};
    const int parts = phase == RANK ? 1 : job.parts;
    for (long long task = blockIdx.x; task < rows * parts; task += gridDim.x) {
        const long long slot = task / parts;
        const int chunk = static_cast<int>(task % parts) * (blockDim.x / 32) + chunkOfPart;
        if (chunkOfPart == 0) {
            row.turnTo(firstRow + slot, slot);
            row.gather(phase);
        }
        __syncthreads();
        if (chunk < row.chunks()) {
            sweep(row, chunk);
        }
        __syncthreads();
        if (phase == NORMALISE || phase == RANK) {
            continue;
        }
        if (threadIdx.x == 0) {
            // Releases the records of this part, and acquires those of the parts before.
            unsigned* const partsDone = reinterpret_cast<unsigned*>(job.partsDone) + slot;
            last = __nv_atomic_fetch_add(partsDone, 1u, __NV_ATOMIC_ACQ_REL, __NV_THREAD_SCOPE_DEVICE) + 1 == static_cast<unsigned>(job.parts);
            if (last) {
                *partsDone = 0;
            }
        }
        __syncthreads();
        if (last && (phase == MEASURE || chunkOfPart == 0)) {
            finish(row);
        }
        if (phase == MEASURE) {
            __syncthreads();  // other warps read the members to here
        }
    }
}

}  // namespace ensemble
