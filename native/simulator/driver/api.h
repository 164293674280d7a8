// The part of the CUDA driver API that the simulated driver has: types, constants and functions as cuda.h of CUDA 13.0 declares them.
// Written out here so that the simulator needs no CUDA toolkit; api_check.cpp compares it with cuda.h wherever there is one.
#pragma once

#include <cstddef>
#include <cstdint>

using cuuint64_t = std::uint64_t;
using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st*;
using CUmodule = struct CUmod_st*;
using CUlibrary = struct CUlib_st*;
using CUfunction = struct CUfunc_st*;
using CUkernel = struct CUkern_st*;
using CUstream = struct CUstream_st*;
using CUevent = struct CUevent_st*;
using CUgraph = struct CUgraph_st*;
using CUgraphNode = struct CUgraphNode_st*;
using CUgraphExec = struct CUgraphExec_st*;
using CUmemoryPool = struct CUmemPoolHandle_st*;
using CUlogIterator = unsigned int;
using CUlogsCallbackHandle = struct CUlogsCallbackEntry_st*;

enum CUresult {
#define FUSOR_SIM_RESULT(name, number) name = number,
#include "results.inc"
#undef FUSOR_SIM_RESULT
};

#define FUSOR_SIM_ENUM(name) enum name : unsigned {
#define FUSOR_SIM_CONSTANT(name, number) name = number,
#define FUSOR_SIM_COUNT(name, number) name = number,
#define FUSOR_SIM_END };
#include "constants.inc"
#undef FUSOR_SIM_ENUM
#undef FUSOR_SIM_CONSTANT
#undef FUSOR_SIM_COUNT
#undef FUSOR_SIM_END

using CUhostFn = void (*)(void*);
using CUoccupancyB2DSize = std::size_t (*)(int);
using CUlogsCallback = void (*)(void*, CUlogLevel, char*, std::size_t);

struct CUuuid {
    char bytes[16];
};

struct CUctxCreateParams {
    struct CUexecAffinityParam_st* execAffinityParams;
    int numExecAffinityParams;
    struct CUctxCigParam_st* cigParams;
};

union CUlaunchAttributeValue {
    char pad[64];
    int cooperative;
    struct {
        unsigned int x, y, z;
    } clusterDim;
    int priority;
    void* aligned;  // some member that is not read here has this alignment
};

struct CUlaunchAttribute {
    CUlaunchAttributeID id;
    char pad[4];
    CUlaunchAttributeValue value;
};

struct CUlaunchConfig {
    unsigned int gridDimX, gridDimY, gridDimZ;
    unsigned int blockDimX, blockDimY, blockDimZ;
    unsigned int sharedMemBytes;
    CUstream hStream;
    CUlaunchAttribute* attrs;
    unsigned int numAttrs;
};

struct CUDA_KERNEL_NODE_PARAMS {
    CUfunction func;
    unsigned int gridDimX, gridDimY, gridDimZ;
    unsigned int blockDimX, blockDimY, blockDimZ;
    unsigned int sharedMemBytes;
    void** kernelParams;
    void** extra;
    CUkernel kern;
    CUcontext ctx;
};

struct CUgraphExecUpdateResultInfo {
    CUgraphExecUpdateResult result;
    CUgraphNode errorNode;
    CUgraphNode errorFromNode;
};

struct CUmemLocation {
    CUmemLocationType type;
    int id;
};

struct CUmemPoolProps {
    CUmemAllocationType allocType;
    CUmemAllocationHandleType handleTypes;
    CUmemLocation location;
    void* win32SecurityAttributes;
    std::size_t maxSize;
    unsigned short usage;
    unsigned char reserved[54];
};

struct CUmemAccessDesc {
    CUmemLocation location;
    CUmemAccess_flags flags;
};

struct CUDA_MEMCPY2D {
    std::size_t srcXInBytes, srcY;
    CUmemorytype srcMemoryType;
    const void* srcHost;
    CUdeviceptr srcDevice;
    struct CUarray_st* srcArray;
    std::size_t srcPitch;
    std::size_t dstXInBytes, dstY;
    CUmemorytype dstMemoryType;
    void* dstHost;
    CUdeviceptr dstDevice;
    struct CUarray_st* dstArray;
    std::size_t dstPitch;
    std::size_t WidthInBytes, Height;
};

// The streams that need not be made.
constexpr std::uintptr_t kLegacyStream = 1, kPerThreadStream = 2;

// What the array of a launch's extra options says next.
constexpr std::uintptr_t kLaunchParameterEnd = 0, kLaunchParameterBuffer = 1, kLaunchParameterBufferSize = 2;

// Each of them is visible outside, and nothing else of the driver but control.h.
#define FUSOR_SIM_API extern "C" __attribute__((visibility("default"))) CUresult

#ifndef FUSOR_SIM_TYPES_ONLY
#define FUSOR_SIM_FUNCTION(name, parameters) FUSOR_SIM_API name parameters;
#include "functions.inc"
#undef FUSOR_SIM_FUNCTION
#endif
