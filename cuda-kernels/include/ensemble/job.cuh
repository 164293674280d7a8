// What ensembles are told, and what they keep of chunks and rows.
#pragma once
#include <cstdint>

#include "formats.cuh"

struct EnsembleModel {
    uint64_t logits;   // of the first class of the first row
    uint64_t present;  // a byte for each class, or 0 if it has them all
    long long stride;  // elements from row to row
    double weight;
    float inverse;  // of the temperature
    int padding;
};

struct EnsembleJob {
    uint64_t models;
    uint64_t gates;
    uint64_t labels;
    uint64_t outputs[10];  // in the order of LogitEnsemble.Output; 0 where one is not wanted
    uint64_t records;      // of the chunks of some rows: a ChunkRecord of each model, then of what they are combined to
    uint64_t statistics;   // of those rows, likewise
    uint64_t partsDone;    // of each of those rows; 0 before and after
    int formats[3];        // of the results of whole rows
    int gateFormat;
    int wideLabels;
    int modelCount;
    int classes;
    int mode;
    int limited;  // whether a model lacks classes
    int parts;    // of a row
    int passing;  // whether chunks without the best class may be passed over
    int ranks;    // how many best classes are wanted
    int width;    // of the part of a warp that has a row of few classes
    int padding;
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
enum Phase { MEASURE, COMBINE, NORMALISE, RANK };
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
    LOSS
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
    float max;
    float logSum;
    float scale;  // the share of the model, or 1, over the sum
    float entropy;
    int best;
    int padding;

    __device__ float logSumExp() const { return isFinite(max) ? __fadd_rn(max, logSum) : max; }
};

// A row, and who takes part in it.
struct Members {
    long long row;
    ChunkRecord* records;
    Statistics* statistics;
    float shares[kMostModels];
    int numbers[kMostModels];
    int count;
    bool sound;
};

}  // namespace ensemble
