// How blocks have rows together, and hold what they read of them.
#pragma once
#include "ensemble/meeting.cuh"
#include "ensemble/members.cuh"
#include "ensemble/row.cuh"

namespace ensemble {

// What a block has of a row, in shared memory so that it is in no register.
struct Share {
    int firstChunk;
    int chunks;
    int wordsOfChunk;
    unsigned meetings;
};

// Takes rows in turn, each by as many neighbouring blocks as it has parts, through COMBINE, with MEASURE before it where logits are held, and on to
// NORMALISE or not. All blocks of a row take the same rows in the same order and meet in each as often, so none waits for one that will not come.
template <Format FORMAT, Kind KIND>
__device__ inline void runTogether(const EnsembleJob& given, long long firstRow, long long rows, bool normalises)
{
    using Held = Row<FORMAT, KIND>;
    extern __shared__ uint32_t held[];  // of each chunk of this block; behind, the statistics of the row
    __shared__ EnsembleJob job;
    __shared__ Members members;
    __shared__ Ranking ranking;
    __shared__ Share share;
    for (int i = threadIdx.x; i < static_cast<int>(sizeof(EnsembleJob) / 4); i += blockDim.x) {
        reinterpret_cast<int*>(&job)[i] = reinterpret_cast<const int*>(&given)[i];
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        const int chunks = (job.classes + kChunk - 1) / kChunk;
        const int chunksOfPart = (chunks + job.parts - 1) / job.parts;
        const int firstChunk = blockIdx.x % job.parts * chunksOfPart;
        const int words = Held::HOLDS_LOGITS ? max(2, job.modelCount * kPairWords<FORMAT>) * (kChunk / 2) : kChunk;
        share = {firstChunk, min(chunksOfPart, chunks - firstChunk), words, 0};
        members.summary = reinterpret_cast<Statistics*>(held + chunksOfPart * words);
    }
    const int warp = threadIdx.x / 32;
    const auto rowAt = [&](int i) {
        uint32_t* const words = held + i * share.wordsOfChunk;
        return Held{job, members, ranking, reinterpret_cast<float2*>(words) + lane(), words + lane()};
    };
    const auto each = [&](auto sweep) {
#pragma unroll 1
        for (int i = threadIdx.x / 32; i < share.chunks; i += blockDim.x / 32) {
            sweep(rowAt(i), share.firstChunk + i);
        }
    };
    const Held row = {job, members, ranking, nullptr};
    const auto arrived = [&](int slot) { return reinterpret_cast<unsigned*>(job.partsDone) + slot; };
    for (int slot = blockIdx.x / job.parts; slot < rows; slot += gridDim.x / job.parts) {
        if (warp == 0) {
            row.turnTo(firstRow + slot, slot);
            row.gather(Held::HOLDS_LOGITS ? MEASURE : COMBINE);
        }
        __syncthreads();
        if constexpr (Held::HOLDS_LOGITS) {
            each([](const Held& part, int chunk) { part.measure(chunk); });
            meet(arrived(slot), job.parts, share.meetings);
            row.finishMeasure(share.firstChunk == 0);
            __syncthreads();
            if (job.mode == MOST_CONFIDENT) {
                if (warp == 0) {
                    row.gather(COMBINE);
                }
                __syncthreads();
            }
        }
#pragma unroll 1
        for (int phase = COMBINE;; phase = NORMALISE) {
            each([=](const Held& part, int chunk) { part.sweep(static_cast<Phase>(phase), chunk); });
            const bool goesOn = normalises && phase == COMBINE;
            if (goesOn) {
                meet(arrived(slot), job.parts, share.meetings);
            } else {
                __syncthreads();
            }
            if (warp == 0 && (goesOn || isLast(arrived(slot), job.parts, share.meetings)) && phase == COMBINE) {
                row.finishCombine(!normalises || share.firstChunk == 0);
            }
            if (!goesOn) {
                break;
            }
            __syncthreads();
        }
    }
}

}  // namespace ensemble
