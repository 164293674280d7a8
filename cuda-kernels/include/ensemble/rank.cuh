// RANK: the best classes of a row, best first.
#pragma once
#include "ensemble/row.cuh"

namespace ensemble {

// Whether a value comes before another: NaN first, of equal values that of the lower number.
__device__ inline bool precedes(float value, int number, float other, int otherNumber)
{
    return isBetter(value, other) || (!isBetter(other, value) && number < otherNumber);
}

// Takes what a thread has if it is good enough, one thread after the other: what one brings may rule out the next.
__device__ inline void Ranking::offer(const Team& team, bool valid, float value, int number)
{
    for (;;) {
        const unsigned takers = __ballot_sync(team.mask, valid && takes(value, number));
        if (takers == 0) {
            return;
        }
        const int from = __ffs(takers) - 1;
        insert(team, __shfl_sync(team.mask, value, from), __shfl_sync(team.mask, number, from));
        valid &= lane() != from;  // of the warp
    }
}

__device__ inline bool Ranking::takes(float value, int number) const
{
    return held < size || precedes(value, number, values()[held - 1], numbers()[held - 1]);
}

__device__ inline void Ranking::insert(const Team& team, float value, int number)
{
    int place = 0;
#pragma unroll 1
    for (int first = 0; first < held; first += team.width) {
        const int i = first + team.lane;
        place += __popc(__ballot_sync(team.mask, i < held && precedes(values()[i], numbers()[i], value, number)));
    }
    const int count = min(held + 1, size);
    // What comes behind moves by one place, the last ones first.
#pragma unroll 1
    for (int last = count - 1; last > place; last -= team.width) {
        const int i = last - team.lane;
        const bool moves = i > place;
        const float movedValue = moves ? values()[i - 1] : 0.0f;
        const int movedNumber = moves ? numbers()[i - 1] : 0;
        __syncwarp(team.mask);
        if (moves) {
            values()[i] = movedValue;
            numbers()[i] = movedNumber;
        }
    }
    __syncwarp(team.mask);
    if (team.lane == 0) {
        values()[place] = value;
        numbers()[place] = number;
        held = count;
    }
    __syncwarp(team.mask);
}

// The chunks of the largest values: their largest values come before all of the other chunks, so the best classes lie in them.
template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::rankChunks() const
{
    ranking.begin(team(), min(job.ranks, chunks()));
#pragma unroll 1
    for (int first = 0; first < chunks(); first += team().width) {
        const int j = first + team().lane;
        ranking.offer(team(), j < chunks(), j < chunks() ? record(j, combined()).max : 0.0f, j);
    }
#pragma unroll 1
    for (int i = team().lane; i < ranking.held; i += team().width) {
        promising()[i] = ranking.numbers()[i];
    }
    __syncwarp(team().mask);
    ranking.begin(team(), job.ranks);
}

// Whether a chunk that was ranked may still have one of the best classes.
template <Format FORMAT, Kind KIND>
__device__ inline bool Row<FORMAT, KIND>::isPromising(int place) const
{
    return place < min(job.ranks, chunks()) && ranking.takes(record(promising()[place], combined()).max, promising()[place] * kChunk);
}

template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::rankClasses(int chunk) const
{
#pragma unroll 1
    for (int i = 0; i < 2 * rowsOf(chunk); i++) {
        const int c = classOf(chunk, i / 2) + i % 2;
        ranking.offer(team(), c < job.classes, i % 2 == 0 ? pair(i / 2).x : pair(i / 2).y, c);
    }
}

template <Format FORMAT, Kind KIND>
__device__ inline void Row<FORMAT, KIND>::storeRanks() const
{
#pragma unroll 1
    for (int i = team().lane; i < job.ranks; i += team().width) {
        const long long at = members.row * job.ranks + i;
        const int c = ranking.numbers()[i];
        if (wants(TOP_CLASSES)) {
            reinterpret_cast<int*>(job.outputs[TOP_CLASSES])[at] = c;
        }
        if (wants(TOP_LOG_PROBABILITIES)) {
            storeNumber(TOP_LOG_PROBABILITIES, at, logProbability(c, ranking.values()[i]));
        }
    }
}

}  // namespace ensemble
