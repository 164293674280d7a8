package dev.fusor.simulator.ptx;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Instructions that take other threads, step by step, under each order of threads. */
class LaneKernelsTest {
    private static final long SEED = Long.getLong("fusor.seed", 20261121L);

    private final WarpKernels warps = new WarpKernels(SEED);
    private final long[] two = new long[2 * BlockKernels.BLOCK];

    @BeforeEach
    void needsACompiler() {
        ModuleRunner.require();
        for (int i = 0; i < two.length; i++) {
            two[i] = 17L * i * i + 3 & 0xffff;
        }
    }

    @Test
    void warpsExchangeVoteMatchAndReduce() {
        warps.warps().check(ModuleRunner.Shape.of(1, WarpKernels.BLOCK), "", warps.v, warps.w);
    }

    @Test
    void warpsReduceFloats() {
        warps.floatReductions().check(ModuleRunner.Shape.of(1, WarpKernels.BLOCK), "", warps.v, warps.w);
    }

    @Test
    void blocksMeetAtBarriers() {
        BlockKernels.barriers(warps.v).check(ModuleRunner.Shape.of(1, BlockKernels.BLOCK), "", warps.v, warps.w);
    }

    @Test
    void clustersMeetAndReadEachOther() {
        BlockKernels.clusters(two).check(new ModuleRunner.Shape(2, BlockKernels.BLOCK, 2, 0),
                ".reqnctapercluster 2, 1, 1", two, two);
    }

    @Test
    void asynchronousCopiesArrive() {
        BlockKernels.copies(warps.v).check(ModuleRunner.Shape.of(1, BlockKernels.BLOCK), "", warps.v, warps.w);
    }

    @Test
    void barriersInSharedMemoryLetThreadsPass() {
        MbarrierKernels.mbarriers(warps.v).check(ModuleRunner.Shape.of(1, BlockKernels.BLOCK), "", warps.v, warps.w);
    }

    @Test
    void addressesFindTheirSpaces() {
        check(ThreadKernels.addresses(warps.v));
    }

    @Test
    void fencesChangeNoValue() {
        check(ThreadKernels.fences());
    }

    @Test
    void callsPassEveryType() {
        check(ThreadKernels.calls(warps.v));
    }

    @Test
    void branchesLoopsAndScopesAreFollowed() {
        check(ThreadKernels.branches(warps.v, warps.w));
    }

    @Test
    void warpsMultiplyMatrices() {
        MatrixKernels matrices = new MatrixKernels(SEED);
        matrices.products().check(ModuleRunner.Shape.of(1, 32), "", warps.v, warps.w);
    }

    @Test
    void warpsLoadAndStoreMatrices() {
        MatrixKernels.loads().check(ModuleRunner.Shape.of(1, 32), "", warps.v, warps.w);
    }

    private void check(LaneKernel kernel) {
        kernel.check(ModuleRunner.Shape.of(1, BlockKernels.BLOCK), "", warps.v, warps.w);
    }
}
