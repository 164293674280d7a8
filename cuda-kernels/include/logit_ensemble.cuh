// The logits of many models, of one type, as one prediction for each row.
//
//   contract  ensemble/LogitEnsemble.java; the twin is LogitEnsembleCpu, equal bit for bit
//   input     the rows of each model, at any address; presence of classes, gates and labels where there are any
//   output    what the job has addresses for
//   tables    a job, as LogitEnsembleCuda.java writes it, and its models
//   order     a warp has a chunk of 1024 classes, a thread two neighbouring lanes of its 64: a lane's classes come to its thread in order. They wait
//             in shared memory, each thread's own, until the maximum is known. What chunks give goes up the tree when the last part of a row is through
//   phases    MEASURE the sums of exponentials of each model, COMBINE the models, NORMALISE scores, RANK classes: those that the mode and the outputs
//             need
//   launch    1-D, a warp for each chunk of a part of a row, 4 KB of shared memory for each warp; blocks take parts in turn: any grid. The last part of
//             a row that is through adds up what its chunks gave. RANK takes blocks of one warp, which has a row, and behind its 4 KB 8 bytes for each
//             rank and 4 for each chunk looked at
//   traffic   each logit once for each phase that reads it; results once
#pragma once
#include "ensemble/members.cuh"
#include "ensemble/chunk_sums.cuh"
#include "ensemble/measure.cuh"
#include "ensemble/combine.cuh"
#include "ensemble/results.cuh"
#include "ensemble/rank.cuh"

namespace ensemble {

template <Format FORMAT>
__device__ inline void run(const EnsembleJob& given, long long firstRow, long long rows, Phase phase)
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
    const Row<FORMAT, false> row = {job, members, ranking, values + chunkOfPart * (kChunk / 2) + lane()};
    const int parts = phase == RANK ? 1 : job.parts;
    for (long long task = blockIdx.x; task < rows * parts; task += gridDim.x) {
        const long long slot = task / parts;
        const int chunk = static_cast<int>(task % parts) * (blockDim.x / 32) + chunkOfPart;
        if (chunkOfPart == 0) {
            row.turnTo(firstRow + slot, slot);
            row.gather(phase);
        }
        __syncthreads();
        if (chunk < row.chunks() && phase == MEASURE) {
            row.measure(chunk);
        } else if (chunk < row.chunks()) {
            row.sweep(phase, chunk);
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
        if (phase == COMBINE && last && chunkOfPart == 0) {
            row.finishCombine();
        }
        if (phase == MEASURE) {
            if (last) {
                row.finishMeasure();
            }
            __syncthreads();  // other warps read the members to here
        }
    }
}

}  // namespace ensemble

#define LOGIT_ENSEMBLE(FORMAT)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(ensemble::kMostThreads, 2)                                                         \
        measure(const EnsembleJob* __restrict__ job, long long firstRow, long long rows)                                            \
    {                                                                                                                             \
        ensemble::run<FORMAT>(*job, firstRow, rows, ensemble::MEASURE);                                                            \
    }                                                                                                                             \
    extern "C" __global__ void __launch_bounds__(ensemble::kMostThreads, 2)                                                         \
        combine(const EnsembleJob* __restrict__ job, long long firstRow, long long rows, int phase)                                 \
    {                                                                                                                             \
        ensemble::run<FORMAT>(*job, firstRow, rows, phase == 0 ? ensemble::COMBINE : phase == 1 ? ensemble::NORMALISE : ensemble::RANK);\
    }
