package dev.fusor.simulator;

import dev.fusor.bindings.cuda.LibCuda;
import dev.fusor.simulator.NativeBuild.Variant;
import dev.fusor.simulator.Simulator.ThreadOrder;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

/**
 * Proof that the simulator can fail: kernels and hosts with a seeded defect each, all of which it reports, and their right
 * twins, on which it is silent.
 */
@RequiresSimulator
class SeededDefectsTest {
    private static final int THREADS = 64;

    @TempDir
    private Path folder;

    /** How a kernel of defects.cu is launched: blocks, and what it gets. */
    private static void launch(Cuda cuda, String architecture, String kernel) {
        MemorySegment function = cuda.function(cuda.module(Cuda.ptx("defects", architecture)), kernel);
        MemorySegment zeros = cuda.arena().allocate(4L * THREADS + 16, 16);
        long in = cuda.copyOf(zeros);
        long out = cuda.allocate(16L * THREADS);
        switch (kernel) {
            case "barriers_of_two_branches", "barrier_of_half_a_warp", "barrier_that_waits_for_ever",
                    "read_of_fresh_shared_memory" ->
                cuda.run(function, 1, THREADS, 0, out);
            case "two_writers", "one_writer" -> cuda.run(function, 4, 1, 0, out);
            case "past_the_end" -> cuda.run(function, 3, THREADS, 0, cuda.allocate(4 * 100), 100);
            case "misaligned_vector" -> cuda.run(function, 1, 16, 0, in, out, 1);
            case "read_of_nothing" -> cuda.run(function, 1, THREADS, 0, cuda.allocate(4L * THREADS), out);
            case "past_a_static_array" -> cuda.run(function, 1, THREADS, 0, out, 1);
            case "past_dynamic_memory" -> cuda.run(function, 1, THREADS, 4 * THREADS, out, 1);
            case "relaxed_where_release_is_needed", "release_and_acquire" -> {
                cuda.zero(in, 8);
                cuda.runCooperative(function, 2, 32, 0, in, in + 4, out);
            }
            default -> cuda.run(function, 1, THREADS, 0, in, out);
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "barriers_of_two_branches | 719 | different barriers",
        "barrier_of_half_a_warp | 719 | only a part of a warp",
        "barrier_that_waits_for_ever | 702 | wait for each other",
        "shuffles_of_two_branches | 719 | different operations",
        "shuffle_with_exited_lanes | 719 | have ended",
        "shuffle_of_a_lane_outside_its_mask | 719 | but lane 16 calls it",
        "past_the_end | 700 | 0 bytes past the end of device allocation",
        "misaligned_vector | 716 | is misaligned",
        "read_of_nothing | 700 | nothing was written to",
        "past_a_static_array | 700 | bytes into the array",
        "past_dynamic_memory | 700 | bytes of dynamic shared memory",
        "read_of_fresh_shared_memory | 700 | nothing was written to"})
    void isReportedByEveryLaunch(String kernel, int result, String report) {
        for (String architecture : List.of("sm_75", "sm_90")) {
            try (Cuda cuda = new Cuda()) {
                assertThatThrownBy(() -> launch(cuda, architecture, kernel)).isInstanceOfSatisfying(Cuda.Failure.class,
                        failure -> {
                            assertThat(failure.code()).isEqualTo(result);
                            assertThat(failure).hasMessageContaining(report).hasMessageContaining("kernel " + kernel)
                                    .hasMessageContaining("native/simulator/kernels/defects.cu:");
                        });
                cuda.recover();
            }
        }
    }

    /** Runs a kernel, records it, and runs the recording under a sanitizer. */
    private String replay(String architecture, String kernel, Variant variant)
            throws IOException, InterruptedException {
        List<Path> recordings = Replay.record(folder, () -> {
            try (Cuda cuda = new Cuda()) {
                launch(cuda, architecture, kernel);
            }
        });
        assertThat(recordings).hasSize(1);
        Path module = NativeBuild.module(Cuda.ptx("defects", architecture), "defects", variant);
        return Replay.of(recordings.getFirst(), module, variant, ThreadOrder.ASCENDING);
    }

    @ParameterizedTest
    @ValueSource(strings = {"block_barrier_missing", "write_after_read", "warp_barrier_missing", "two_writers",
        "relaxed_where_release_is_needed"})
    void aRaceIsReportedByThreadSanitizer(String kernel) throws Exception {
        for (String architecture : List.of("sm_75", "sm_90")) {
            assertThat(replay(architecture, kernel, Variant.THREAD_SANITIZER)).contains("data race", "defects.cu");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"block_barrier_right", "write_after_read_right", "warp_barrier_right", "one_writer",
        "release_and_acquire"})
    void theRightTwinIsClean(String kernel) throws Exception {
        for (String architecture : List.of("sm_75", "sm_90")) {
            assertThat(replay(architecture, kernel, Variant.THREAD_SANITIZER)).isEmpty();
            assertThat(replay(architecture, kernel, Variant.ADDRESS_SANITIZER)).isEmpty();
        }
    }

    @Test
    void aLeakStandsInTheLedger() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment address = cuda.arena().allocate(8, 8);
            Cuda.check("cuMemAlloc_v2", LibCuda.cuMemAlloc_v2(address, 1000));
            assertThat(Simulator.ledger()).contains("device memory of 1000 bytes");
            LibCuda.cuMemFree_v2(address.get(JAVA_LONG, 0));
            assertThat(Simulator.ledger()).doesNotContain("device memory");
        }
    }

    @Test
    void aUseAfterFreeSaysThatItWasFreed() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment kernel = cuda.function(cuda.module(Cuda.ptx("defects", "sm_90")), "one_writer");
            MemorySegment address = cuda.arena().allocate(8, 8);
            Cuda.check("cuMemAlloc_v2", LibCuda.cuMemAlloc_v2(address, 1000));
            long freed = address.get(JAVA_LONG, 0);
            LibCuda.cuMemFree_v2(freed);
            assertThatThrownBy(() -> cuda.run(kernel, 4, 1, 0, freed)).hasMessageContaining("which was freed");
            cuda.recover();
        }
    }

    @Test
    void hostMemoryThatIsNotPageLockedIsOutOfAKernelsReach() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment kernel = cuda.function(cuda.module(Cuda.ptx("defects", "sm_90")), "one_writer");
            long host = cuda.arena().allocate(64, 16).address();
            assertThatThrownBy(() -> cuda.run(kernel, 4, 1, 0, host)).hasMessageContaining("page-locked or registered");
            cuda.recover();
        }
    }

    @Test
    void aResultReadBeforeSynchronisingIsNotThere() {
        try (Cuda cuda = new Cuda()) {
            MemorySegment kernel = cuda.function(cuda.module(Cuda.ptx("defects", "sm_90")), "one_writer");
            long out = cuda.allocate(16);
            MemorySegment stream = cuda.stream(0);
            MemorySegment pointer = cuda.arena().allocate(8, 8);
            Cuda.check("cuMemHostAlloc", LibCuda.cuMemHostAlloc(pointer, 16, 0));
            MemorySegment pinned = pointer.get(ADDRESS, 0).reinterpret(16);
            cuda.launch(kernel, 4, 1, 0, stream, out);
            Cuda.check("cuMemcpyDtoHAsync_v2", LibCuda.cuMemcpyDtoHAsync_v2(pinned, out, 16, stream));
            assertThat(pinned.toArray(JAVA_INT)).isNotEqualTo(new int[]{0, 1, 2, 3});
            Cuda.check("cuStreamSynchronize", LibCuda.cuStreamSynchronize(stream));
            assertThat(pinned.toArray(JAVA_INT)).isEqualTo(new int[]{0, 1, 2, 3});
            LibCuda.cuMemFreeHost(pinned);
        }
    }
}
