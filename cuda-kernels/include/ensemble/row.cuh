// A row, and what is asked of it; how it is answered stands in the files beside.
#pragma once
#include "ensemble/job.cuh"
#include "ensemble/loads.cuh"
#include "ensemble/sums.cuh"

namespace ensemble {

// What a model does to the value of a class.
enum class Step { MEAN, PROBABILITY, MAXIMUM };

// The best of what a team is offered, best first. Values and numbers lie in shared memory behind the values of its chunk.
struct Ranking {
    int size;
    int held;
    int most;
    float* room;

    __device__ float* values() const { return room; }

    __device__ int* numbers() const { return reinterpret_cast<int*>(room + most); }

    __device__ void begin(const Team& team, int count)
    {
        __syncwarp(team.mask);
        if (team.lane == 0) {
            size = count;
            held = 0;
        }
        __syncwarp(team.mask);
    }

    __device__ bool takes(float value, int number) const;
    __device__ void offer(const Team& team, bool valid, float value, int number);
    __device__ void insert(const Team& team, float value, int number);
};

// What a row is gone over as, and what stays of it in shared memory.
enum class Kind {
    SWEPT,        // by warps that have a chunk each; nothing
    FEW,          // by a part of a warp, which has all of its few classes; nothing
    SCORES_HELD,  // by warps of several blocks at the same time; the values of its chunks, once they are combined
    LOGITS_HELD   // likewise; the logits of its chunks, which their values then take the place of
};

// One row, as one warp, all warps of a block or a part of a warp see it.
template <Format FORMAT, Kind KIND>
struct Row {
    static constexpr bool PART = KIND == Kind::FEW;
    static constexpr bool HOLDS_LOGITS = KIND == Kind::LOGITS_HELD;
    static constexpr bool HOLDS = HOLDS_LOGITS || KIND == Kind::SCORES_HELD;
    static constexpr int kRowCount = kRowsAtOnce<FORMAT>;

    const EnsembleJob& job;
    Members& members;
    Ranking& ranking;
    // This thread's of a chunk, row by row, 32 pairs apart; no other thread looks at them.
    float2* values;
    // Or, likewise, the words of its pairs, for each model those of all rows; 32 words apart. Values are in the places of the first two.
    uint32_t* held = nullptr;

    __device__ Team team() const { return PART ? Team::part(job.width) : Team::warp(); }

    __device__ bool wants(Output output) const { return job.outputs[output] != 0; }

    __device__ bool isOfProbabilities() const { return job.mode == PROBABILITIES || job.mode == VOTE; }

    __device__ const EnsembleModel& model(int e) const { return reinterpret_cast<const EnsembleModel*>(job.models)[e]; }

    __device__ int chunks() const { return (job.classes + kChunk - 1) / kChunk; }

    // The slot of what the models are combined to, behind theirs.
    __device__ int combined() const { return job.modelCount; }

    __device__ ChunkRecord& record(int chunk, int slot) const { return members.records[chunk * (job.modelCount + 1) + slot]; }

    __device__ Statistics& statistics(int slot) const { return HOLDS ? members.summary[slot] : members.statistics[slot]; }

    // Of several blocks that know them, one tells the next launch.
    __device__ void setStatistics(int slot, const Statistics& all, bool told) const
    {
        statistics(slot) = all;
        if (HOLDS && told) {
            members.statistics[slot] = all;
        }
    }

    __device__ int count(int chunk) const { return min(kChunk, job.classes - chunk * kChunk); }

    __device__ int rowsOf(int chunk) const { return (count(chunk) + kLanes - 1) / kLanes; }

    // As many of a chunk as are loaded at once, and again; beyond the last class x is -infinity.
    __device__ int visitedRows(int chunk) const { return (rowsOf(chunk) + kRowCount - 1) / kRowCount * kRowCount; }

    __device__ uint64_t logits(int e, int c) const { return model(e).logits + (members.row * model(e).stride + c) * bytesOf(FORMAT); }

    // The chunks to look at for the best classes.
    __device__ int* promising() const { return ranking.numbers() + job.ranks; }

    __device__ uint32_t& word(int number, int r) const { return held[(number * kRows + r) * 32]; }

    __device__ float2 pair(int r) const
    {
        if constexpr (HOLDS_LOGITS) {
            return {__uint_as_float(word(0, r)), __uint_as_float(word(1, r))};
        }
        return values[r * 32];
    }

    __device__ void setPair(int r, float2 pair) const
    {
        if constexpr (HOLDS_LOGITS) {
            word(0, r) = __float_as_uint(pair.x);
            word(1, r) = __float_as_uint(pair.y);
        } else {
            values[r * 32] = pair;
        }
    }

    // The first class of a thread's pair in a row of a chunk.
    __device__ int classOf(int chunk, int r) const { return chunk * kChunk + r * kLanes + team().lane * 2; }

    // Whether rows of a chunk can be loaded in pairs.
    __device__ static bool isVector(uint64_t rows, int count, int rowCount)
    {
        return rows % (2 * bytesOf(FORMAT)) == 0 && count >= rowCount * kLanes;
    }

    __device__ bool has(int e, int c) const
    {
        return model(e).present == 0 || reinterpret_cast<const uint8_t*>(model(e).present)[c] != 0;
    }

    __device__ float xOf(int e, int c) const
    {
        return has(e, c) ? __fmul_rn(widen<FORMAT>(codeAt<FORMAT>(logits(e, c), 0)), model(e).inverse) : -float_math::kInfinity;
    }

    __device__ int measuredCount() const { return job.everyModel ? job.modelCount : members.count; }

    __device__ int measured(int i) const { return job.everyModel ? i : members.numbers[i]; }

    // How the value of a class starts.
    __device__ float start() const { return members.sound ? job.start : float_math::kNaN; }

    // The class that is right, or -1 where the label is none.
    __device__ int label() const
    {
        const long long label = job.wideLabels ? reinterpret_cast<const long long*>(job.labels)[members.row] : reinterpret_cast<const int*>(job.labels)[members.row];
        return label >= 0 && label < job.classes ? static_cast<int>(label) : -1;
    }

    // What a step takes of the statistics of a model.
    struct Constants {
        float factor;
        float shift;
    };

    // Whether scores are means over the models that have a class.
    __device__ bool isMeanOfPresent() const { return job.limited && (job.mode == LOGITS || job.mode == LOG_PROBABILITIES); }

    // members.cuh
    __device__ void turnTo(long long row, long long slot) const;
    __device__ void gather(Phase phase) const;
    __device__ int mostConfident() const;
    __device__ double weightOf(int e) const;

    // chunk_sums.cuh
    template <typename Pair>
    __device__ ChunkRecord recordOf(int chunk, Maximum maximum, bool summed, bool ranked, Pair pair) const;
    __device__ static void addExponential(float difference, float& sum, float& moment);
    template <typename Pair>
    __device__ int firstOf(int chunk, float max, Pair pair) const;
    template <typename Term>
    __device__ double sumChunks(Term term) const;
    __device__ Statistics total(int slot, float share) const;

    // measure.cuh
    template <int WORDS>
    __device__ static float2 xIn(const uint32_t (&words)[WORDS], int r, float inverse);
    __device__ void measure(int chunk) const;
    __device__ void measureModel(int e, int chunk, Maximum maximum) const;
    __device__ void measureFew() const;
    __device__ Maximum keep(int e, const uint32_t (&words)[kRows * kPairWords<FORMAT>]) const;
    template <int ROWS>
    __device__ void hold(int e, int firstRow, const uint32_t (&words)[ROWS * kPairWords<FORMAT>]) const;
    template <int ROWS>
    __device__ void loadHeld(uint32_t (&words)[ROWS * kPairWords<FORMAT>], int e, int firstRow) const;
    __device__ float2 limited(int e, int c, float2 x) const;
    __device__ float2 heldX(int e, int c, int r, float inverse) const;
    template <typename Visit>
    __device__ void eachPair(int e, int chunk, Visit visit) const;
    __device__ void finishMeasure(bool told = true) const;

    // combine.cuh
    __device__ Step step() const;
    __device__ Constants constants(int e) const;
    template <Step STEP>
    __device__ static float take(float value, float x, Constants model);
    template <Step STEP>
    __device__ void takeRows(float2 (&to)[kRowCount], const uint32_t (&words)[kRowCount * kPairWords<FORMAT>], float inverse, Constants model) const;
    __device__ void combineRows(float2 (&to)[kRowCount], int chunk, int firstRow) const;
    __device__ void takeModel(float2 (&to)[kRowCount], int e, const uint32_t (&words)[kRowCount * kPairWords<FORMAT>]) const;
    __device__ Maximum combineValues(int chunk) const;
    __device__ Maximum combineOneByOne(int chunk) const;
    template <typename X>
    __device__ float valueOf(int c, X xOf) const;

    // results.cuh
    __device__ float logProbability(int c, float value) const;
    __device__ float logTerm(int e, int c) const;
    __device__ float logOfTheTiny(int c) const;
    __device__ void storeNumber(Output output, long long at, float value) const;
    __device__ bool isPassedOver(int chunk) const;
    __device__ void combine(int chunk, Maximum maximum) const;
    __device__ float resultOf(Output output, int c, float value) const;
    __device__ void storeResults(Phase phase, int chunk) const;
    __device__ static void storeCode(uint64_t at, uint32_t code, int bytes);
    __device__ void sweep(Phase phase, int given) const;
    __device__ void finishCombine(bool told = true) const;

    // gradient.cuh
    __device__ float factorOf(float value) const;
    __device__ void differentiate(int chunk) const;
    __device__ void finishGradient() const;
    __device__ double likelihood(int e, int label, float origin) const;
    __device__ void differentiateLabel() const;
    __device__ void storeGradient(int e, double byWeight, double byInverse) const;

    // rank.cuh
    __device__ void rankChunks() const;
    __device__ bool isPromising(int place) const;
    __device__ void rankClasses(int chunk) const;
    __device__ void storeRanks() const;
};

}  // namespace ensemble
