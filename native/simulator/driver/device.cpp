// Initialisation and the devices.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "driver.h"

using namespace fusor::sim;

namespace {

constexpr int kDriverVersion = 13000;  // of CUDA 13.0, which reads PTX up to version 9.0

// -1 for what the simulated devices do not have.
int attributeOf(const Architecture& a, CUdevice_attribute attribute, CUdevice device) {
    switch (attribute) {
        case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK: return kThreadsPerBlock;
        case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X: return 1024;
        case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: return 1024;
        case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: return 64;
        case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: return 2147483647;
        case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y: return 65535;
        case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: return 65535;
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: return kSharedPerBlock;
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: return a.sharedPerBlockOptIn;
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: return a.sharedPerMultiprocessor;
        case CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK: return a.sharedReservedPerBlock;
        case CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY: return 65536;
        case CU_DEVICE_ATTRIBUTE_WARP_SIZE: return 32;
        case CU_DEVICE_ATTRIBUTE_MAX_PITCH: return 2147483647;
        case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK: return kRegistersPerMultiprocessor;
        case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR: return kRegistersPerMultiprocessor;
        case CU_DEVICE_ATTRIBUTE_CLOCK_RATE: return a.clockKilohertz;
        case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: return a.memoryClockKilohertz;
        case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: return a.memoryBusBits;
        case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: return a.l2Bytes;
        case CU_DEVICE_ATTRIBUTE_MAX_PERSISTING_L2_CACHE_SIZE: return a.major >= 8 ? a.l2Bytes / 4 * 3 : 0;
        case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: return a.threadsPerMultiprocessor;
        case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR: return a.blocksPerMultiprocessor;
        case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: return a.multiprocessors;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: return a.major;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: return a.minor;
        case CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT: return 512;
        case CU_DEVICE_ATTRIBUTE_TEXTURE_PITCH_ALIGNMENT: return 32;
        case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT: return 2;
        case CU_DEVICE_ATTRIBUTE_GPU_OVERLAP: return 1;
        case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY: return 1;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_MODE: return CU_COMPUTEMODE_DEFAULT;
        case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS: return 1;
        case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING: return 1;
        case CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED: return 1;
        case CU_DEVICE_ATTRIBUTE_GLOBAL_L1_CACHE_SUPPORTED: return 1;
        case CU_DEVICE_ATTRIBUTE_LOCAL_L1_CACHE_SUPPORTED: return 1;
        case CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH: return 1;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_PREEMPTION_SUPPORTED: return 1;
        case CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED: return 1;
        case CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM: return 1;
        case CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED: return 1;
        case CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH: return a.major >= 9;
        case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID: return device + 1;
        case CU_DEVICE_ATTRIBUTE_MULTI_GPU_BOARD_GROUP_ID: return device;
        case CU_DEVICE_ATTRIBUTE_SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO: return a.minor == 0 && a.major < 12 ? 2 : 64;
        default: return attribute >= 1 && attribute < CU_DEVICE_ATTRIBUTE_MAX ? 0 : -1;
    }
}

}  // namespace

FUSOR_SIM_API cuInit(unsigned int flags) {
    FUSOR_SIM_CALL_THAT(Needs::Nothing)
    if (flags != 0) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    Driver& d = driver();
    if (d.initialised) {
        return CUDA_SUCCESS;
    }
    if (d.deviceCount == 0) {
        return CUDA_ERROR_NO_DEVICE;
    }
    d.devices.clear();
    for (int i = 0; i < d.deviceCount; i++) {
        Device device;
        device.architecture = architectureNamed(d.architecture);
        device.standardPool = std::make_unique<Pool>();
        device.standardPool->what = "memory pool";
        device.standardPool->device = i;
        device.standardPool->standard = true;
        device.standardPool->access = {i};
        device.pool = device.standardPool.get();
        d.devices.push_back(std::move(device));
    }
    d.initialised = true;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuDriverGetVersion(int* version) {
    FUSOR_SIM_CALL_THAT(Needs::Nothing)
    if (version == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *version = kDriverVersion;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuDeviceGetCount(int* count) {
    FUSOR_SIM_CALL
    if (count == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *count = static_cast<int>(driver().devices.size());
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuDeviceGet(CUdevice* device, int ordinal) {
    FUSOR_SIM_CALL
    if (device == nullptr || !isDevice(ordinal)) {
        return device == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_DEVICE;
    }
    *device = ordinal;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuDeviceGetName(char* name, int length, CUdevice device) {
    FUSOR_SIM_CALL
    if (!isDevice(device)) {
        return CUDA_ERROR_INVALID_DEVICE;
    }
    if (name == nullptr || length <= 0) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    std::snprintf(name, static_cast<std::size_t>(length), "%s", driver().devices[device].architecture->product);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuDeviceTotalMem_v2(std::size_t* bytes, CUdevice device) {
    FUSOR_SIM_CALL
    if (!isDevice(device)) {
        return CUDA_ERROR_INVALID_DEVICE;
    }
    if (bytes == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *bytes = memory::capacity();
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
    FUSOR_SIM_CALL
    if (!isDevice(device)) {
        return CUDA_ERROR_INVALID_DEVICE;
    }
    const int found = attributeOf(*driver().devices[device].architecture, attribute, device);
    if (value == nullptr || found < 0) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *value = found;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice device) {
    FUSOR_SIM_CALL
    if (!isDevice(device)) {
        return CUDA_ERROR_INVALID_DEVICE;
    }
    if (uuid == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    std::memset(uuid->bytes, 0, sizeof uuid->bytes);
    std::memcpy(uuid->bytes, "simulated", 9);
    uuid->bytes[15] = static_cast<char>(device);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuDeviceGetPCIBusId(char* text, int length, CUdevice device) {
    FUSOR_SIM_CALL
    if (!isDevice(device)) {
        return CUDA_ERROR_INVALID_DEVICE;
    }
    if (text == nullptr || length < 13) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    std::snprintf(text, static_cast<std::size_t>(length), "0000:%02x:00.0", device + 1);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuDeviceGetByPCIBusId(CUdevice* device, const char* text) {
    FUSOR_SIM_CALL
    unsigned domain = 0, bus = 0, slot = 0;
    if (device == nullptr || text == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (std::sscanf(text, "%x:%x:%x", &domain, &bus, &slot) != 3 || !isDevice(static_cast<int>(bus) - 1)) {
        return CUDA_ERROR_INVALID_DEVICE;
    }
    *device = static_cast<int>(bus) - 1;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuDeviceCanAccessPeer(int* can, CUdevice device, CUdevice peer) {
    FUSOR_SIM_CALL
    if (!isDevice(device) || !isDevice(peer)) {
        return CUDA_ERROR_INVALID_DEVICE;
    }
    if (can == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *can = device != peer;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuDeviceGetP2PAttribute(int* value, CUdevice_P2PAttribute attribute, CUdevice source, CUdevice destination) {
    FUSOR_SIM_CALL
    if (!isDevice(source) || !isDevice(destination) || source == destination) {
        return CUDA_ERROR_INVALID_DEVICE;
    }
    if (value == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *value = attribute == CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED || attribute == CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED;
    return CUDA_SUCCESS;
}
