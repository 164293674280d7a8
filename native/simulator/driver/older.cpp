// Names that programs built with earlier headers link to, for functions that have a newer version by now.
#include "api.h"

FUSOR_SIM_API cuCtxCreate_v2(CUcontext* context, unsigned int flags, CUdevice device) { return cuCtxCreate_v4(context, nullptr, flags, device); }

FUSOR_SIM_API cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) { return cuEventElapsedTime_v2(milliseconds, start, end); }

FUSOR_SIM_API cuDeviceGetUuid(CUuuid* uuid, CUdevice device) { return cuDeviceGetUuid_v2(uuid, device); }

FUSOR_SIM_API cuMemAllocHost_v2(void** host, std::size_t bytes) { return cuMemHostAlloc(host, bytes, 0); }
