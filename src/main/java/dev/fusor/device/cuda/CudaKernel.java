package dev.fusor.device.cuda;

import dev.fusor.bindings.cuda.LibCuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

/** A kernel, compiled for a device. It lives as long as the device is open. */
public final class CudaKernel {
    /** From CUDA 12.4 on the driver tells the parameters of a kernel. */
    private static final int KNOWS_PARAMETERS = 12040;

    private final CudaDevice device;
    private final MemorySegment function;
    private final String name;

    CudaKernel(CudaDevice device, MemorySegment function, String name) {
        this.device = device;
        this.function = function;
        this.name = name;
    }

    CudaDevice device() {
        return device;
    }

    MemorySegment function() {
        return function;
    }

    /** {@return its name in PTX} */
    public String name() {
        return name;
    }

    /**
     * {@return how many blocks fill the device} More than that take turns.
     *
     * @param threads threads of a block
     * @param sharedBytes dynamic shared memory of a block, in bytes
     */
    public int residentBlocks(int threads, long sharedBytes) {
        device.enter();
        int each = Api.queryInt("cuOccupancyMaxActiveBlocksPerMultiprocessor", () -> "asking how " + name + " fits",
                out -> LibCuda.cuOccupancyMaxActiveBlocksPerMultiprocessor(out, function, threads, sharedBytes));
        return each * device.info().multiprocessors();
    }

    /** {@return the most shared memory that a block may have, in bytes, if it is allowed to} */
    public int mostSharedMemory() {
        return device.attribute(LibCuda.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN());
    }

    /**
     * Allows blocks of it more dynamic shared memory than the 48 KB that every kernel may have.
     *
     * @param bytes of a block
     * @throws CudaException if the device has less
     */
    public void allowSharedMemory(int bytes) {
        device.enter();
        Api.check(
                LibCuda.cuFuncSetAttribute(function, LibCuda.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES(), bytes),
                "cuFuncSetAttribute", () -> "allowing " + name + " " + bytes + " bytes of shared memory");
    }

    /**
     * {@return a launch of it that can be repeated}
     *
     * @param parameterBytes the size of each parameter in bytes, in their order: 4 or 8 for numbers and addresses
     * @throws IllegalArgumentException if the kernel has others; only drivers for CUDA 12.4 and later can tell
     */
    public CudaLaunch prepare(int... parameterBytes) {
        checkParameters(parameterBytes);
        return new CudaLaunch(this, parameterBytes);
    }

    private void checkParameters(int[] given) {
        device.enter();
        if (CudaDriver.version() < KNOWS_PARAMETERS) {
            return;
        }
        List<Integer> has = new ArrayList<>();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment offsetAndSize = arena.allocate(JAVA_LONG, 2);
            int result = LibCuda.CUDA_SUCCESS();
            while (result == LibCuda.CUDA_SUCCESS()) {
                result = LibCuda.cuFuncGetParamInfo(function, has.size(), offsetAndSize,
                        offsetAndSize.asSlice(Long.BYTES));
                if (result == LibCuda.CUDA_SUCCESS()) {
                    has.add((int) offsetAndSize.getAtIndex(JAVA_LONG, 1));
                } else if (result != LibCuda.CUDA_ERROR_INVALID_VALUE()) { // which says that there are no more
                    throw Api.failure(result, "cuFuncGetParamInfo", "asking for the parameters of " + name);
                }
            }
        }
        if (!has.equals(Arrays.stream(given).boxed().toList())) {
            throw new IllegalArgumentException(
                    "%s has parameters of %s bytes, got %s".formatted(name, has, Arrays.toString(given)));
        }
    }
}
