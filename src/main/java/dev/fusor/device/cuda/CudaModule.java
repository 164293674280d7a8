package dev.fusor.device.cuda;

import dev.fusor.bindings.cuda.LibCuda;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

/** PTX that the driver has compiled for a context. */
final class CudaModule {
    private static final int LOG_BYTES = 8192;

    /** The compute capability from which on a module's second variant is taken, where it has one. */
    private static final int HOPPER = 90;

    private final MemorySegment handle;
    private final String name;

    private CudaModule(MemorySegment handle, String name) {
        this.handle = handle;
        this.name = name;
    }

    /** Compiles a module of Fusor's own for the current context. */
    static CudaModule load(String name, int computeCapability) {
        String ptx = computeCapability >= HOPPER ? read(name + ".sm_90.ptx") : null;
        if (ptx == null) {
            ptx = read(name + ".ptx");
        }
        if (ptx == null) {
            throw new IllegalArgumentException("there are no kernels named " + name);
        }
        return compile(ptx, name);
    }

    private static String read(String file) {
        try (InputStream in = CudaModule.class.getResourceAsStream("/dev/fusor/ptx/" + file)) {
            return in == null ? null : new String(in.readAllBytes(), StandardCharsets.US_ASCII);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static CudaModule compile(String ptx, String name) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment log = arena.allocate(LOG_BYTES);
            MemorySegment options = arena.allocateFrom(JAVA_INT, LibCuda.CU_JIT_ERROR_LOG_BUFFER(),
                    LibCuda.CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES());
            MemorySegment values = arena.allocate(ADDRESS, 2);
            values.setAtIndex(ADDRESS, 0, log);
            values.setAtIndex(ADDRESS, 1, MemorySegment.ofAddress(LOG_BYTES));
            MemorySegment text = arena.allocateFrom(ptx);
            MemorySegment out = arena.allocate(ADDRESS);
            int result = LibCuda.cuModuleLoadDataEx(out, text, 2, options, values);
            if (result != LibCuda.CUDA_SUCCESS()) {
                String said = log.getString(0).strip();
                throw Api.failure(result, "cuModuleLoadDataEx",
                        "compiling " + name + (said.isEmpty() ? "" : ": " + said));
            }
            return new CudaModule(out.get(ADDRESS, 0), name);
        }
    }

    MemorySegment function(String entry) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocateFrom(entry);
            return Api.queryHandle("cuModuleGetFunction", () -> "looking for " + entry + " in " + name,
                    out -> LibCuda.cuModuleGetFunction(out, handle, text));
        }
    }

    void unload() {
        Api.release("cuModuleUnload", () -> "unloading " + name, () -> LibCuda.cuModuleUnload(handle));
    }
}
