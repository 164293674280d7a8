// Ensembles of long rows whose logits are read once though each class needs what all classes add up to.
//
//   contract, input, output, tables, order    those of logit_ensemble.cuh, equal to the bit
//   phases    hold_logits: MEASURE, COMBINE, and NORMALISE or not. hold_scores: COMBINE and NORMALISE, for modes that need no sums of single models
//   launch    1-D, cooperative: as many blocks as a row has parts have a row together, a multiple of that are resident, any number of warps up to 8.
//             A part is some neighbouring chunks, a warp has some of them. In shared memory for each chunk of a part the words of all models, 4 KB at
//             least, or in hold_scores 4 KB; behind, 32 bytes for each model and 32
//   traffic   each logit once but for those of labels, and of means of probabilities below 2^-100 whose logarithm is wanted; results once
#pragma once
#include "ensemble/together.cuh"
#include "ensemble/chunk_sums.cuh"
#include "ensemble/measure.cuh"
#include "ensemble/combine.cuh"
#include "ensemble/results.cuh"

#define HELD_ROWS(FORMAT)                                                                                                              \
    extern "C" __global__ void __launch_bounds__(ensemble::kMostThreads, 2)                                                             \
        hold_logits(const EnsembleJob* __restrict__ job, long long firstRow, long long rows, int normalises)                            \
    {                                                                                                                                 \
        ensemble::runTogether<FORMAT, ensemble::Kind::LOGITS_HELD>(*job, firstRow, rows, normalises != 0);                              \
    }                                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(ensemble::kMostThreads, 2)                                                             \
        hold_scores(const EnsembleJob* __restrict__ job, long long firstRow, long long rows)                                            \
    {                                                                                                                                 \
        ensemble::runTogether<FORMAT, ensemble::Kind::SCORES_HELD>(*job, firstRow, rows, true);                                        \
    }
