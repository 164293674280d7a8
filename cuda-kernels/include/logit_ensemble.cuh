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
#include "ensemble/parts.cuh"
#include "ensemble/chunk_sums.cuh"
#include "ensemble/measure.cuh"
#include "ensemble/combine.cuh"
#include "ensemble/results.cuh"
#include "ensemble/rank.cuh"

#define LOGIT_ENSEMBLE(FORMAT)                                                                                                         \
    extern "C" __global__ void __launch_bounds__(ensemble::kMostThreads, 2)                                                             \
        measure(const EnsembleJob* __restrict__ job, long long firstRow, long long rows)                                                \
    {                                                                                                                                 \
        ensemble::run<FORMAT>(                                                                                                         \
            *job, firstRow, rows, ensemble::MEASURE, [](const auto& row, int chunk) { row.measure(chunk); },                            \
            [](const auto& row) { row.finishMeasure(); });                                                                             \
    }                                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(ensemble::kMostThreads, 2)                                                             \
        combine(const EnsembleJob* __restrict__ job, long long firstRow, long long rows, int number)                                    \
    {                                                                                                                                 \
        const ensemble::Phase phase = number == 0 ? ensemble::COMBINE : number == 1 ? ensemble::NORMALISE : ensemble::RANK;              \
        ensemble::run<FORMAT>(                                                                                                         \
            *job, firstRow, rows, phase, [=](const auto& row, int chunk) { row.sweep(phase, chunk); },                                   \
            [](const auto& row) { row.finishCombine(); });                                                                             \
    }
