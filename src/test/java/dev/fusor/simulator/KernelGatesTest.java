package dev.fusor.simulator;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
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
