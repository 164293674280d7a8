package dev.fusor.cli;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Models;
import dev.fusor.testing.Tensors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

class InspectCommandTest {
    private static final double NAN = Double.NaN;
    private static final double INFINITY = Double.POSITIVE_INFINITY;

    @TempDir
    private Path folder;

    private Path checkpoint() throws IOException {
        return Models.write(folder.resolve("model"), Map.of("layers.10.w",
                Tensors.of(DType.BF16, 1, -2, NAN, INFINITY, -INFINITY), "layers.2.w",
                Tensors.of(DType.F32, 0.25, 3, -1), "ids", Tensor.allocate(Arena.ofAuto(), DType.I64, 2, 1)));
    }

    @Test
    void tensorsAreListedAsTheyLieOnDisk() throws IOException {
        CommandLineRun run = CommandLineRun.of("inspect", checkpoint());

        assertThat(run.status()).isZero();
        assertThat(run.err()).isEmpty();
        assertThat(run.lines().get(0)).matches("name +dtype +shape +bytes +aligned to +file");
        assertThat(run.lines().get(1)).matches("ids +I64 +\\[2, 1] +16 +\\d+ +model.safetensors");
        assertThat(run.lines().get(2)).startsWith("layers.2.w ");
        assertThat(run.lines().get(3)).startsWith("layers.10.w ");
    }

    @Test
    void totalsAndMetadataFollow() throws IOException {
        assertThat(CommandLineRun.of("inspect", checkpoint()).out()).endsWith("""
                BF16: 1 tensors, 5 elements, 10 bytes
                F32: 1 tensors, 3 elements, 12 bytes
                I64: 1 tensors, 2 elements, 16 bytes
                %s: 3 tensors, 10 parameters, 38 bytes in 1 file
                metadata format: pt
                """.formatted(folder.resolve("model")));
    }

    @Test
    void statisticsCountWhatIsNotFinite() throws IOException {
        List<String> lines = CommandLineRun.of("inspect", "--stats", checkpoint()).lines();

        assertThat(lines.get(1)).endsWith("-    -         -");
        assertThat(lines.get(2)).matches(".* -1.00000 +3.00000 +0 +0");
        assertThat(lines.get(3)).matches(".* -2.00000 +1.00000 +1 +2");
    }

    @Test
    void jsonHasTheSameContent() throws IOException {
        Map<String, Object> json = CommandLineRun.of("inspect", "--json", "--stats", checkpoint()).json();

        assertThat(json).containsEntry("tensor_count", 3).containsEntry("parameters", 10).containsEntry("bytes", 38)
                .containsEntry("metadata", Map.of("format", "pt"));
        assertThat((List<?>) json.get("files")).hasSize(1);
        assertThat((Map<?, ?>) json.get("dtypes")).hasSize(3);
        assertThat(((List<?>) json.get("tensors")).get(2).toString()).startsWith(
                "{name=layers.10.w, dtype=BF16, shape=[5], bytes=10, file=model.safetensors, offset=")
                .endsWith("min=-2.0, max=1.0, nan=1, infinite=2}");
    }

    @Test
    void aTensorWithoutFiniteNumbersHasNoRange() throws IOException {
        Path model = Models.write(folder.resolve("model"), Map.of("a", Tensors.of(DType.F16, NAN), "b",
                Tensors.of(DType.F32)));

        assertThat(CommandLineRun.of("inspect", "--stats", model).out()).containsPattern("a .* - +- +1 +0")
                .containsPattern("b .* - +- +0 +0");
        assertThat(CommandLineRun.of("inspect", "--stats", "--json", model).out()).contains("\"min\" : null");
    }

    @Test
    void shardsAreShownAsOneCheckpoint() throws IOException {
        Path model = Models.write(folder.resolve("model"), Map.of("a", Tensors.of(DType.F32, 1), "b",
                Tensors.of(DType.F32, 2)), 4);

        assertThat(CommandLineRun.of("inspect", model).out()).contains("2 tensors, 2 parameters, 8 bytes in 2 files",
                "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");
    }

    @Test
    void aMissingPathIsOneSentence() {
        CommandLineRun run = CommandLineRun.of("inspect", folder.resolve("nowhere"));

        assertThat(run.status()).isEqualTo(1);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).isEqualTo(
                "fusor: " + folder.resolve("nowhere") + ": there is no such file or folder; check the path\n");
    }

    @Test
    void aFileThatIsNoCheckpointIsOneSentence() throws IOException {
        Path file = Files.writeString(folder.resolve("model.safetensors"),
                "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n");
        CommandLineRun run = CommandLineRun.of("inspect", file);

        assertThat(run.status()).isEqualTo(1);
        assertThat(run.err()).startsWith("fusor: " + file).contains("git").hasLineCount(1);
    }
}
