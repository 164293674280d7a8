package dev.fusor.cli;

import dev.fusor.checkpoint.ArrayWriter;
import dev.fusor.checkpoint.CheckpointWriter.Spec;
import dev.fusor.simulator.RequiresCuda;
import dev.fusor.simulator.Simulator;
import dev.fusor.simulator.Simulator.ThreadOrder;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;

/** {@code fusor ensemble --device cuda} gives the bits and the report of {@code --device cpu}. */
@RequiresCuda
class CudaEnsembleTest {
    private static final int ROWS = 23;
    private static final int CLASSES = 37;

    @TempDir
    private Path folder;

    private Path write(String name, Tensor tensor, long... extents) throws IOException {
        Path file = folder.resolve(name);
        try (ArrayWriter writer = ArrayWriter.create(file,
                List.of(new Spec("x", tensor.dtype(), Shape.of(extents))), true)) {
            writer.write("x", tensor.data());
            writer.commit();
        }
        return file;
    }

    private Path logits(DType type, int seed) throws IOException {
        return write(seed + ".safetensors", Tensors.random(type, ROWS * CLASSES, seed, null, 2), ROWS, CLASSES);
    }

    private List<Object> arguments(DType one, DType other, String mode, String saved) throws IOException {
        Tensor labels = Tensors.zeros(DType.I32, ROWS);
        Tensor masks = Tensors.zeros(DType.U8, 2 * CLASSES);
        masks.data().fill((byte) 1);
        masks.data().asSlice(5, 3).fill((byte) 0);
        return List.of("ensemble", logits(one, 1), logits(other, 2), "--labels", write("labels.npy", labels, ROWS),
                "--masks", write("masks.npy", masks, 2, CLASSES), "--weights", "1,3", "--temperatures", "1,0.5",
                "--mode", mode, "--save", saved, "--top", "7", "--max-memory", "2kB", "--json", "--overwrite");
    }

    private CommandLineRun run(List<Object> arguments, Object... more) {
        List<Object> all = new ArrayList<>(arguments);
        all.addAll(Arrays.asList(more));
        return CommandLineRun.of(all.toArray());
    }

    /** Several blocks, logits of one type and of two, classes that a model lacks. */
    @ParameterizedTest
    @CsvSource({"probabilities, BF16, BF16", "logits, F32, F16", "log_probabilities, F64, F64", "vote, F16, F16",
        "maximum, F8_E4M3, BF16", "most_confident, F32, F32"})
    void everyResultHasTheBitsOfTheProcessor(String mode, DType one, DType other) throws IOException {
        if (Simulator.isLoaded()) {
            Simulator.schedule(ThreadOrder.RANDOM, Tensors.SEED, 2, false);
        }
        String everything = "logits,log_probabilities,probabilities,argmax,top_classes,top_log_probabilities,entropy,"
                + "log_sum_exp,loss" + (mode.equals("probabilities") ? ",disagreement" : "");
        List<Object> arguments = arguments(one, other, mode, everything);
        Path cpu = folder.resolve("cpu.safetensors");
        Path cuda = folder.resolve("cuda.safetensors");
        CommandLineRun wanted = run(arguments, "--out", cpu, "--device", "cpu", "--threads", 1);
        assertThat(wanted.status()).as(wanted.err()).isZero();
        CommandLineRun got = run(arguments, "--out", cuda, "--device", "cuda");
        assertThat(got.status()).as(got.err()).isZero();
        assertThat(Files.readAllBytes(cuda)).as("seed %d", Tensors.SEED).isEqualTo(Files.readAllBytes(cpu));
        assertThat(got.json()).isEqualTo(wanted.json());
    }

    @Test
    void whatADeviceHasNoRoomForIsOneSentenceAndNoOutput() throws IOException {
        int classes = 2000;
        Path file = write("wide.npy", Tensors.zeros(DType.F32, classes), 1, classes);
        Path out = folder.resolve("out.npy");
        CommandLineRun run = CommandLineRun.of("ensemble", file, "--mode", "logits", "--device", "cuda", "--save",
                "top_classes", "--top", "1025", "--out", out);
        assertThat(run.status()).isEqualTo(2);
        assertThat(run.err()).startsWith(
                "fusor: --device cuda takes --top up to 1024, got 1025; --device cpu takes any number");
        assertThat(out).doesNotExist();
    }

    @Test
    void aDeviceThatIsNotThereIsNamed() throws IOException {
        CommandLineRun run = CommandLineRun.of("ensemble", logits(DType.F32, 1), "--device", "cuda:77");
        assertThat(run.status()).isEqualTo(1);
        assertThat(run.err()).startsWith("fusor: --device cuda:77 is not there: wanted cuda:0 to cuda:");
        CommandLineRun other = CommandLineRun.of("ensemble", logits(DType.F32, 1), "--device", "gpu");
        assertThat(other.err()).startsWith("fusor: --device is auto, cpu, cuda or cuda:N, got 'gpu'");
    }
}
