package dev.fusor.device.cuda;

import dev.fusor.bindings.cuda.LibCuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.IntSupplier;
import java.util.function.Supplier;
import java.util.function.ToIntFunction;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/** How results and out-parameters of the driver become Java. */
final class Api {
    private static final int CLOSING_TRIES = 2;

    private Api() {}

    /** Throws unless a call succeeded. */
    static void check(int result, String function, Supplier<String> doing) {
        if (result != LibCuda.CUDA_SUCCESS()) {
            throw failure(result, function, doing.get());
        }
    }

    static CudaException failure(int result, String function, String doing) {
        return new CudaException(function, name(result), result, doing);
    }

    static String name(int result) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment name = arena.allocate(ADDRESS);
            return LibCuda.cuGetErrorName(result, name) == LibCuda.CUDA_SUCCESS()
                    ? name.get(ADDRESS, 0).reinterpret(Long.MAX_VALUE).getString(0)
                    : "an unknown result";
        }
    }

    static int queryInt(String function, Supplier<String> doing, ToIntFunction<MemorySegment> call) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_INT);
            check(call.applyAsInt(out), function, doing);
            return out.get(JAVA_INT, 0);
        }
    }

    static long queryLong(String function, Supplier<String> doing, ToIntFunction<MemorySegment> call) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_LONG);
            check(call.applyAsInt(out), function, doing);
            return out.get(JAVA_LONG, 0);
        }
    }

    static MemorySegment queryHandle(String function, Supplier<String> doing, ToIntFunction<MemorySegment> call) {
        return MemorySegment.ofAddress(queryLong(function, doing, call));
    }

    /**
     * Gives something back. A call that fails is tried once more, so that one failure of the driver leaves nothing behind; of a
     * lost context nothing is left to give back.
     */
    static void release(String function, Supplier<String> doing, IntSupplier call) {
        int result = LibCuda.CUDA_SUCCESS();
        for (int i = 0; i < CLOSING_TRIES; i++) {
            result = call.getAsInt();
            if (result == LibCuda.CUDA_SUCCESS()) {
                return;
            }
        }
        if (!CudaException.isContextLost(result)) {
            throw failure(result, function, doing.get());
        }
    }
}
