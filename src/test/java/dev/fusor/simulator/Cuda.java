package dev.fusor.simulator;

import dev.fusor.bindings.cuda.LibCuda;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/** A context of the driver and what a test makes in it, through the generated bindings; closing it frees everything. */
final class Cuda implements AutoCloseable {
    /** The driver refused a call. */
    static final class Failure extends RuntimeException {
        private static final long serialVersionUID = 1;
        private final int code;

        Failure(String call, int code) {
            super(call + ": " + name(code) + " (" + code + ") " + Simulator.report());
            this.code = code;
        }

        int code() {
            return code;
        }
    }

    private final Arena arena = Arena.ofConfined();
    private final Deque<Runnable> cleanup = new ArrayDeque<>();
    private final int device;

    Cuda() {
        this(0);
    }

    Cuda(int device) {
        this.device = device;
        check("cuInit", LibCuda.cuInit(0));
        MemorySegment context = arena.allocate(ADDRESS);
        check("cuDevicePrimaryCtxRetain", LibCuda.cuDevicePrimaryCtxRetain(context, device));
        check("cuCtxSetCurrent", LibCuda.cuCtxSetCurrent(context.get(ADDRESS, 0)));
    }

    static void check(String call, int result) {
        if (result != LibCuda.CUDA_SUCCESS()) {
            throw new Failure(call, result);
        }
    }

    static String name(int code) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment name = arena.allocate(ADDRESS);
            return LibCuda.cuGetErrorName(code, name) == LibCuda.CUDA_SUCCESS()
                    ? name.get(ADDRESS, 0).reinterpret(Long.MAX_VALUE).getString(0)
                    : "unknown result";
        }
    }

    Arena arena() {
        return arena;
    }

    static byte[] ptx(String kernel, String architecture) {
        return read(Path.of("src/test/resources/dev/fusor/simulator/kernels", kernel + "." + architecture + ".ptx"));
    }

    static byte[] shipped(String module) {
        return read(Path.of("src/main/resources/dev/fusor/ptx", module + ".ptx"));
    }

    private static byte[] read(Path file) {
        try {
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Loads PTX text. */
    MemorySegment module(byte[] ptx) {
        MemorySegment module = arena.allocate(ADDRESS);
        MemorySegment text = arena.allocateFrom(new String(ptx, StandardCharsets.UTF_8));
        check("cuModuleLoadData", LibCuda.cuModuleLoadData(module, text));
        MemorySegment handle = module.get(ADDRESS, 0);
        cleanup.push(() -> LibCuda.cuModuleUnload(handle));
        return handle;
    }

    MemorySegment function(MemorySegment module, String name) {
        MemorySegment function = arena.allocate(ADDRESS);
        check("cuModuleGetFunction " + name,
                LibCuda.cuModuleGetFunction(function, module, arena.allocateFrom(name)));
        return function.get(ADDRESS, 0);
    }

    /** Device memory that goes when this is closed. */
    long allocate(long bytes) {
        MemorySegment address = arena.allocate(JAVA_LONG);
        check("cuMemAlloc_v2", LibCuda.cuMemAlloc_v2(address, bytes));
        long at = address.get(JAVA_LONG, 0);
        cleanup.push(() -> LibCuda.cuMemFree_v2(at));
        return at;
    }

    /** Device memory with a copy of what lies in host memory. */
    long copyOf(MemorySegment host) {
        long at = allocate(Math.max(1, host.byteSize()));
        check("cuMemcpyHtoD_v2", LibCuda.cuMemcpyHtoD_v2(at, host, host.byteSize()));
        return at;
    }

    void fetch(MemorySegment host, long device) {
        check("cuMemcpyDtoH_v2", LibCuda.cuMemcpyDtoH_v2(host, device, host.byteSize()));
    }

    void zero(long at, long bytes) {
        check("cuMemsetD8_v2", LibCuda.cuMemsetD8_v2(at, (byte) 0, bytes));
    }

    MemorySegment stream(int flags) {
        MemorySegment stream = arena.allocate(ADDRESS);
        check("cuStreamCreate", LibCuda.cuStreamCreate(stream, flags));
        MemorySegment handle = stream.get(ADDRESS, 0);
        cleanup.push(() -> LibCuda.cuStreamDestroy_v2(handle));
        return handle;
    }

    MemorySegment event() {
        MemorySegment event = arena.allocate(ADDRESS);
        check("cuEventCreate", LibCuda.cuEventCreate(event, 0));
        MemorySegment handle = event.get(ADDRESS, 0);
        cleanup.push(() -> LibCuda.cuEventDestroy_v2(handle));
        return handle;
    }

    /** Parameters by their Java types: int, long, float. */
    MemorySegment parameters(Object... values) {
        MemorySegment pointers = arena.allocate(ADDRESS, Math.max(1, values.length));
        for (int i = 0; i < values.length; i++) {
            MemorySegment value = switch (values[i]) {
                case Integer number -> arena.allocateFrom(JAVA_INT, number);
                case Long number -> arena.allocateFrom(JAVA_LONG, number);
                case Float number -> arena.allocateFrom(ValueLayout.JAVA_FLOAT, number);
                default -> throw new IllegalArgumentException("no parameter: " + values[i]);
            };
            pointers.setAtIndex(ADDRESS, i, value);
        }
        return pointers;
    }

    /** Launches and waits. */
    void run(MemorySegment function, int blocks, int threads, int shared, Object... values) {
        launch(function, blocks, threads, shared, MemorySegment.NULL, values);
        synchronize();
    }

    void launch(MemorySegment function, int blocks, int threads, int shared, MemorySegment stream, Object... values) {
        check("cuLaunchKernel", LibCuda.cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, shared, stream,
                parameters(values), MemorySegment.NULL));
    }

    /** Launches with all blocks resident, and waits. */
    void runCooperative(MemorySegment function, int blocks, int threads, int shared, Object... values) {
        check("cuLaunchCooperativeKernel",
                LibCuda.cuLaunchCooperativeKernel(function, blocks, 1, 1, threads, 1, 1, shared,
                        MemorySegment.NULL, parameters(values)));
        synchronize();
    }

    void synchronize() {
        check("cuCtxSynchronize", LibCuda.cuCtxSynchronize());
    }

    /** After a fault, which every later call reports: back to a fresh context. */
    void recover() {
        check("cuDevicePrimaryCtxReset_v2", LibCuda.cuDevicePrimaryCtxReset_v2(device));
        cleanup.clear();
    }

    @Override
    public void close() {
        cleanup.forEach(Runnable::run);
        LibCuda.cuDevicePrimaryCtxRelease_v2(device);
        arena.close();
    }
}
