// meeting: sums of the squares of rows that several blocks have together, by the meetings of ensembles.
//
//   input    values f32[rows][blocks of a row][2], a value for each warp
//   output   sums f32[rows]; squares and totals f32[rows][blocks of a row][2], and arrived u32[rows] are scratch, arrived is zero before and after
//   order    each warp of a row adds the squares of all, in order; the last block to finish a row adds what they found, and divides by how many they are
//   launch   64 threads, cooperative, a multiple of the blocks that have a row
#include <stdint.h>

#include "ensemble/meeting.cuh"

extern "C" __global__ void __launch_bounds__(64) meeting_f32(
    const float* values, int rows, int blocks, float* squares, float* totals, uint32_t* arrived, float* sums)
{
    __shared__ unsigned meetings;
    if (threadIdx.x == 0) {
        meetings = 0;
    }
    const int warp = threadIdx.x / 32;
    const bool first = threadIdx.x % 32 == 0;
    const int count = 2 * blocks;
    for (int row = blockIdx.x / blocks; row < rows; row += gridDim.x / blocks) {
        const int mine = row * count + blockIdx.x % blocks * 2 + warp;
        if (first) {
            squares[mine] = values[mine] * values[mine];
        }
        ensemble::meet(arrived + row, blocks, meetings);
        if (first) {
            float total = 0.0f;
            for (int i = 0; i < count; i++) {
                total += squares[row * count + i];
            }
            totals[mine] = total;
        }
        __syncthreads();
        if (warp == 0 && ensemble::isLast(arrived + row, blocks, meetings) && first) {
            float sum = 0.0f;
            for (int i = 0; i < count; i++) {
                sum += totals[row * count + i];
            }
            sums[row] = sum / count;
        }
    }
}
