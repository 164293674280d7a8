// Compares api.h with the cuda.h of a CUDA 13 toolkit, where there is one: every number, every layout, every signature.
#if __has_include(<cuda.h>) && __has_include(<cudaProfiler.h>)
#include <cuda.h>
#include <cudaProfiler.h>
#endif

#include <cstddef>
#include <cstdint>
#include <type_traits>

#if defined(CUDA_VERSION) && CUDA_VERSION >= 13000 && CUDA_VERSION < 14000

namespace own {
#define FUSOR_SIM_TYPES_ONLY
#include "api.h"
}  // namespace own

// --- Numbers.
#define FUSOR_SIM_ENUM(name) static_assert(sizeof(own::name) == sizeof(::name));
#define FUSOR_SIM_CONSTANT(name, number) static_assert(::name == number);
#define FUSOR_SIM_COUNT(name, number) static_assert(::name >= number);
#define FUSOR_SIM_END
#define FUSOR_SIM_RESULT(name, number) static_assert(::name == number);
#include "constants.inc"
#include "results.inc"

static_assert(CU_LAUNCH_PARAM_END_AS_INT == own::kLaunchParameterEnd);
static_assert(CU_LAUNCH_PARAM_BUFFER_POINTER_AS_INT == own::kLaunchParameterBuffer);
static_assert(CU_LAUNCH_PARAM_BUFFER_SIZE_AS_INT == own::kLaunchParameterBufferSize);

// --- Layouts.
#define SAME_SIZE(type) static_assert(sizeof(own::type) == sizeof(::type) && alignof(own::type) == alignof(::type));
#define SAME_PLACE(type, member)                                             \
    static_assert(offsetof(own::type, member) == offsetof(::type, member) && \
                  sizeof(own::type::member) == sizeof(::type::member));

SAME_SIZE(CUuuid)
SAME_SIZE(CUctxCreateParams)
SAME_PLACE(CUctxCreateParams, numExecAffinityParams)
SAME_PLACE(CUctxCreateParams, cigParams)
SAME_SIZE(CUlaunchAttributeValue)
SAME_PLACE(CUlaunchAttributeValue, cooperative)
SAME_PLACE(CUlaunchAttributeValue, clusterDim)
SAME_PLACE(CUlaunchAttributeValue, priority)
SAME_SIZE(CUlaunchAttribute)
SAME_PLACE(CUlaunchAttribute, id)
SAME_PLACE(CUlaunchAttribute, value)
SAME_SIZE(CUlaunchConfig)
SAME_PLACE(CUlaunchConfig, gridDimX)
SAME_PLACE(CUlaunchConfig, gridDimY)
SAME_PLACE(CUlaunchConfig, gridDimZ)
SAME_PLACE(CUlaunchConfig, blockDimX)
SAME_PLACE(CUlaunchConfig, blockDimY)
SAME_PLACE(CUlaunchConfig, blockDimZ)
SAME_PLACE(CUlaunchConfig, sharedMemBytes)
SAME_PLACE(CUlaunchConfig, hStream)
SAME_PLACE(CUlaunchConfig, attrs)
SAME_PLACE(CUlaunchConfig, numAttrs)
SAME_SIZE(CUDA_KERNEL_NODE_PARAMS)
SAME_PLACE(CUDA_KERNEL_NODE_PARAMS, func)
SAME_PLACE(CUDA_KERNEL_NODE_PARAMS, gridDimX)
SAME_PLACE(CUDA_KERNEL_NODE_PARAMS, blockDimX)
SAME_PLACE(CUDA_KERNEL_NODE_PARAMS, sharedMemBytes)
SAME_PLACE(CUDA_KERNEL_NODE_PARAMS, kernelParams)
SAME_PLACE(CUDA_KERNEL_NODE_PARAMS, extra)
SAME_PLACE(CUDA_KERNEL_NODE_PARAMS, kern)
SAME_PLACE(CUDA_KERNEL_NODE_PARAMS, ctx)
SAME_SIZE(CUgraphExecUpdateResultInfo)
SAME_PLACE(CUgraphExecUpdateResultInfo, result)
SAME_PLACE(CUgraphExecUpdateResultInfo, errorNode)
SAME_PLACE(CUgraphExecUpdateResultInfo, errorFromNode)
SAME_SIZE(CUmemLocation)
SAME_PLACE(CUmemLocation, type)
SAME_PLACE(CUmemLocation, id)
SAME_SIZE(CUmemPoolProps)
SAME_PLACE(CUmemPoolProps, allocType)
SAME_PLACE(CUmemPoolProps, handleTypes)
SAME_PLACE(CUmemPoolProps, location)
SAME_PLACE(CUmemPoolProps, maxSize)
SAME_PLACE(CUmemPoolProps, usage)
SAME_SIZE(CUmemAccessDesc)
SAME_PLACE(CUmemAccessDesc, location)
SAME_PLACE(CUmemAccessDesc, flags)
SAME_SIZE(CUDA_MEMCPY2D)
SAME_PLACE(CUDA_MEMCPY2D, srcXInBytes)
SAME_PLACE(CUDA_MEMCPY2D, srcY)
SAME_PLACE(CUDA_MEMCPY2D, srcMemoryType)
SAME_PLACE(CUDA_MEMCPY2D, srcHost)
SAME_PLACE(CUDA_MEMCPY2D, srcDevice)
SAME_PLACE(CUDA_MEMCPY2D, srcPitch)
SAME_PLACE(CUDA_MEMCPY2D, dstXInBytes)
SAME_PLACE(CUDA_MEMCPY2D, dstY)
SAME_PLACE(CUDA_MEMCPY2D, dstMemoryType)
SAME_PLACE(CUDA_MEMCPY2D, dstHost)
SAME_PLACE(CUDA_MEMCPY2D, dstDevice)
SAME_PLACE(CUDA_MEMCPY2D, dstPitch)
SAME_PLACE(CUDA_MEMCPY2D, WidthInBytes)
SAME_PLACE(CUDA_MEMCPY2D, Height)

// --- Signatures: as many parameters, each passed and pointing alike. The types are two sets, so none is the same as its counterpart.
template <class A, class B> struct Alike {
    static constexpr bool value = [] {
        if constexpr (std::is_same_v<A, B>) {
            return true;
        } else if constexpr (std::is_enum_v<A> || std::is_enum_v<B>) {
            return std::is_enum_v<A> && std::is_enum_v<B> && sizeof(A) == sizeof(B);
        } else if constexpr (std::is_class_v<A> && std::is_class_v<B>) {
            return std::is_const_v<A> == std::is_const_v<B>;  // handles stay incomplete; the others are compared above
        } else {
            return false;
        }
    }();
};
template <class A, class B> struct Alike<A*, B*> : Alike<A, B> {};
template <class A, class... As, class B, class... Bs> struct Alike<A(As...), B(Bs...)> {
    static constexpr bool value = [] {
        if constexpr (sizeof...(As) != sizeof...(Bs)) {
            return false;
        } else {
            return Alike<A, B>::value && (Alike<As, Bs>::value && ...);
        }
    }();
};

namespace own {
#define FUSOR_SIM_FUNCTION(name, parameters) using Type_##name = CUresult parameters;
#include "functions.inc"
#undef FUSOR_SIM_FUNCTION
}  // namespace own
#define FUSOR_SIM_FUNCTION(name, parameters) static_assert(Alike<own::Type_##name, decltype(::name)>::value);
#include "functions.inc"

#endif
