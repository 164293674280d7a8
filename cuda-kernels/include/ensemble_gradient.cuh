// The derivatives of the loss or the entropy of an ensemble by the weights and the temperatures of its models.
//
//   contract  ensemble/EnsembleGradient.java; the twin is EnsembleGradientCpu, equal bit for bit
//   input, tables, order    those of logit_ensemble.cuh, whose kernels go before: COMBINE in modes of scores, else MEASURE
//   output    derivatives, and the objective of a mean of probabilities, the one that COMBINE does not tell
//   launch    differentiate: 1-D, as COMBINE. differentiate_label, for the cross-entropy of a mean of probabilities: 1-D, blocks of one warp, which has a
//             row; any grid
//   traffic   differentiate: each logit once, and again from the cache. differentiate_label: one logit of each row and model
#pragma once
#include "ensemble/parts.cuh"
#include "ensemble/chunk_sums.cuh"
#include "ensemble/measure.cuh"
#include "ensemble/combine.cuh"
#include "ensemble/results.cuh"
#include "ensemble/gradient.cuh"

namespace ensemble {

template <Format FORMAT>
__device__ inline void differentiateLabels(const EnsembleJob& job, long long firstRow, long long rows)
{
    __shared__ Members members;
    __shared__ Ranking ranking;
    const Row<FORMAT, Kind::SWEPT> row = {job, members, ranking, nullptr};
    for (long long slot = blockIdx.x; slot < rows; slot += gridDim.x) {
        row.turnTo(firstRow + slot, slot);
        row.gather(DIFFERENTIATE);
        __syncwarp();
        row.differentiateLabel();
        __syncwarp();
    }
}

}  // namespace ensemble

#define ENSEMBLE_GRADIENT(FORMAT)                                                                                                      \
    extern "C" __global__ void __launch_bounds__(ensemble::kMostThreads, 2)                                                             \
        differentiate(const EnsembleJob* __restrict__ job, long long firstRow, long long rows)                                          \
    {                                                                                                                                 \
        ensemble::run<FORMAT>(                                                                                                         \
            *job, firstRow, rows, ensemble::DIFFERENTIATE, [](const auto& row, int chunk) { row.differentiate(chunk); },                \
            [](const auto& row) { row.finishGradient(); });                                                                            \
    }                                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(32)                                                                                    \
        differentiate_label(const EnsembleJob* __restrict__ job, long long firstRow, long long rows)                                    \
    {                                                                                                                                 \
        ensemble::differentiateLabels<FORMAT>(*job, firstRow, rows);                                                                   \
    }
