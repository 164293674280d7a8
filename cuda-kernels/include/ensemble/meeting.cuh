// Where the blocks that have a row together meet. All of them are resident, and come to the same meetings in the same order.
#pragma once

namespace ensemble {

// Waits for all blocks that have a row: what they have written is seen then. A block that has it alone waits for its warps. How many have arrived is
// counted in device memory, how often they have met in shared memory; both are 0 before the first meeting and after the last block has left.
__device__ inline void meet(unsigned* arrived, unsigned blocks, unsigned& meetings)
{
    __syncthreads();
    if (threadIdx.x == 0 && blocks > 1) {
        const unsigned all = ++meetings * blocks;
        // Releases what this block has written, and acquires what the others have.
        __nv_atomic_fetch_add(arrived, 1u, __NV_ATOMIC_RELEASE, __NV_THREAD_SCOPE_DEVICE);
        while (__nv_atomic_load_n(arrived, __NV_ATOMIC_ACQUIRE, __NV_THREAD_SCOPE_DEVICE) < all) {
            __nanosleep(20);
        }
    }
    __syncthreads();
}

// By the first warp of a block that is through with a row: whether all others are. It waits for none, and sees what they have written.
__device__ inline bool isLast(unsigned* arrived, unsigned blocks, unsigned& meetings)
{
    bool last = true;
    if (threadIdx.x == 0 && blocks > 1) {
        last = __nv_atomic_fetch_add(arrived, 1u, __NV_ATOMIC_ACQ_REL, __NV_THREAD_SCOPE_DEVICE) + 1 == (meetings + 1) * blocks;
        if (last) {
            *arrived = 0;
        }
        meetings = 0;
    }
    last = __shfl_sync(0xFFFFFFFFu, last, 0);
    __syncwarp();  // all lanes see what the first has acquired
    return last;
}

}  // namespace ensemble
