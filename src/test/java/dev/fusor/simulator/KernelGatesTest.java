package dev.fusor.simulator;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

/** What can be proven of kernels with a compiler and no device. Skipped one by one where there is no nvcc. */
class KernelGatesTest {
    private static final String UPDATE = "fusor.updateKernelResources";

    @BeforeEach
    void requireCompiler() {
        boolean found = NativeBuild.onPath("nvcc").isPresent() && NativeBuild.onPath("ptxas").isPresent();
        if (!found && "1".equals(System.getenv("FUSOR_REQUIRE_SIMULATOR"))) {
            throw new IllegalStateException("nvcc and ptxas are required, and not on the PATH");
        }
        assumeTrue(found, "there is no nvcc or no ptxas on the PATH");
    }

    /** In a copy, so that a text which depends on the folder is found out here. */
    @Test
    void committedPtxIsWhatTheSourcesCompileTo(@TempDir Path copy) throws Exception {
        for (Path root : List.of(Path.of("native"), Path.of("cuda-kernels"),
                Path.of("src/main/resources/dev/fusor/ptx"),
                Path.of("src/test/resources/dev/fusor/simulator/kernels"))) {
            if (Files.exists(root)) {
                try (Stream<Path> files = Files.walk(root)) {
                    for (Path file : files.filter(Files::isRegularFile).toList()) {
                        Files.createDirectories(copy.resolve(file).getParent());
                        Files.copy(file, copy.resolve(file));
                    }
                }
            }
        }
        Process process = new ProcessBuilder("bash", "native/ptx", "--check").directory(copy.toFile())
                .redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(said).isZero();
    }

    @Test
    void everyKernelAssemblesWithoutAWarningASpillOrAStackForEveryArchitecture() throws IOException {
        List<Path> files = KernelResources.ptx();
        assertThat(files).isNotEmpty();
        KernelResources.assembleAll();
        for (Path file : files) {
            byte[] ptx = Files.readAllBytes(file);
            assertThat(KernelResources.architectures(ptx)).isNotEmpty();
            for (KernelResources.Architecture architecture : KernelResources.architectures(ptx)) {
                Ptxas.Result result = Ptxas.assemble(ptx, architecture.target());
                assertThat(result.status()).as(result.output()).isZero();
                assertThat(result.output()).as("%s for %s", file, architecture).doesNotContainIgnoringCase("warning")
                        .doesNotContainIgnoringCase("error");
                assertThat(result.resources()).isNotEmpty().allSatisfy(kernel -> {
                    assertThat(kernel.spillBytes()).isZero();
                    assertThat(kernel.stackBytes()).isZero();
                });
            }
        }
    }

    @Test
    void registersSharedMemoryOccupancyAndBytesInFlightAreThoseOfTheTable() throws IOException {
        List<String> table = KernelResources.table();
        if (Boolean.getBoolean(UPDATE)) {
            Files.write(KernelResources.TABLE, table);
        }
        assertThat(table)
                .as("%s is of other kernels; where that is wanted, run mvn test -Dtest=KernelGatesTest -D%s=true",
                        KernelResources.TABLE, UPDATE)
                .isEqualTo(Files.readAllLines(KernelResources.TABLE));
    }

    /**
     * Reads of memory take so long that a multiprocessor has to have this much on the way; those whose memory is far faster than
     * their clock, more. Measured by NVIDIA for its own primitives; what folds, samples or searches a few thousand numbers does not count.
     */
    @Test
    void everyShippedKernelHasEnoughBytesInFlight() throws IOException {
        Map<String, Integer> kibibytes = Map.of("sm_75", 16, "sm_80", 16, "sm_86", 16, "sm_89", 16, "sm_90", 48,
                "sm_100", 64, "sm_120", 32);
        List<String[]> shipped = Files.readAllLines(KernelResources.TABLE).stream().map(row -> row.split("\t"))
                .filter(row -> row[0].startsWith("weighted_sum_") || row[0].startsWith("disjoint_merge_")
                        || row[0].startsWith("trimmed_merge_") && !row[1].equals("mend_listed")
                        || row[0].startsWith("reduction_") || row[0].startsWith("logit_ensemble_")
                        || row[0].startsWith("held_rows_")
                        || row[0].startsWith("ensemble_gradient_") && row[1].equals("differentiate")
                        || row[0].startsWith("task_vector_products_")
                        || row[0].startsWith("permuted_")
                        || row[0].startsWith("task_vector_")
                        || row[0].startsWith("row_selection_") || row[0].startsWith("ranked_drop_")
                        || row[0].startsWith("key_scan_") && !Set.of("sample_keys", "place_tie").contains(row[1]))
                .toList();
        assertThat(shipped).hasSizeGreaterThan(200).allSatisfy(row -> assertThat(Integer.parseInt(row[8]) / 1024)
                .as("KiB in flight of %s of %s on %s", row[1], row[0], row[2])
                .isGreaterThanOrEqualTo(kibibytes.get(row[2])));
    }

    @Test
    void bytesInFlightAreThoseAskedForAndNotYetUsed() {
        String body = """
                ld.global.nc.v4.u32 {%r1, %r2, %r3, %r4}, [%rd1];
                ld.global.f32 %f1, [%rd2];
                add.f32 %f2, %f1, %f3;
                ld.global.u16 %rs1, [%rd3];
                add.u32 %r5, %r4, 1;
                ld.global.u64 %rd4, [%rd5];
                ld.global.u64 %rd6, [%rd4];
                """;
        // 16 + 4; the second is used; 16 + 2; the first is used; 2 + 8; the third load of 8 is used by the last
        assertThat(KernelResources.bytesInFlight(body)).isEqualTo(20);
    }
}
