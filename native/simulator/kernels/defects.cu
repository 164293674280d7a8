// Kernels with one defect each, and beside them what is right: the simulator has to report the first and to be silent on the second.
// Launched with 64 threads a block unless a comment says otherwise; `n` is the number of elements a correct kernel may touch.
#include <stdint.h>

namespace {

constexpr int kThreads = 64;

__device__ void publish(uint32_t* data, uint32_t* flag, int order)
{
    data[0] = 42;
    if (order == __NV_ATOMIC_RELEASE) {
        __nv_atomic_store_n(flag, 1u, __NV_ATOMIC_RELEASE, __NV_THREAD_SCOPE_DEVICE);
    } else {
        __nv_atomic_store_n(flag, 1u, __NV_ATOMIC_RELAXED, __NV_THREAD_SCOPE_DEVICE);
    }
}

__device__ uint32_t await(const uint32_t* data, uint32_t* flag)
{
    while (__nv_atomic_load_n(flag, __NV_ATOMIC_ACQUIRE, __NV_THREAD_SCOPE_DEVICE) == 0) {
        __nanosleep(100);
    }
    return data[0];
}

}  // namespace

// --- Block barriers
extern "C" __global__ void block_barrier_missing(const uint32_t* in, uint32_t* out)
{
    __shared__ uint32_t mine[kThreads];
    mine[threadIdx.x] = 0;
    __syncthreads();
    mine[threadIdx.x] = in[threadIdx.x];
    out[threadIdx.x] = mine[kThreads - 1 - threadIdx.x];
}

extern "C" __global__ void block_barrier_right(const uint32_t* in, uint32_t* out)
{
    __shared__ uint32_t mine[kThreads];
    mine[threadIdx.x] = in[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = mine[kThreads - 1 - threadIdx.x];
}

extern "C" __global__ void write_after_read(const uint32_t* in, uint32_t* out)
{
    __shared__ uint32_t mine[kThreads];
    mine[threadIdx.x] = in[threadIdx.x];
    for (int i = 0; i < 3; i++) {
        __syncthreads();
        const uint32_t next = mine[(threadIdx.x + 33) % kThreads];
        mine[threadIdx.x] = next + 1;  // another thread may not have read it yet
    }
    __syncthreads();
    out[threadIdx.x] = mine[threadIdx.x];
}

extern "C" __global__ void write_after_read_right(const uint32_t* in, uint32_t* out)
{
    __shared__ uint32_t mine[kThreads];
    mine[threadIdx.x] = in[threadIdx.x];
    for (int i = 0; i < 3; i++) {
        __syncthreads();
        const uint32_t next = mine[(threadIdx.x + 33) % kThreads];
        __syncthreads();
        mine[threadIdx.x] = next + 1;
    }
    __syncthreads();
    out[threadIdx.x] = mine[threadIdx.x];
}

extern "C" __global__ void barriers_of_two_branches(uint32_t* out)
{
    if (threadIdx.x < 32) {
        out[threadIdx.x] = 1;
        __syncthreads();
    } else {
        out[threadIdx.x] = 2;
        __syncthreads();
        out[threadIdx.x] += 1;
    }
}

extern "C" __global__ void barrier_of_half_a_warp(uint32_t* out)
{
    if (threadIdx.x % 32 >= 16) {
        return;
    }
    __syncthreads();
    out[threadIdx.x] = 1;
}

extern "C" __global__ void barrier_that_waits_for_ever(uint32_t* out)
{
    if (threadIdx.x < 32) {
        asm volatile("bar.sync 1, 64;");
    } else {
        asm volatile("bar.sync 2, 64;");
    }
    out[threadIdx.x] = 1;
}

// --- Warps
extern "C" __global__ void warp_barrier_missing(const uint32_t* in, uint32_t* out)
{
    __shared__ uint32_t mine[kThreads];
    mine[threadIdx.x] = 0;
    __syncwarp();
    mine[threadIdx.x] = in[threadIdx.x];
    out[threadIdx.x] = mine[threadIdx.x ^ 1];
}

extern "C" __global__ void warp_barrier_right(const uint32_t* in, uint32_t* out)
{
    __shared__ uint32_t mine[kThreads];
    mine[threadIdx.x] = in[threadIdx.x];
    __syncwarp();
    out[threadIdx.x] = mine[threadIdx.x ^ 1];
}

extern "C" __global__ void shuffles_of_two_branches(const uint32_t* in, uint32_t* out)
{
    uint32_t value = in[threadIdx.x];
    if (threadIdx.x % 32 < 16) {
        value = __shfl_xor_sync(0xFFFFFFFF, value, 1);
    } else {
        value = __shfl_xor_sync(0xFFFFFFFF, value, 2) + 1;
    }
    out[threadIdx.x] = value;
}

extern "C" __global__ void shuffle_with_exited_lanes(const uint32_t* in, uint32_t* out)
{
    if (threadIdx.x % 32 >= 16) {
        return;
    }
    out[threadIdx.x] = __shfl_xor_sync(0xFFFFFFFF, in[threadIdx.x], 1);
}

extern "C" __global__ void shuffle_of_a_lane_outside_its_mask(const uint32_t* in, uint32_t* out)
{
    out[threadIdx.x] = __shfl_xor_sync(0x0000FFFF, in[threadIdx.x], 1);
}

// --- Global memory
extern "C" __global__ void two_writers(uint32_t* out)
{
    out[0] = blockIdx.x;
}

extern "C" __global__ void one_writer(uint32_t* out)
{
    out[blockIdx.x] = blockIdx.x;
}

extern "C" __global__ void past_the_end(uint32_t* out, int n)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i <= n) {
        out[i] = 1;
    }
}

extern "C" __global__ void misaligned_vector(const uint32_t* in, uint4* out, int shift)
{
    out[threadIdx.x] = *reinterpret_cast<const uint4*>(in + 4 * threadIdx.x + shift);
}

extern "C" __global__ void read_of_nothing(const uint32_t* never_written, uint32_t* out)
{
    out[threadIdx.x] = never_written[threadIdx.x];
}

// --- Shared memory
extern "C" __global__ void past_a_static_array(uint32_t* out, int index)
{
    __shared__ uint32_t first[kThreads];
    __shared__ uint32_t second[kThreads];
    first[threadIdx.x] = 1;
    second[threadIdx.x] = 2;
    __syncthreads();
    out[threadIdx.x] = first[(threadIdx.x + index)] + second[threadIdx.x ^ 1];
}

extern "C" __global__ void past_dynamic_memory(uint32_t* out, int index)
{
    extern __shared__ uint32_t dynamic[];
    dynamic[threadIdx.x] = 1;
    __syncthreads();
    out[threadIdx.x] = dynamic[threadIdx.x + index];
}

extern "C" __global__ void read_of_fresh_shared_memory(uint32_t* out)
{
    __shared__ uint32_t mine[kThreads];
    if (threadIdx.x > 0) {
        mine[threadIdx.x] = 1;
    }
    __syncthreads();
    out[threadIdx.x] = mine[threadIdx.x];
}

// --- Order between blocks; a cooperative launch of two blocks
extern "C" __global__ void relaxed_where_release_is_needed(uint32_t* data, uint32_t* flag, uint32_t* out)
{
    if (threadIdx.x == 0) {
        if (blockIdx.x == 0) {
            publish(data, flag, __NV_ATOMIC_RELAXED);
        } else {
            out[0] = await(data, flag);
        }
    }
}

extern "C" __global__ void release_and_acquire(uint32_t* data, uint32_t* flag, uint32_t* out)
{
    if (threadIdx.x == 0) {
        if (blockIdx.x == 0) {
            publish(data, flag, __NV_ATOMIC_RELEASE);
        } else {
            out[0] = await(data, flag);
        }
    }
}
