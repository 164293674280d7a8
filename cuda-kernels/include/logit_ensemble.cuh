// The logits of many models, of one type, as one prediction for each row.
//
//   contract  ensemble/LogitEnsemble.java; the twin is LogitEnsembleCpu, equal bit for bit
//   input     the rows of each model, at any address; presence of classes, gates and labels where there are any
//   output    what the job has addresses for
//   tables    a job, as LogitEnsembleCuda.java writes it, and its models
//   order     a warp has a chunk of 1024 classes, a thread two neighbouring lanes of its 64: a lane's classes come to its thread in order. They wait
//             in shared memory, each thread's own, until the maximum is known. What chunks give goes up the tree when the last part of a row is through
//   phases    MEASURE the sums of exponentials of each model, COMBINE the models, NORMALISE scores: those that the mode and the outputs need
//   launch    1-D, a warp for each chunk of a part of a row, 4 KB of shared memory for each warp; blocks take parts in turn: any grid. The last part of
//             a row that is through adds up what its chunks gave
//   traffic   each logit once for each phase that reads it; results once
#pragma once
#include "float_math.cuh"
#include "fold.cuh"
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
    uint64_t outputs[8];   // in the order of LogitEnsembleCuda.OUTPUTS; 0 where one is not wanted
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
enum Phase { MEASURE, COMBINE, NORMALISE };
enum Output { LOGITS_OUT, LOG_PROBABILITIES_OUT, PROBABILITIES_OUT, ARGMAX, ENTROPY, LOG_SUM_EXP, DISAGREEMENT, LOSS };

__device__ inline bool isFinite(float x) { return fabsf(x) <= 0x1.fffffep127f; }

// What a model does to the value of a class.
enum class Step { MEAN, PROBABILITY, MAXIMUM };

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

template <Format FORMAT>
constexpr int kPairWords = 2 * bytesOf(FORMAT) / 4;  // of two neighbouring classes

// Of a chunk, where several models are combined: their words take 32 registers.
template <Format FORMAT>
constexpr int kRowsAtOnce = 4 / kPairWords<FORMAT>;

template <Format FORMAT>
constexpr uint32_t kMinusInfinity = FORMAT == Format::F32 ? 0xFF800000u : FORMAT == Format::F16 ? 0xFC00u : 0xFF80u;

__device__ inline int lane() { return threadIdx.x % 32; }

__device__ inline float bounded(float difference) { return fmaxf(difference, float_math::kExpZero); }

__device__ inline bool isBetter(float value, float other) { return value > other || (isNaN(value) && !isNaN(other)); }

__device__ inline float larger(float a, float b) { return isNaN(a) || isNaN(b) ? float_math::kNaN : fmaxf(a, b); }

// The largest of many, NaN if any is.
struct Maximum {
    float value = -float_math::kInfinity;
    bool nan = false;

    __device__ void take(float2 pair)
    {
        value = fmaxf(value, fmaxf(pair.x, pair.y));
        nan |= isNaN(pair.x) || isNaN(pair.y);
    }

    __device__ float ofWarp() const
    {
        float max = value;
#pragma unroll
        for (int step = 16; step > 0; step /= 2) {
            max = fmaxf(max, __shfl_xor_sync(kWarp, max, step));
        }
        return __any_sync(kWarp, nan) ? float_math::kNaN : max;
    }
};

// Loads of a thread's pairs in some rows of a chunk. Volatile, as is what comes after the loads: what is so keeps its order, and no load sinks to where
// its words are used.
template <Format FORMAT, int ROWS>
__device__ inline void loadPairs(uint32_t (&words)[ROWS * kPairWords<FORMAT>], bool wanted, uint64_t rows)
{
    const uint64_t first = rows + lane() * 2 * bytesOf(FORMAT);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        const uint64_t at = first + r * kLanes * bytesOf(FORMAT);
        if constexpr (FORMAT == Format::F32) {
            asm volatile("{ .reg .pred wanted; setp.ne.s32 wanted, %3, 0; @wanted ld.global.v2.u32 {%0, %1}, [%2]; }"
                         : "=r"(words[2 * r]), "=r"(words[2 * r + 1])
                         : "l"(at), "r"(static_cast<int>(wanted)));
        } else {
            asm volatile("{ .reg .pred wanted; setp.ne.s32 wanted, %2, 0; @wanted ld.global.u32 %0, [%1]; }"
                         : "=r"(words[r])
                         : "l"(at), "r"(static_cast<int>(wanted)));
        }
    }
}

// A load that a predicate guards; else -infinity.
template <Format FORMAT>
__device__ inline uint32_t loadCodeIf(bool wanted, uint64_t at)
{
    uint32_t code;
    if constexpr (FORMAT == Format::F32) {
        asm volatile("{ .reg .pred wanted; setp.ne.s32 wanted, %2, 0; mov.u32 %0, %3; @wanted ld.global.u32 %0, [%1]; }"
                     : "=&r"(code)
                     : "l"(at), "r"(static_cast<int>(wanted)), "n"(kMinusInfinity<FORMAT>));
    } else {
        asm volatile("{ .reg .pred wanted; setp.ne.s32 wanted, %2, 0; mov.u32 %0, %3; @wanted ld.global.u16 %0, [%1]; }"
                     : "=&r"(code)
                     : "l"(at), "r"(static_cast<int>(wanted)), "n"(kMinusInfinity<FORMAT>));
    }
    return code;
}

// The pairs at the ends of rows, and of rows at odd elements; -infinity from a count on.
template <Format FORMAT, int ROWS>
__device__ inline void loadEach(uint32_t (&words)[ROWS * kPairWords<FORMAT>], uint64_t rows, int count)
{
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        uint32_t codes[2];
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int c = r * kLanes + lane() * 2 + h;
            codes[h] = loadCodeIf<FORMAT>(c < count, rows + c * bytesOf(FORMAT));
        }
        if constexpr (FORMAT == Format::F32) {
            words[2 * r] = codes[0];
            words[2 * r + 1] = codes[1];
        } else {
            words[r] = codes[0] | codes[1] << 16;
        }
    }
}

template <int COUNT, int WORDS>
__device__ inline void afterLoads(uint32_t (&words)[COUNT][WORDS])
{
#pragma unroll
    for (int i = 0; i < COUNT * WORDS; i++) {
        asm volatile("" : "+r"(words[i / WORDS][i % WORDS]));
    }
}

// Folds the 64 lanes of a chunk in halves, two of them in each thread; all threads have the result.
__device__ inline float foldLanes(float2 sums)
{
#pragma unroll
    for (int half = 16; half > 0; half /= 2) {
        sums.x = __fadd_rn(sums.x, __shfl_xor_sync(kWarp, sums.x, half));
        sums.y = __fadd_rn(sums.y, __shfl_xor_sync(kWarp, sums.y, half));
    }
    return __fadd_rn(sums.x, sums.y);
}

// The sum of up to 1024 terms in pairs of neighbours; all threads of the warp have the result.
template <typename Term>
__device__ inline double sumPairs(int count, Term term)
{
    double groups = 0.0;
#pragma unroll 1
    for (int group = 0; group * 32 < count; group++) {
        const int j = group * 32 + lane();
        const double sum = __shfl_sync(kWarp, foldWarp(j < count ? term(j) : 0.0, count - group * 32), 0);
        groups = lane() == group ? sum : groups;
    }
    return __shfl_sync(kWarp, foldWarp(groups, (count + 31) / 32), 0);
}

__device__ inline uint32_t codeOf(float value, Format format)
{
    return format == Format::F32 ? roundToF32(value) : format == Format::F16 ? roundToF16(value) : roundToBF16(value);
}

// One row, as one warp or all warps of a block see it.
template <Format FORMAT>
struct Row {
    static constexpr int kRowCount = kRowsAtOnce<FORMAT>;

    const EnsembleJob& job;
    Members& members;
    float2* values;  // this thread's of a chunk, row by row, 32 pairs apart; no other thread looks at them

    __device__ bool wants(Output output) const { return job.outputs[output] != 0; }

    __device__ bool isOfProbabilities() const { return job.mode == PROBABILITIES || job.mode == VOTE; }

    __device__ bool isNormalised() const
    {
        return wants(LOG_PROBABILITIES_OUT) || wants(PROBABILITIES_OUT) || wants(ENTROPY) || wants(LOSS);
    }

    __device__ const EnsembleModel& model(int e) const { return reinterpret_cast<const EnsembleModel*>(job.models)[e]; }

    __device__ int chunks() const { return (job.classes + kChunk - 1) / kChunk; }

    // The slot of what the models are combined to, behind theirs.
    __device__ int combined() const { return job.modelCount; }

    __device__ ChunkRecord& record(int chunk, int slot) const { return members.records[chunk * (job.modelCount + 1) + slot]; }

    __device__ Statistics& statistics(int slot) const { return members.statistics[slot]; }

    __device__ int count(int chunk) const { return min(kChunk, job.classes - chunk * kChunk); }

    __device__ uint64_t logits(int e, int c) const { return model(e).logits + (members.row * model(e).stride + c) * bytesOf(FORMAT); }

    // By one warp: names the row, and where what is known of it lies.
    __device__ void turnTo(long long row, long long slot) const
    {
        if (lane() == 0) {
            members.row = row;
            members.records = reinterpret_cast<ChunkRecord*>(job.records) + slot * chunks() * (job.modelCount + 1);
            members.statistics = reinterpret_cast<Statistics*>(job.statistics) + slot * (job.modelCount + 1);
        }
        __syncwarp();
    }

    // By one warp: the weights of the row, their sum in the order of the models, and who has a share of it; of these, the most confident alone
    // where no other is combined.
    __device__ void gather(Phase phase) const
    {
        double weights[kMostModels / 32];
        double sum = 0.0;
        bool sound = true;
#pragma unroll
        for (int part = 0; part < kMostModels / 32; part++) {
            const int e = part * 32 + lane();
            weights[part] = e < job.modelCount ? __dmul_rn(model(e).weight, gate(e)) : 0.0;
            sound &= weights[part] >= 0.0;
#pragma unroll 1
            for (int l = 0; l < min(32, job.modelCount - part * 32); l++) {
                sum = __dadd_rn(sum, __shfl_sync(kWarp, weights[part], l));
            }
        }
        sound = __all_sync(kWarp, sound) && sum > 0.0 && sum < __longlong_as_double(0x7FF0000000000000LL);
        int before = 0;
#pragma unroll
        for (int part = 0; part < kMostModels / 32; part++) {
            const float share = sound ? __double2float_rn(__ddiv_rn(weights[part], sum)) : 0.0f;
            const unsigned takers = __ballot_sync(kWarp, share > 0.0f);
            members.shares[part * 32 + lane()] = share;
            if (share > 0.0f) {
                members.numbers[before + __popc(takers & ((1u << lane()) - 1))] = part * 32 + lane();
            }
            before += __popc(takers);
        }
        __syncwarp();
        if (lane() == 0) {
            members.count = before;
            members.sound = sound;
            if (job.mode == MOST_CONFIDENT && phase != MEASURE && before > 0) {
                members.numbers[0] = mostConfident();
                members.count = 1;
            }
        }
    }

    __device__ int mostConfident() const
    {
        int best = members.numbers[0];
#pragma unroll 1
        for (int i = 1; i < members.count; i++) {
            const int e = members.numbers[i];
            const double sum = statistics(e).sum;
            const double least = statistics(best).sum;
            if (sum < least || (least != least && sum == sum)) {
                best = e;
            }
        }
        return best;
    }

    __device__ double gate(int e) const
    {
        const long long at = members.row * job.modelCount + e;
        const Format format = static_cast<Format>(job.gateFormat);
        return job.gates == 0            ? 1.0
               : format == Format::F32   ? widen<Format::F32>(codeAt<Format::F32>(job.gates, at))
               : format == Format::F16   ? widen<Format::F16>(codeAt<Format::F16>(job.gates, at))
                                         : widen<Format::BF16>(codeAt<Format::BF16>(job.gates, at));
    }

    __device__ float2& pair(int r) const { return values[r * 32]; }

    // The first class of a thread's pair in a row of a chunk.
    __device__ static int classOf(int chunk, int r) { return chunk * kChunk + r * kLanes + lane() * 2; }

    // Whether rows of a chunk can be loaded in pairs.
    __device__ static bool isVector(uint64_t rows, int count, int rowCount)
    {
        return rows % (2 * bytesOf(FORMAT)) == 0 && count >= rowCount * kLanes;
    }

    // What a chunk adds up to whose values are there.
    __device__ ChunkRecord recordOf(int chunk, Maximum maximum, bool summed, bool ranked) const
    {
        ChunkRecord record = {maximum.ofWarp(), 0.0f, 0.0f, 0};
        if (ranked) {
            record.best = firstOf(chunk, record.max);
        }
        if (summed && isFinite(record.max)) {
            float2 sums = {};
            float2 moments = {};
#pragma unroll 4
            for (int r = 0; r < kRows; r++) {
                const float2 x = pair(r);
                addExponential(__fsub_rn(x.x, record.max), sums.x, moments.x);
                addExponential(__fsub_rn(x.y, record.max), sums.y, moments.y);
            }
            record.sum = foldLanes(sums);
            record.moment = foldLanes(moments);
        }
        return record;
    }

    __device__ static void addExponential(float difference, float& sum, float& moment)
    {
        const float d = bounded(difference);
        const float q = float_math::expOfDifference(d);
        sum = __fadd_rn(sum, q);
        moment = __fmaf_rn(q, d, moment);
    }

    // The first class of a chunk that has the maximum.
    __device__ int firstOf(int chunk, float max) const
    {
        const auto isMax = [=](float x) { return x == max || (isNaN(x) && isNaN(max)); };
        int first = job.classes;
#pragma unroll 4
        for (int r = kRows - 1; r >= 0; r--) {
            const float2 x = pair(r);
            const int c = classOf(chunk, r);
            first = isMax(x.x) ? c : isMax(x.y) ? c + 1 : first;
        }
#pragma unroll
        for (int step = 16; step > 0; step /= 2) {
            first = min(first, __shfl_xor_sync(kWarp, first, step));
        }
        return first;
    }

    __device__ int measuredCount() const { return wants(LOG_SUM_EXP) ? job.modelCount : members.count; }

    __device__ int measured(int i) const { return wants(LOG_SUM_EXP) ? i : members.numbers[i]; }

    // A thread's pair in a row.
    template <int WORDS>
    __device__ static float2 xIn(const uint32_t (&words)[WORDS], int r, float inverse)
    {
        const float first = widen<FORMAT>(codeIn<FORMAT>(words, 2 * r));
        const float second = widen<FORMAT>(codeIn<FORMAT>(words, 2 * r + 1));
        return {__fmul_rn(first, inverse), __fmul_rn(second, inverse)};
    }

    // Makes x -infinity where a model lacks a class.
    __device__ Maximum clearAbsent(int e, int chunk) const
    {
        Maximum maximum;
#pragma unroll 1
        for (int r = 0; r < kRows; r++) {
            const int c = classOf(chunk, r);
            float2 x = pair(r);
            x.x = c < job.classes && has(e, c) ? x.x : -float_math::kInfinity;
            x.y = c + 1 < job.classes && has(e, c + 1) ? x.y : -float_math::kInfinity;
            maximum.take(x);
            pair(r) = x;
        }
        return maximum;
    }

    __device__ void measure(int chunk) const
    {
        constexpr int kModels = 32 / (kRows * kPairWords<FORMAT>);  // whose words take 32 registers
        const int modelCount = measuredCount();
#pragma unroll 1
        for (int i = 0; i < modelCount; i += kModels) {
            uint32_t words[kModels][kRows * kPairWords<FORMAT>];
            uint64_t rows[kModels];
            bool vectors = true;
#pragma unroll
            for (int k = 0; k < kModels; k++) {
                rows[k] = logits(measured(min(i + k, modelCount - 1)), chunk * kChunk);
                vectors &= isVector(rows[k], count(chunk), kRows);
            }
            if (vectors) {
#pragma unroll
                for (int k = 0; k < kModels; k++) {
                    loadPairs<FORMAT, kRows>(words[k], i + k < modelCount, rows[k]);
                }
                afterLoads(words);
            }
            // One copy of what is done with a model: the words of the next move to the place of the first.
#pragma unroll 1
            for (int k = 0; k < kModels && i + k < modelCount; k++) {
                const int e = measured(i + k);
                Maximum maximum = vectors ? keep(words[0], model(e).inverse) : keepEach(e, chunk);
                if (model(e).present != 0) {
                    maximum = clearAbsent(e, chunk);
                }
                const bool votes = job.mode == VOTE;
                const ChunkRecord found = recordOf(chunk, maximum, !votes || wants(LOG_SUM_EXP), votes);
                if (lane() == 0) {
                    record(chunk, e) = found;
                }
#pragma unroll
                for (int w = 0; w < kRows * kPairWords<FORMAT>; w++) {
                    words[0][w] = words[kModels - 1][w];
                }
            }
        }
    }

    // Keeps x of a chunk that was loaded.
    __device__ Maximum keep(const uint32_t (&words)[kRows * kPairWords<FORMAT>], float inverse) const
    {
        Maximum maximum;
#pragma unroll
        for (int r = 0; r < kRows; r++) {
            const float2 x = xIn(words, r, inverse);
            maximum.take(x);
            pair(r) = x;
        }
        return maximum;
    }

    // Loads and keeps x of a chunk, some rows after the other.
    __device__ Maximum keepEach(int e, int chunk) const
    {
        const uint64_t rows = logits(e, chunk * kChunk);
        Maximum maximum;
#pragma unroll 1
        for (int firstRow = 0; firstRow < kRows; firstRow += kRowCount) {
            uint32_t words[kRowCount * kPairWords<FORMAT>];
            loadEach<FORMAT, kRowCount>(words, rows + firstRow * kLanes * bytesOf(FORMAT), count(chunk) - firstRow * kLanes);
#pragma unroll
            for (int r = 0; r < kRowCount; r++) {
                const float2 x = xIn(words, r, model(e).inverse);
                maximum.take(x);
                pair(firstRow + r) = x;
            }
        }
        return maximum;
    }

    __device__ Step step() const
    {
        return job.mode == PROBABILITIES ? Step::PROBABILITY : job.mode == MAXIMUM || job.mode == MOST_CONFIDENT ? Step::MAXIMUM : Step::MEAN;
    }

    // How the value of a class starts.
    __device__ float start() const { return !members.sound ? float_math::kNaN : step() == Step::MAXIMUM ? -float_math::kInfinity : 0.0f; }

    // What a step takes of the statistics of a model.
    struct Constants {
        float factor;
        float shift;
    };

    __device__ Constants constants(int e) const
    {
        return job.mode == PROBABILITIES                    ? Constants{statistics(e).scale, statistics(e).max}
               : job.mode == LOG_PROBABILITIES && job.limited ? Constants{members.shares[e], statistics(e).logSumExp()}
                                                              : Constants{members.shares[e], 0.0f};
    }

    template <Step STEP>
    __device__ static float take(float value, float x, Constants model)
    {
        if constexpr (STEP == Step::PROBABILITY) {
            return __fmaf_rn(model.factor, float_math::expOfDifference(bounded(__fsub_rn(x, model.shift))), value);
        } else if constexpr (STEP == Step::MAXIMUM) {
            return larger(value, x);
        } else {
            return __fmaf_rn(model.factor, __fsub_rn(x, model.shift), value);
        }
    }

    // Takes a step with a model's words in some rows of a chunk.
    template <Step STEP>
    __device__ void takeRows(float2 (&to)[kRowCount], const uint32_t (&words)[kRowCount * kPairWords<FORMAT>], float inverse, Constants model) const
    {
#pragma unroll
        for (int r = 0; r < kRowCount; r++) {
            const float2 x = xIn(words, r, inverse);
            to[r] = {take<STEP>(to[r].x, x.x, model), take<STEP>(to[r].y, x.y, model)};
        }
    }

    // Scores or probabilities in some rows of a chunk, as far as the models make them.
    __device__ void combineRows(float2 (&to)[kRowCount], int chunk, int firstRow) const
    {
        constexpr int kModels = kModelsAtOnce;
        const int firstClass = chunk * kChunk + firstRow * kLanes;
        const int classes = job.classes - firstClass;
        const int count = members.count;
#pragma unroll 1
        for (int i = 0; i < count; i += kModels) {
            uint32_t words[kModels][kRowCount * kPairWords<FORMAT>];
            uint64_t rows[kModels];
            bool vectors = true;
#pragma unroll
            for (int k = 0; k < kModels; k++) {
                rows[k] = logits(members.numbers[min(i + k, count - 1)], firstClass);
                vectors &= isVector(rows[k], classes, kRowCount);
            }
            if (!vectors) {
#pragma unroll 1
                for (int k = 0; k < kModels && i + k < count; k++) {
                    loadEach<FORMAT, kRowCount>(words[0], logits(members.numbers[i + k], firstClass), classes);
                    takeModel(to, members.numbers[i + k], words[0]);
                }
                continue;
            }
#pragma unroll
            for (int k = 0; k < kModels; k++) {
                loadPairs<FORMAT, kRowCount>(words[k], i + k < count, rows[k]);
            }
            afterLoads(words);
#pragma unroll
            for (int k = 0; k < kModels; k++) {
                if (i + k >= count) {
                    break;
                }
                takeModel(to, members.numbers[i + k], words[k]);
            }
        }
    }

    __device__ void takeModel(float2 (&to)[kRowCount], int e, const uint32_t (&words)[kRowCount * kPairWords<FORMAT>]) const
    {
        const float inverse = model(e).inverse;
        const Constants model = constants(e);
        const Step step = this->step();
        if (step == Step::PROBABILITY) {
            takeRows<Step::PROBABILITY>(to, words, inverse, model);
        } else if (step == Step::MAXIMUM) {
            takeRows<Step::MAXIMUM>(to, words, inverse, model);
        } else {
            takeRows<Step::MEAN>(to, words, inverse, model);
        }
    }

    // Makes the scores or the probabilities of a chunk.
    __device__ Maximum combineValues(int chunk) const
    {
        const bool oneByOne = job.mode == VOTE || job.limited;
        Maximum maximum;
#pragma unroll 1
        for (int firstRow = 0; firstRow < kRows; firstRow += kRowCount) {
            float2 made[kRowCount];
#pragma unroll
            for (int r = 0; r < kRowCount; r++) {
                made[r] = {start(), start()};
            }
            if (!oneByOne) {
                combineRows(made, chunk, firstRow);
            }
#pragma unroll
            for (int r = 0; r < kRowCount; r++) {
                maximum.take(made[r]);
                pair(firstRow + r) = made[r];
            }
        }
        return oneByOne && members.sound ? combineOneByOne(chunk) : maximum;
    }

    __device__ Maximum combineOneByOne(int chunk) const
    {
        Maximum maximum;
#pragma unroll 1
        for (int r = 0; r < kRows; r++) {
            float made[2];
#pragma unroll 1
            for (int h = 0; h < 2; h++) {
                const int c = classOf(chunk, r) + h;
                made[0] = made[1];
                made[1] = c < job.classes ? valueOf(c) : isOfProbabilities() ? 0.0f : -float_math::kInfinity;
            }
            pair(r) = {made[0], made[1]};
            maximum.take(pair(r));
        }
        return maximum;
    }

    // Whether scores are means over the models that have a class.
    __device__ bool isMeanOfPresent() const { return job.limited && (job.mode == LOGITS || job.mode == LOG_PROBABILITIES); }

    // The score or the probability of one class, by one thread.
    __device__ float valueOf(int c) const
    {
        float value = start();
        float share = 0.0f;
#pragma unroll 1
        for (int i = 0; i < members.count; i++) {
            const int e = members.numbers[i];
            if (job.mode == VOTE) {
                value = statistics(e).best == c ? __fadd_rn(value, members.shares[e]) : value;
                continue;
            }
            const float x = xOf(e, c);
            const Constants model = constants(e);
            if (step() == Step::PROBABILITY) {
                value = take<Step::PROBABILITY>(value, x, model);
            } else if (step() == Step::MAXIMUM) {
                value = take<Step::MAXIMUM>(value, x, model);
            } else if (!isMeanOfPresent() || has(e, c)) {
                value = take<Step::MEAN>(value, x, model);
                share = __fadd_rn(share, members.shares[e]);
            }
        }
        return !isMeanOfPresent() || !members.sound ? value : share == 0.0f ? -float_math::kInfinity : __fdiv_rn(value, share);
    }

    __device__ bool has(int e, int c) const
    {
        return model(e).present == 0 || reinterpret_cast<const uint8_t*>(model(e).present)[c] != 0;
    }

    __device__ float xOf(int e, int c) const
    {
        return has(e, c) ? __fmul_rn(widen<FORMAT>(codeAt<FORMAT>(logits(e, c), 0)), model(e).inverse) : -float_math::kInfinity;
    }

    // Of a class, given its score or its probability.
    __device__ float logProbability(int c, float value) const
    {
        if (!isOfProbabilities()) {
            return __fsub_rn(__fsub_rn(value, statistics(combined()).max), statistics(combined()).logSum);
        }
        return job.mode == PROBABILITIES && value < kTiny ? logOfTheTiny(c) : float_math::log(value);
    }

    __device__ float logTerm(int e, int c) const
    {
        return __fsub_rn(__fadd_rn(float_math::log(members.shares[e]), __fsub_rn(xOf(e, c), statistics(e).max)), statistics(e).logSum);
    }

    __device__ float logOfTheTiny(int c) const
    {
        float max = -float_math::kInfinity;
#pragma unroll 1
        for (int i = 0; i < members.count; i++) {
            max = larger(max, logTerm(members.numbers[i], c));
        }
        if (max == -float_math::kInfinity) {
            return max;
        }
        float sum = 0.0f;
#pragma unroll 1
        for (int i = 0; i < members.count; i++) {
            sum = __fadd_rn(sum, float_math::exp(__fsub_rn(logTerm(members.numbers[i], c), max)));
        }
        return __fadd_rn(max, float_math::log(sum));
    }

    __device__ void storeNumber(Output output, long long at, float value) const
    {
        if (wants(output)) {
            reinterpret_cast<uint32_t*>(job.outputs[output])[at] = roundToF32(value);
        }
    }

    // Whether no class of a chunk can be the best. The best class has at least what the surest model gives to its own.
    __device__ bool isPassedOver(int chunk) const
    {
        if (!job.passing || !wants(ARGMAX)) {
            return job.passing;
        }
        float bound = 0.0f;
        float floor = 0.0f;
#pragma unroll 1
        for (int i = lane(); i < members.count; i += 32) {
            const int e = members.numbers[i];
            const float largest = float_math::exp(bounded(__fsub_rn(record(chunk, e).max, statistics(e).max)));
            bound = __fmaf_rn(statistics(e).scale, largest, bound);
            floor = larger(floor, statistics(e).scale);
        }
#pragma unroll 1
        for (int step = 16; step > 0; step /= 2) {
            bound = __fadd_rn(bound, __shfl_xor_sync(kWarp, bound, step));
            floor = larger(floor, __shfl_xor_sync(kWarp, floor, step));
        }
        return __fmaf_rn(bound, kSlack, 0x1p-126f) < floor;
    }

    __device__ void combine(int chunk, Maximum maximum) const
    {
        ChunkRecord found = recordOf(chunk, maximum, !isOfProbabilities() && isNormalised(), wants(ARGMAX));
        if (isOfProbabilities() && (wants(ENTROPY) || wants(DISAGREEMENT))) {
            const auto surprise = [](float p) { return p == 0.0f ? 0.0f : __fmul_rn(p, float_math::log(p)); };
            float2 sums = {};
#pragma unroll 2
            for (int r = 0; r < kRows; r++) {
                const float2 p = pair(r);
                sums = {__fadd_rn(sums.x, surprise(p.x)), __fadd_rn(sums.y, surprise(p.y))};
            }
            found.sum = foldLanes(sums);
        }
        if (lane() == 0) {
            record(chunk, combined()) = found;
        }
    }

    // The result that a row has for a class, given its score or its probability.
    __device__ float resultOf(Output output, int c, float value) const
    {
        if (output == (isOfProbabilities() ? PROBABILITIES_OUT : LOGITS_OUT)) {
            return value;
        }
        if (output != PROBABILITIES_OUT) {
            return logProbability(c, value);
        }
        const Statistics& all = statistics(combined());
        return __fmul_rn(all.scale, float_math::expOfDifference(bounded(__fsub_rn(value, all.max))));
    }

    // The results of whole rows that a phase can tell.
    __device__ void storeResults(Phase phase, int chunk) const
    {
#pragma unroll 1
        for (int o = LOGITS_OUT; o <= PROBABILITIES_OUT; o++) {
            const Output output = static_cast<Output>(o);
            if (!wants(output) || (phase == COMBINE) != (isOfProbabilities() || output == LOGITS_OUT)) {
                continue;
            }
            const Format format = static_cast<Format>(job.formats[o]);
            const int bytes = format == Format::F32 ? 4 : 2;
            const uint64_t to = job.outputs[o] + members.row * job.classes * bytes;
            const bool pairs = to % (2 * bytes) == 0;
#pragma unroll 1
            for (int r = 0; r < kRows; r++) {
                const int c = classOf(chunk, r);
                if (c >= job.classes) {
                    break;
                }
                const float2 value = pair(r);
                const uint64_t at = to + static_cast<long long>(c) * bytes;
                const uint32_t first = codeOf(resultOf(output, c, value.x), format);
                if (c + 1 == job.classes) {
                    storeCode(at, first, bytes);
                    break;
                }
                const uint32_t second = codeOf(resultOf(output, c + 1, value.y), format);
                if (!pairs) {
                    storeCode(at, first, bytes);
                    storeCode(at + bytes, second, bytes);
                } else if (bytes == 4) {
                    *reinterpret_cast<uint2*>(at) = make_uint2(first, second);
                } else {
                    *reinterpret_cast<uint32_t*>(at) = first | second << 16;
                }
            }
        }
    }

    __device__ static void storeCode(uint64_t at, uint32_t code, int bytes)
    {
        if (bytes == 4) {
            *reinterpret_cast<uint32_t*>(at) = code;
        } else {
            *reinterpret_cast<uint16_t*>(at) = code;
        }
    }

    // COMBINE or NORMALISE of a chunk, by one warp.
    __device__ void sweep(Phase phase, int chunk) const
    {
        if (phase == COMBINE && isPassedOver(chunk)) {
            if (lane() == 0) {
                record(chunk, combined()) = {-1.0f, 0.0f, 0.0f, 0};
            }
            return;
        }
        const Maximum maximum = combineValues(chunk);
        if (phase == COMBINE) {
            combine(chunk, maximum);
        }
        storeResults(phase, chunk);
    }

    // What the chunks of a model, or of the scores, add up to; by one warp.
    __device__ Statistics total(int slot, float share) const
    {
        Statistics all = {};
        all.max = -float_math::kInfinity;
        all.best = record(0, slot).best;
#pragma unroll 1
        for (int j = lane(); j < chunks(); j += 32) {
            const ChunkRecord& found = record(j, slot);
            if (isBetter(found.max, all.max)) {
                all.max = found.max;
                all.best = found.best;
            }
        }
#pragma unroll
        for (int step = 16; step > 0; step /= 2) {
            const float max = __shfl_xor_sync(kWarp, all.max, step);
            const int best = __shfl_xor_sync(kWarp, all.best, step);
            if (isBetter(max, all.max) || (!isBetter(all.max, max) && best < all.best)) {
                all.max = max;
                all.best = best;
            }
        }
        double moment = __longlong_as_double(0x7FF8000000000000LL);
        all.sum = moment;
        if (isFinite(all.max)) {
            const auto difference = [&](int j) { return bounded(__fsub_rn(record(j, slot).max, all.max)); };
            all.sum = sumPairs(chunks(), [&](int j) {
                return __dmul_rn(float_math::exp(difference(j)), record(j, slot).sum);
            });
            moment = sumPairs(chunks(), [&](int j) {
                const double d = difference(j);
                return __dmul_rn(float_math::exp(difference(j)), __dadd_rn(record(j, slot).moment, __dmul_rn(d, record(j, slot).sum)));
            });
        }
        all.logSum = float_math::log(__double2float_rn(all.sum));
        all.scale = __double2float_rn(__ddiv_rn(share, all.sum));
        all.entropy = __fsub_rn(all.logSum, __double2float_rn(__ddiv_rn(moment, all.sum)));
        return all;
    }

    // Ends MEASURE of a row, by a block.
    __device__ void finishMeasure() const
    {
#pragma unroll 1
        for (int i = threadIdx.x / 32; i < measuredCount(); i += blockDim.x / 32) {
            const int e = measured(i);
            const Statistics all = total(e, members.shares[e]);
            if (lane() == 0) {
                statistics(e) = all;
                storeNumber(LOG_SUM_EXP, members.row * job.modelCount + e, all.logSumExp());
            }
        }
    }

    // Ends COMBINE of a row, by one warp.
    __device__ void finishCombine() const
    {
        Statistics all = total(combined(), 1.0f);
        if (isOfProbabilities()) {
            all.entropy = -__double2float_rn(sumPairs(chunks(), [&](int j) { return static_cast<double>(record(j, combined()).sum); }));
        }
        if (lane() != 0) {
            return;
        }
        statistics(combined()) = all;
        if (wants(ARGMAX)) {
            reinterpret_cast<int*>(job.outputs[ARGMAX])[members.row] = all.best;
        }
        storeNumber(ENTROPY, members.row, all.entropy);
        if (wants(DISAGREEMENT)) {
            float disagreement = all.entropy;
#pragma unroll 1
            for (int i = 0; i < members.count; i++) {
                const int e = members.numbers[i];
                disagreement = __fmaf_rn(-members.shares[e], statistics(e).entropy, disagreement);
            }
            storeNumber(DISAGREEMENT, members.row, disagreement);
        }
        if (wants(LOSS)) {
            const long long label = job.wideLabels ? reinterpret_cast<const long long*>(job.labels)[members.row] : reinterpret_cast<const int*>(job.labels)[members.row];
            const bool isClass = label >= 0 && label < job.classes;
            const int c = isClass ? static_cast<int>(label) : 0;
            storeNumber(LOSS, members.row, isClass ? -logProbability(c, valueOf(c)) : float_math::kNaN);
        }
    }
};

template <Format FORMAT>
__device__ inline void run(const EnsembleJob& given, long long firstRow, long long rows, Phase phase)
{
    extern __shared__ float2 values[];  // of each warp
    __shared__ EnsembleJob job;         // a copy, so that nothing of it is kept in registers
    __shared__ Members members;
    __shared__ bool last;
    for (int i = threadIdx.x; i < static_cast<int>(sizeof(EnsembleJob) / 4); i += blockDim.x) {
        reinterpret_cast<int*>(&job)[i] = reinterpret_cast<const int*>(&given)[i];
    }
    __syncthreads();
    const int chunkOfPart = threadIdx.x / 32;
    const Row<FORMAT> row = {job, members, values + chunkOfPart * (kChunk / 2) + lane()};
    for (long long task = blockIdx.x; task < rows * job.parts; task += gridDim.x) {
        const long long slot = task / job.parts;
        const int chunk = static_cast<int>(task % job.parts) * (blockDim.x / 32) + chunkOfPart;
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
        if (phase == NORMALISE) {
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
        combine(const EnsembleJob* __restrict__ job, long long firstRow, long long rows, int normalises)                            \
    {                                                                                                                             \
        ensemble::run<FORMAT>(*job, firstRow, rows, normalises ? ensemble::NORMALISE : ensemble::COMBINE);                         \
    }
