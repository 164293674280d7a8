package dev.fusor.simulator;

import dev.fusor.bindings.cuda.LibCuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

/** What the driver loads, what it refuses and how it says so. */
@RequiresSimulator
class ModulesTest {
    private static int fetched(Cuda cuda, long at) {
        MemorySegment host = cuda.arena().allocate(JAVA_INT);
        cuda.fetch(host, at);
        return host.get(JAVA_INT, 0);
    }

    private static int load(Arena arena, String ptx) {
        return LibCuda.cuModuleLoadData(arena.allocate(ADDRESS), arena.allocateFrom(ptx));
    }

    @ParameterizedTest
    @CsvSource({"sm_75, sm_75, CUDA_SUCCESS", "sm_75, sm_120, CUDA_SUCCESS",
        "sm_80, sm_75, CUDA_ERROR_NO_BINARY_FOR_GPU",
        "sm_86, sm_80, CUDA_ERROR_NO_BINARY_FOR_GPU", "sm_90a, sm_90, CUDA_SUCCESS",
        "sm_90a, sm_100, CUDA_ERROR_NO_BINARY_FOR_GPU", "sm_100, sm_120, CUDA_SUCCESS"})
    void ptxRunsOnItsTargetAndWhatIsNewerUnlessItIsOfOneArchitecture(String target, String device, String wanted) {
        Simulator.devices(device, 1);
        Simulator.reset();
        byte[] ptx = TestPtx.store("8.8", target, "", "");
        try (Cuda cuda = new Cuda()) {
            int result = load(cuda.arena(), new String(ptx, StandardCharsets.UTF_8));
            assertThat(Cuda.name(result)).isEqualTo(wanted);
            cuda.recover();
        }
    }

    @Test
    void ptxOfANewerVersionThanTheDriverIsRefused() {
        byte[] ptx = TestPtx.store("9.1", "sm_75", "", "");
        try (Cuda cuda = new Cuda()) {
            assertThat(load(cuda.arena(), new String(ptx, StandardCharsets.UTF_8)))
                    .isEqualTo(LibCuda.CUDA_ERROR_UNSUPPORTED_PTX_VERSION());
            assertThat(Simulator.report()).contains("of version 9.1, this driver reads up to 9.0");
        }
    }

    @Test
    void theSumThatATextIsFoundByIsSha256() throws NoSuchAlgorithmException {
        try (Cuda cuda = new Cuda()) {
            StringBuilder text = new StringBuilder("// .version .target");
            for (int length = text.length(); length < 300; length++) {
                assertThat(load(cuda.arena(), text.toString())).isEqualTo(LibCuda.CUDA_ERROR_INVALID_PTX());
                byte[] sum = MessageDigest.getInstance("SHA-256")
                        .digest(text.toString().getBytes(StandardCharsets.UTF_8));
                assertThat(Simulator.report()).as("%d bytes", length)
                        .startsWith("the PTX with the SHA-256 " + HexFormat.of().formatHex(sum));
                text.append((char) ('a' + length % 26));
            }
        }
    }

    @Test
    void theErrorLogSaysWhyAndHowLongThatIs() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment log = cuda.arena().allocate(40);
            MemorySegment options = cuda.arena().allocateFrom(JAVA_INT, LibCuda.CU_JIT_ERROR_LOG_BUFFER(),
                    LibCuda.CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES());
            MemorySegment values = cuda.arena().allocateFrom(JAVA_LONG, log.address(), log.byteSize());
            assertThat(LibCuda.cuModuleLoadDataEx(cuda.arena().allocate(ADDRESS), cuda.arena().allocateFrom("nothing"),
                    2, options, values)).isEqualTo(LibCuda.CUDA_ERROR_INVALID_IMAGE());
            assertThat(log.getString(0)).isEqualTo("the image is no PTX text; the simulated");
            assertThat(values.getAtIndex(JAVA_LONG, 1)).isEqualTo(39);
        }
    }

    @Test
    void aModuleHasVariablesOfItsOwn() {
        byte[] ptx = TestPtx.store("7.0", "sm_75", ".visible .global .align 4 .u32 counter = 5;", "");
        try (Cuda cuda = new Cuda()) {
            MemorySegment first = cuda.module(ptx);
            MemorySegment second = cuda.module(ptx);
            MemorySegment address = cuda.arena().allocate(JAVA_LONG);
            MemorySegment bytes = cuda.arena().allocate(JAVA_LONG);
            MemorySegment name = cuda.arena().allocateFrom("counter");
            Cuda.check("global", LibCuda.cuModuleGetGlobal_v2(address, bytes, first, name));
            assertThat(bytes.get(JAVA_LONG, 0)).isEqualTo(4);
            long at = address.get(JAVA_LONG, 0);
            assertThat(fetched(cuda, at)).isEqualTo(5);
            cuda.run(cuda.function(first, "store"), 1, 1, 0, at, 6);
            assertThat(fetched(cuda, at)).isEqualTo(6);
            Cuda.check("global", LibCuda.cuModuleGetGlobal_v2(address, bytes, second, name));
            assertThat(fetched(cuda, address.get(JAVA_LONG, 0))).isEqualTo(5);
            assertThat(LibCuda.cuModuleGetGlobal_v2(address, bytes, first, cuda.arena().allocateFrom("none")))
                    .isEqualTo(LibCuda.CUDA_ERROR_NOT_FOUND());
            assertThat(LibCuda.cuModuleGetFunction(address, first, cuda.arena().allocateFrom("none")))
                    .isEqualTo(LibCuda.CUDA_ERROR_NOT_FOUND());
        }
    }

    @Test
    void aFunctionOfAnUnloadedModuleIsNone() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment module = cuda.arena().allocate(ADDRESS);
            Cuda.check("load",
                    LibCuda.cuModuleLoadData(module, cuda.arena().allocateFrom(new String(TestPtx.store()))));
            MemorySegment store = cuda.function(module.get(ADDRESS, 0), "store");
            long at = cuda.allocate(4);
            cuda.launch(store, 1, 1, 0, MemorySegment.NULL, at, 9);
            Cuda.check("unload", LibCuda.cuModuleUnload(module.get(ADDRESS, 0)));
            assertThat(fetched(cuda, at)).as("what was queued ran").isEqualTo(9);
            assertThat(LibCuda.cuLaunchKernel(store, 1, 1, 1, 1, 1, 1, 0, MemorySegment.NULL, cuda.parameters(at, 1),
                    MemorySegment.NULL)).isEqualTo(LibCuda.CUDA_ERROR_INVALID_HANDLE());
            assertThat(LibCuda.cuModuleUnload(module.get(ADDRESS, 0))).isEqualTo(LibCuda.CUDA_ERROR_INVALID_HANDLE());
        }
    }

    @Test
    void aKernelOfALibraryRunsInEveryContext() {
        Simulator.devices("sm_90", 2);
        Simulator.reset();
        byte[] ptx = TestPtx.store("7.0", "sm_75", ".visible .global .align 4 .u32 counter = 5;", "");
        try (Arena arena = Arena.ofConfined()) {
            Cuda.check("cuInit", LibCuda.cuInit(0));
            MemorySegment library = arena.allocate(ADDRESS);
            MemorySegment nothing = MemorySegment.NULL;
            Cuda.check("load",
                    LibCuda.cuLibraryLoadData(library, arena.allocateFrom(new String(ptx)), nothing, nothing, 0,
                            nothing, nothing, 0));
            MemorySegment kernel = arena.allocate(ADDRESS);
            Cuda.check("kernel",
                    LibCuda.cuLibraryGetKernel(kernel, library.get(ADDRESS, 0), arena.allocateFrom("store")));
            int shared = LibCuda.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES();
            Cuda.check("set", LibCuda.cuKernelSetAttribute(shared, 100_000, kernel.get(ADDRESS, 0), 1));
            for (int device = 0; device < 2; device++) {
                try (Cuda cuda = new Cuda(device)) {
                    long at = cuda.allocate(4);
                    cuda.run(kernel.get(ADDRESS, 0), 1, 1, 0, at, 40 + device);
                    assertThat(fetched(cuda, at)).isEqualTo(40 + device);
                    MemorySegment function = cuda.arena().allocate(ADDRESS);
                    Cuda.check("function", LibCuda.cuKernelGetFunction(function, kernel.get(ADDRESS, 0)));
                    cuda.run(function.get(ADDRESS, 0), 1, 1, 0, at, 50 + device);
                    assertThat(fetched(cuda, at)).isEqualTo(50 + device);
                    MemorySegment value = cuda.arena().allocate(JAVA_INT);
                    Cuda.check("get", LibCuda.cuFuncGetAttribute(value, shared, function.get(ADDRESS, 0)));
                    assertThat(value.get(JAVA_INT, 0)).isEqualTo(device == 0 ? 48 << 10 : 100_000);
                    MemorySegment module = cuda.arena().allocate(ADDRESS);
                    Cuda.check("module", LibCuda.cuFuncGetModule(module, function.get(ADDRESS, 0)));
                    MemorySegment counter = cuda.arena().allocate(JAVA_LONG);
                    Cuda.check("global", LibCuda.cuModuleGetGlobal_v2(counter, nothing, module.get(ADDRESS, 0),
                            cuda.arena().allocateFrom("counter")));
                    assertThat(fetched(cuda, counter.get(JAVA_LONG, 0))).isEqualTo(5);
                }
            }
            Cuda.check("unload", LibCuda.cuLibraryUnload(library.get(ADDRESS, 0)));
            assertThat(LibCuda.cuKernelGetFunction(kernel, kernel.get(ADDRESS, 0))).isNotZero();
        }
    }

    @Test
    void functionsAreFoundByNameInTheVersionAskedFor() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment function = arena.allocate(ADDRESS);
            MemorySegment status = arena.allocate(JAVA_INT);
            Cuda.check("address",
                    LibCuda.cuGetProcAddress_v2(arena.allocateFrom("cuMemAlloc"), function, 13000, 0, status));
            assertThat(function.get(ADDRESS, 0)).isEqualTo(LibCuda.cuMemAlloc_v2$address());
            MemorySegment name = arena.allocateFrom("cuEventElapsedTime");
            Cuda.check("address", LibCuda.cuGetProcAddress_v2(name, function, 13000, 0, status));
            assertThat(function.get(ADDRESS, 0)).isEqualTo(LibCuda.cuEventElapsedTime_v2$address());
            Cuda.check("address", LibCuda.cuGetProcAddress_v2(name, function, 12000, 0, status));
            assertThat(function.get(ADDRESS, 0)).isNotEqualTo(LibCuda.cuEventElapsedTime_v2$address());
            assertThat(LibCuda.cuGetProcAddress_v2(arena.allocateFrom("cuNothing"), function, 13000, 0, status))
                    .isEqualTo(LibCuda.CUDA_ERROR_NOT_FOUND());
            assertThat(status.get(JAVA_INT, 0)).isOne();
            assertThat(LibCuda.cuGetProcAddress_v2(arena.allocateFrom("cuCtxCreate"), function, 2000, 0, status))
                    .isEqualTo(LibCuda.CUDA_ERROR_NOT_FOUND());
            assertThat(status.get(JAVA_INT, 0)).isEqualTo(2);
        }
    }
}
