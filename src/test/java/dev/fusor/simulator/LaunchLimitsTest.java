package dev.fusor.simulator;

import dev.fusor.bindings.cuda.CUlaunchConfig_st;
import dev.fusor.bindings.cuda.LibCuda;
import dev.fusor.simulator.NativeBuild.Variant;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

/** What a launch may ask for, on which architecture, and in which forms. */
@RequiresSimulator
class LaunchLimitsTest {
    private static final int COOPERATIVE = 2;
    private static final int CLUSTER_DIMENSION = 4;
    private static final int PROGRAMMATIC_EVENT = 7;
    private static final int ATTRIBUTE_BYTES = 72;

    private static String launch(Cuda cuda, MemorySegment function, int gridX, int gridY, int gridZ, int blockX,
            int blockY, int blockZ, int shared) {
        return Cuda.name(LibCuda.cuLaunchKernel(function, gridX, gridY, gridZ, blockX, blockY, blockZ, shared,
                MemorySegment.NULL, cuda.parameters(cuda.arena().allocate(4).address(), 0), MemorySegment.NULL));
    }

    /** Launches with one attribute whose value is made of integers. */
    private static String launchWith(Cuda cuda, MemorySegment function, int grid, int attribute, int... value) {
        MemorySegment attributes = cuda.arena().allocate(ATTRIBUTE_BYTES, 8);
        attributes.set(JAVA_INT, 0, attribute);
        MemorySegment.copy(value, 0, attributes, JAVA_INT, 8, value.length);
        MemorySegment config = CUlaunchConfig_st.allocate(cuda.arena());
        CUlaunchConfig_st.gridDimX(config, grid);
        CUlaunchConfig_st.gridDimY(config, 1);
        CUlaunchConfig_st.gridDimZ(config, 1);
        CUlaunchConfig_st.blockDimX(config, 32);
        CUlaunchConfig_st.blockDimY(config, 1);
        CUlaunchConfig_st.blockDimZ(config, 1);
        CUlaunchConfig_st.attrs(config, attributes);
        CUlaunchConfig_st.numAttrs(config, 1);
        long at = cuda.allocate(4);
        return Cuda.name(LibCuda.cuLaunchKernelEx(config, function, cuda.parameters(at, 1), MemorySegment.NULL));
    }

    @ParameterizedTest
    @CsvSource({"1, 1, 1, 1024, 1, 1, CUDA_SUCCESS", "1, 1, 1, 1, 1, 64, CUDA_SUCCESS",
        "1, 1, 1, 1025, 1, 1, CUDA_ERROR_INVALID_VALUE",
        "1, 1, 1, 1, 1, 65, CUDA_ERROR_INVALID_VALUE", "1, 1, 1, 32, 33, 1, CUDA_ERROR_INVALID_VALUE",
        "1, 65536, 1, 1, 1, 1, CUDA_ERROR_INVALID_VALUE", "1, 1, 65536, 1, 1, 1, CUDA_ERROR_INVALID_VALUE",
        "-2147483648, 1, 1, 1, 1, 1, CUDA_ERROR_INVALID_VALUE", "0, 1, 1, 1, 1, 1, CUDA_ERROR_INVALID_VALUE",
        "1, 1, 1, 0, 1, 1, CUDA_ERROR_INVALID_VALUE"})
    void gridsAndBlocksHaveLimits(int gridX, int gridY, int gridZ, int blockX, int blockY, int blockZ, String wanted) {
        try (Cuda cuda = new Cuda()) {
            MemorySegment store = TestPtx.load(cuda, TestPtx.store());
            assertThat(launch(cuda, store, gridX, gridY, gridZ, blockX, blockY, blockZ, 0)).isEqualTo(wanted);
            cuda.recover(); // not run: it has no memory to write to
        }
    }

    @ParameterizedTest
    @CsvSource({".maxntid 64, 64, CUDA_SUCCESS", ".maxntid 64, 65, CUDA_ERROR_INVALID_VALUE",
        ".reqntid 64, 64, CUDA_SUCCESS", ".reqntid 64, 32, CUDA_ERROR_INVALID_VALUE"})
    void aKernelMayNameItsBlockItself(String limits, int threads, String wanted) {
        try (Cuda cuda = new Cuda()) {
            MemorySegment store = TestPtx.load(cuda, TestPtx.store("7.0", "sm_75", "", limits));
            assertThat(launch(cuda, store, 1, 1, 1, threads, 1, 1, 0)).isEqualTo(wanted);
            cuda.recover();
        }
    }

    @ParameterizedTest
    @CsvSource({"sm_75, 64", "sm_80, 163", "sm_86, 99", "sm_89, 99", "sm_90, 227", "sm_100, 227", "sm_120, 99"})
    void sharedMemoryBeyond48KibibytesIsToBeAskedForAndEndsSomewhere(String architecture, int kibibytes) {
        Simulator.devices(architecture, 1);
        Simulator.reset();
        int attribute = LibCuda.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES();
        try (Cuda cuda = new Cuda()) {
            MemorySegment store = TestPtx.load(cuda, TestPtx.store());
            assertThat(launch(cuda, store, 1, 1, 1, 1, 1, 1, (48 << 10) + 1)).isEqualTo("CUDA_ERROR_INVALID_VALUE");
            assertThat(LibCuda.cuFuncSetAttribute(store, attribute, (kibibytes << 10) + 1))
                    .isEqualTo(LibCuda.CUDA_ERROR_INVALID_VALUE());
            Cuda.check("set", LibCuda.cuFuncSetAttribute(store, attribute, kibibytes << 10));
            assertThat(launch(cuda, store, 1, 1, 1, 1, 1, 1, kibibytes << 10)).isEqualTo("CUDA_SUCCESS");
            cuda.recover();
        }
    }

    @Test
    void clustersHaveRulesOfTheirOwn() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment store = TestPtx.load(cuda, TestPtx.store("7.8", "sm_90", "", ""));
            assertThat(launchWith(cuda, store, 8, CLUSTER_DIMENSION, 8, 1, 1)).isEqualTo("CUDA_SUCCESS");
            assertThat(launchWith(cuda, store, 8, CLUSTER_DIMENSION, 3, 1, 1)).isEqualTo("CUDA_ERROR_INVALID_VALUE");
            assertThat(launchWith(cuda, store, 16, CLUSTER_DIMENSION, 16, 1, 1))
                    .isEqualTo("CUDA_ERROR_INVALID_CLUSTER_SIZE");
            Cuda.check("set", LibCuda.cuFuncSetAttribute(store,
                    LibCuda.CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED(), 1));
            assertThat(launchWith(cuda, store, 16, CLUSTER_DIMENSION, 16, 1, 1)).isEqualTo("CUDA_SUCCESS");
            cuda.synchronize();
        }
        Simulator.devices("sm_80", 1);
        Simulator.reset();
        try (Cuda cuda = new Cuda()) {
            MemorySegment store = TestPtx.load(cuda, TestPtx.store());
            assertThat(launchWith(cuda, store, 8, CLUSTER_DIMENSION, 2, 1, 1)).isEqualTo("CUDA_ERROR_NOT_SUPPORTED");
        }
    }

    @Test
    void attributesThatAreNotKnownAreRefusedByNumber() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment store = TestPtx.load(cuda, TestPtx.store());
            assertThat(launchWith(cuda, store, 1, PROGRAMMATIC_EVENT, 0)).isEqualTo("CUDA_ERROR_NOT_SUPPORTED");
            assertThat(Simulator.report()).endsWith("no launch attribute 7");
        }
    }

    @Test
    void aCooperativeGridHasToBeResident() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment store = TestPtx.load(cuda, TestPtx.store());
            // 32 blocks of one warp on each of 132 multiprocessors.
            assertThat(launchWith(cuda, store, 32 * 132, COOPERATIVE, 1)).isEqualTo("CUDA_SUCCESS");
            assertThat(launchWith(cuda, store, 32 * 132 + 1, COOPERATIVE, 1))
                    .isEqualTo("CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE");
            assertThat(launchWith(cuda, store, 32 * 132 + 1, COOPERATIVE, 0)).isEqualTo("CUDA_SUCCESS");
            cuda.recover();
        }
    }

    @ParameterizedTest
    @CsvSource({"sm_75, 256, 0, 4", "sm_80, 256, 0, 8", "sm_86, 256, 0, 6", "sm_90, 32, 0, 32", "sm_75, 32, 0, 16",
        "sm_90, 1024, 0, 2", "sm_86, 1024, 0, 1", "sm_80, 128, 40000, 4", "sm_75, 128, 40000, 1"})
    void aMultiprocessorHoldsSoManyBlocks(String architecture, int threads, long shared, int blocks) {
        Simulator.devices(architecture, 1);
        Simulator.reset();
        try (Cuda cuda = new Cuda()) {
            MemorySegment store = TestPtx.load(cuda, TestPtx.store());
            MemorySegment count = cuda.arena().allocate(JAVA_INT);
            Cuda.check("occupancy",
                    LibCuda.cuOccupancyMaxActiveBlocksPerMultiprocessor(count, store, threads, shared));
            assertThat(count.get(JAVA_INT, 0)).isEqualTo(blocks);
        }
    }

    /** A module that says it takes so many registers. */
    private static MemorySegment withRegisters(Cuda cuda, Path folder, int registers) throws IOException {
        byte[] ptx = TestPtx.store();
        Path module = NativeBuild.module(ptx, "store", Variant.PLAIN);
        Files.copy(module, folder.resolve(module.getFileName()));
        Files.writeString(folder.resolve(module.getFileName().toString().replace(".so", ".resources")),
                "entry store registers %d shared 0 stack 0\n".formatted(registers));
        Simulator.modules(folder);
        return TestPtx.load(cuda, ptx);
    }

    @Test
    void registersAreGivenToWarpsInEachQuarterOfAMultiprocessor(@TempDir Path folder) throws IOException {
        try (Cuda cuda = new Cuda()) {
            MemorySegment store = withRegisters(cuda, folder, 40);
            MemorySegment count = cuda.arena().allocate(JAVA_INT);
            // 1280 registers a warp: 12 warps in each quarter of 16384, 48 together, 16 blocks of 3; undivided it were 51 and 17.
            Cuda.check("occupancy", LibCuda.cuOccupancyMaxActiveBlocksPerMultiprocessor(count, store, 96, 0));
            assertThat(count.get(JAVA_INT, 0)).isEqualTo(16);
        }
    }

    @Test
    void aBlockWhoseRegistersNoMultiprocessorHasIsRefused(@TempDir Path folder) throws IOException {
        try (Cuda cuda = new Cuda()) {
            MemorySegment store = withRegisters(cuda, folder, 255);
            MemorySegment value = cuda.arena().allocate(JAVA_INT);
            Cuda.check("attribute", LibCuda.cuFuncGetAttribute(value, LibCuda.CU_FUNC_ATTRIBUTE_NUM_REGS(), store));
            assertThat(value.get(JAVA_INT, 0)).isEqualTo(255);
            Cuda.check("attribute",
                    LibCuda.cuFuncGetAttribute(value, LibCuda.CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK(), store));
            assertThat(value.get(JAVA_INT, 0)).isEqualTo(256);
            assertThat(launch(cuda, store, 1, 1, 1, 256, 1, 1, 0)).isEqualTo("CUDA_SUCCESS");
            assertThat(launch(cuda, store, 1, 1, 1, 257, 1, 1, 0)).isEqualTo("CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES");
            cuda.recover();
        }
    }

    @Test
    void parametersMayComeInOneBuffer() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment store = TestPtx.load(cuda, TestPtx.store());
            long at = cuda.allocate(4);
            MemorySegment buffer = cuda.arena().allocate(16, 8);
            buffer.set(JAVA_LONG, 0, at);
            buffer.set(JAVA_INT, 8, 77);
            MemorySegment size = cuda.arena().allocateFrom(JAVA_LONG, 12);
            MemorySegment extra = cuda.arena().allocate(ADDRESS, 5);
            extra.setAtIndex(JAVA_LONG, 0, 1);
            extra.setAtIndex(ADDRESS, 1, buffer);
            extra.setAtIndex(JAVA_LONG, 2, 2);
            extra.setAtIndex(ADDRESS, 3, size);
            Cuda.check("launch", LibCuda.cuLaunchKernel(store, 1, 1, 1, 1, 1, 1, 0, MemorySegment.NULL,
                    MemorySegment.NULL, extra));
            buffer.fill((byte) 0); // parameters are copied by the call
            MemorySegment back = cuda.arena().allocate(JAVA_INT);
            cuda.fetch(back, at);
            assertThat(back.get(JAVA_INT, 0)).isEqualTo(77);
            size.set(JAVA_LONG, 0, 8);
            assertThat(LibCuda.cuLaunchKernel(store, 1, 1, 1, 1, 1, 1, 0, MemorySegment.NULL, MemorySegment.NULL,
                    extra)).isEqualTo(LibCuda.CUDA_ERROR_INVALID_VALUE());
        }
    }
}
