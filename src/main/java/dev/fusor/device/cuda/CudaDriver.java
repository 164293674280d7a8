package dev.fusor.device.cuda;

import dev.fusor.bindings.cuda.LibCuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The driver of this machine. */
public final class CudaDriver {
    /** The oldest driver whose functions Fusor calls: CUDA 11.8, driver 520. */
    private static final int LEAST_VERSION = 11080;

    private static final String INSTALL = "install NVIDIA's driver, 520 or later, or compute on the CPU";
    private static final int NAME_BYTES = 256;

    private CudaDriver() {}

    /** {@return what CUDA this process can use} Looks anew at each call; makes no context. */
    public static CudaSupport probe() {
        String library = System.getProperty("os.name").startsWith("Windows") ? "nvcuda.dll" : "libcuda.so.1";
        try {
            SymbolLookup.libraryLookup(library, Arena.global());
        } catch (IllegalArgumentException e) {
            return new CudaSupport.Unusable("there is no NVIDIA driver (" + library + ")", INSTALL);
        } catch (IllegalCallerException e) {
            return new CudaSupport.Unusable("native code may not be called",
                    "run java with --enable-native-access=" + moduleName());
        }
        try {
            return ask();
        } catch (CudaException e) {
            return new CudaSupport.Unusable(e.getMessage(), remedy(e.code()));
        }
    }

    private static String moduleName() {
        Module module = CudaDriver.class.getModule();
        return module.isNamed() ? module.getName() : "ALL-UNNAMED";
    }

    private static CudaSupport ask() {
        int version = version();
        Optional<CudaSupport.Unusable> tooOld = tooOld(version);
        if (tooOld.isPresent()) {
            return tooOld.get();
        }
        Api.check(LibCuda.cuInit(0), "cuInit", () -> "starting the driver");
        int count = Api.queryInt("cuDeviceGetCount", () -> "counting devices", LibCuda::cuDeviceGetCount);
        if (count == 0) {
            return new CudaSupport.Unusable("the NVIDIA driver sees no device", remedy(LibCuda.CUDA_ERROR_NO_DEVICE()));
        }
        List<CudaDeviceInfo> devices = new ArrayList<>();
        for (int ordinal = 0; ordinal < count; ordinal++) {
            devices.add(describe(device(ordinal), ordinal));
        }
        return new CudaSupport.Ready(version, devices);
    }

    static int version() {
        return Api.queryInt("cuDriverGetVersion", () -> "asking for the driver's version",
                LibCuda::cuDriverGetVersion);
    }

    static Optional<CudaSupport.Unusable> tooOld(int version) {
        return version >= LEAST_VERSION
                ? Optional.empty()
                : Optional.of(new CudaSupport.Unusable("the NVIDIA driver is for CUDA " + version(version)
                        + ", wanted " + version(LEAST_VERSION) + " or later", "install driver 520 or later"));
    }

    /** The driver's own number of a device. */
    static int device(int ordinal) {
        return Api.queryInt("cuDeviceGet", () -> "looking for device " + ordinal,
                out -> LibCuda.cuDeviceGet(out, ordinal));
    }

    static CudaDeviceInfo describe(int device, int ordinal) {
        String name;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocate(NAME_BYTES);
            Api.check(LibCuda.cuDeviceGetName(text, NAME_BYTES, device), "cuDeviceGetName",
                    () -> "asking for the name of device " + ordinal);
            name = text.getString(0);
        }
        long memory = Api.queryLong("cuDeviceTotalMem_v2", () -> "asking for the memory of device " + ordinal,
                out -> LibCuda.cuDeviceTotalMem_v2(out, device));
        return new CudaDeviceInfo(ordinal, name,
                attribute(device, LibCuda.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR()),
                attribute(device, LibCuda.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR()), memory,
                attribute(device, LibCuda.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT()),
                attribute(device, LibCuda.CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE()));
    }

    static int attribute(int device, int attribute) {
        return Api.queryInt("cuDeviceGetAttribute", () -> "asking device " + device + " for attribute " + attribute,
                out -> LibCuda.cuDeviceGetAttribute(out, attribute, device));
    }

    static String version(int version) {
        return version / 1000 + "." + version % 1000 / 10;
    }

    private static String remedy(int code) {
        if (code == LibCuda.CUDA_ERROR_NO_DEVICE()) {
            return "check with nvidia-smi that there is one, and that CUDA_VISIBLE_DEVICES does not hide it";
        }
        return "check with nvidia-smi that the driver works; a restart mends one that was updated while in use";
    }
}
