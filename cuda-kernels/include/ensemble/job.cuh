// What ensembles are told, and what they keep of chunks and rows.
#pragma once
#include <cstdint>

#include "formats.cuh"

struct EnsembleModel {
    uint64_t logits;   // of the first class of the first row
    uint64_t present;  // a byte for each class, or 0 if it has them all
    long long stride;  // elements from row to row
    double weight;
    double temperature;
    float inverse;  // of the temperature
    int padding;
};

struct EnsembleJob {
    uint64_t models;
    uint64_t gates;
    uint64_t labels;
    uint64_t outputs[12];  // in the order of Output; 0 where one is not wanted
    uint64_t records;      // of the chunks of some rows: a ChunkRecord of each model, then of what they are combined to
    uint64_t statistics;   // of those rows, likewise
    uint64_t partsDone;    // of each of those rows; 0 before and after
    int formats[3];        // of the results of whole rows
    int gateFormat;
    int wideLabels;
    int modelCount;
    int classes;
    int mode;
    int limited;     // whether a model lacks classes
    int parts;       // of a row
    int passing;     // whether chunks without the best class may be passed over
    int ranks;       // how many best classes are wanted
    int width;       // of the part of a warp that has a row of few classes
    int everyModel;  // whether models without a share are measured too
    int normalised;  // whether the sums of exponentials of the scores are needed
    int located;     // whether the best class is
    int byLabel;     // whether what is differentiated is the cross-entropy, and not the entropy
    float start;     // of the value of a class, before any model
};

namespace ensemble {

constexpr int kMostThreads = 256;
constexpr int kChunk = 1024;
constexpr int kLanes = 64;
constexpr int kRows = kChunk / kLanes;  // of a chunk
constexpr int kModelsAtOnce = 8;
constexpr int kMostModels = 64;
constexpr float kTiny = 0x1p-100f;  // below, logarithms are not taken of rounded sums
constexpr float kSlack = 1.0001f;   // what the bound of a chunk's probabilities is raised by: more than all roundings of 64 models

enum Mode { LOGITS, PROBABILITIES, LOG_PROBABILITIES, MAXIMUM, MOST_CONFIDENT, VOTE };
enum Phase { MEASURE, COMBINE, NORMALISE, RANK, DIFFERENTIATE };
// Those of LogitEnsemble, and derivatives.
enum Output {
    LOGITS_OUT,
    LOG_PROBABILITIES_OUT,
    PROBABILITIES_OUT,
    ARGMAX,
    TOP_CLASSES,
    TOP_LOG_PROBABILITIES,
    ENTROPY,
    LOG_SUM_EXP,
    DISAGREEMENT,
    LOSS,
    BY_WEIGHT,
    BY_TEMPERATURE
};

__device__ inline bool isFinite(float x) { return fabsf(x) <= 0x1.fffffep127f; }

// Of a chunk of one model, or of what they are combined to.
struct ChunkRecord {
    float max;
    float sum;     // S, or of probabilities P log(P)
    float moment;  // T
    int best;      // the first class of the largest value
};

// Of a row.
struct Statistics {
    double sum;
    double meanDifference;  // T / S
    float max;
    float logSum;
    float scale;  // the share of the model, or 1, over the sum
    int best;

    __device__ float logSumExp() const { return isFinite(max) ? __fadd_rn(max, logSum) : max; }

    __device__ float entropy() const { return __fsub_rn(logSum, __double2float_rn(meanDifference)); }
};

// A row, and who takes part in it.
struct Members {
    long long row;
    ChunkRecord* records;
    Statistics* statistics;
    Statistics* summary;  // in shared memory, of a row that is held
    float shares[kMostModels];
    int numbers[kMostModels];
    double sum;  // of the weights
    int count;
    bool sound;
};

}  // namespace ensemble
