package dev.fusor.device.cuda;

import dev.fusor.bindings.cuda.LibCuda;
import java.util.Set;

/** A call of the CUDA driver failed: which, with what result, and what was being done. */
public final class CudaException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private static final Set<Integer> CONTEXT_LOST = Set.of(LibCuda.CUDA_ERROR_ILLEGAL_ADDRESS(),
            LibCuda.CUDA_ERROR_LAUNCH_TIMEOUT(), LibCuda.CUDA_ERROR_ASSERT(),
            LibCuda.CUDA_ERROR_HARDWARE_STACK_ERROR(), LibCuda.CUDA_ERROR_ILLEGAL_INSTRUCTION(),
            LibCuda.CUDA_ERROR_MISALIGNED_ADDRESS(), LibCuda.CUDA_ERROR_INVALID_ADDRESS_SPACE(),
            LibCuda.CUDA_ERROR_INVALID_PC(), LibCuda.CUDA_ERROR_LAUNCH_FAILED(),
            LibCuda.CUDA_ERROR_ECC_UNCORRECTABLE(), LibCuda.CUDA_ERROR_NVLINK_UNCORRECTABLE(),
            LibCuda.CUDA_ERROR_CONTAINED(), LibCuda.CUDA_ERROR_EXTERNAL_DEVICE(),
            LibCuda.CUDA_ERROR_CONTEXT_IS_DESTROYED(), LibCuda.CUDA_ERROR_DEINITIALIZED(),
            LibCuda.CUDA_ERROR_UNKNOWN());

    /** The driver's function. */
    private final String function;
    /** The name of what it returned. */
    private final String result;
    /** And its number. */
    private final int code;

    CudaException(String function, String result, int code, String doing) {
        super("%s failed with %s (%d) while %s%s".formatted(function, result, code, doing, remedy(code)));
        this.function = function;
        this.result = result;
        this.code = code;
    }

    /** {@return the function of the driver, with the version that cuda.h gives it} */
    public String function() {
        return function;
    }

    /** {@return the name of the result, such as CUDA_ERROR_OUT_OF_MEMORY} */
    public String result() {
        return result;
    }

    /** {@return the number of the result} */
    public int code() {
        return code;
    }

    /** {@return whether memory was too small; the context is as good as before} */
    public boolean isOutOfMemory() {
        return code == LibCuda.CUDA_ERROR_OUT_OF_MEMORY();
    }

    /**
     * {@return whether the context is lost} Every later call in it fails, what it held is gone, and on some faults the
     * process has to end before the device works again.
     */
    public boolean isContextLost() {
        return isContextLost(code);
    }

    static boolean isContextLost(int code) {
        return CONTEXT_LOST.contains(code);
    }

    private static String remedy(int code) {
        if (code == LibCuda.CUDA_ERROR_OUT_OF_MEMORY()) {
            return "; free device memory, or work on smaller pieces";
        }
        if (code == LibCuda.CUDA_ERROR_UNSUPPORTED_PTX_VERSION()) {
            return "; the driver is older than the kernels: install driver 520 or later";
        }
        if (code == LibCuda.CUDA_ERROR_NO_BINARY_FOR_GPU()) {
            return "; the device is older than compute capability 7.5";
        }
        return isContextLost(code) ? "; the context is lost: close the device, and open it anew" : "";
    }
}
