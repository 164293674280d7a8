package dev.fusor.cli;

import dev.fusor.checkpoint.ArrayWriter;
import dev.fusor.checkpoint.CheckpointWriter.Spec;
import dev.fusor.simulator.RequiresSimulator;
import dev.fusor.simulator.Simulator;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.testing.Tensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

/** {@code fusor ensemble --device cuda}: every way in which the driver can fail. */
@RequiresSimulator
class CudaEnsembleFailuresTest {
    @TempDir
    private Path folder;

    @BeforeEach
    void logits() throws IOException {
        try (ArrayWriter writer = ArrayWriter.create(folder.resolve("logits.npy"),
                List.of(new Spec("x", DType.F32, Shape.of(3, 5))), true)) {
            writer.write("x", Tensors.random(DType.F32, 15, 1, null, 1).data());
            writer.commit();
        }
    }

    private CommandLineRun combine() {
        return CommandLineRun.of("ensemble", folder.resolve("logits.npy"), "--mode", "logits", "--out",
                folder.resolve("out.npy"), "--overwrite", "--device", "cuda");
    }

    /** Each call fails once, in turn: nothing is leaked or left behind, and the next command works. */
    @Test
    void everyCallOfTheDriverMayFail() throws IOException {
        Simulator.reset();
        assertThat(combine().status()).isZero();
        byte[] wanted = Files.readAllBytes(folder.resolve("out.npy"));
        SequencedMap<String, Long> calls = CudaMergeFailuresTest.calls();
        assertThat(calls).containsKeys("cuInit", "cuLaunchKernelEx", "cuMemcpyDtoHAsync_v2");
        long failed = 0;
        for (Map.Entry<String, Long> function : calls.entrySet()) {
            for (long n = 1; n <= function.getValue(); n++) {
                Files.deleteIfExists(folder.resolve("out.npy"));
                Simulator.reset();
                Simulator.fault(function.getKey(), n, 304);
                CommandLineRun run = combine();
                String what = "call " + n + " of " + function.getKey() + ": " + run.err();
                if (run.status() != 0) {
                    failed++;
                    assertThat(run.status()).as(what).isEqualTo(1);
                    assertThat(run.err().strip().lines().toList().getLast()).as(what).startsWith("fusor: ")
                            .contains(function.getKey());
                    assertThat(run.err()).as(what).doesNotContain("Exception");
                    try (Stream<Path> files = Files.list(folder)) {
                        assertThat(files.filter(file -> file.getFileName().toString().contains("out"))).as(what)
                                .isEmpty();
                    }
                    assertThat(Simulator.ledger()).as(what).isEmpty();
                    assertThat(combine().status()).as("after " + what).isZero();
                }
                assertThat(Files.readAllBytes(folder.resolve("out.npy"))).as(what).isEqualTo(wanted);
                assertThat(Simulator.ledger()).as(what).isEmpty();
            }
        }
        assertThat(failed).isPositive();
    }

    @Test
    void tooLittleDeviceMemoryIsSaid() {
        Simulator.capacity(300);
        Simulator.reset();
        CommandLineRun run = combine();
        assertThat(run.status()).isEqualTo(1);
        assertThat(run.err()).startsWith("fusor: the ensemble was given up: cuMemAllocFromPoolAsync failed with "
                + "CUDA_ERROR_OUT_OF_MEMORY").endsWith("; --device cpu combines to the same bits\n");
        assertThat(folder.resolve("out.npy")).doesNotExist();
    }
}
