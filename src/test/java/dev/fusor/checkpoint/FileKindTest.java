package dev.fusor.checkpoint;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

class FileKindTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "version https://git-lfs.github.com/spec/v1 | git-lfs pointer | run 'git lfs pull'",
        "<!DOCTYPE html><html> | HTML page | download the file again",
        "<html><body> | HTML page | download the file again",
        "GGUF____________ | GGUF file | name the safetensors model",
        "{\"error\": \"Repository not found\"} | JSON text | name the .safetensors file"})
    void knowsTextsByTheirStart(String text, String kind, String remedy) {
        named(text.getBytes(StandardCharsets.ISO_8859_1), kind, remedy);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "504b0304000008080000000000000000 | zip archive, most likely a PyTorch checkpoint | convert it",
        "80028a0a6cfc9c46f920 | Python pickle | convert it",
        "934e554d50590100760000000000 | NumPy array | convert it",
        "894844460d0a1a0a00000000 | HDF5 | convert it",
        "1f8b0800000000000003 | gzip data | unpack it",
        "00000000000000000000 | unfinished download | download the file again"})
    void knowsBinariesByTheirStart(String hex, String kind, String remedy) {
        named(HexFormat.of().parseHex(hex), kind, remedy);
    }

    private void named(byte[] bytes, String kind, String remedy) {
        Path file = RawFile.write(folder.resolve("model.safetensors"), bytes);
        assertThatExceptionOfType(CheckpointException.class).isThrownBy(() -> Checkpoint.open(file))
                .withMessageStartingWith(file + ": wanted safetensors, but this is ")
                .withMessageContaining(kind)
                .withMessageContaining(remedy);
    }

    @Test
    void aLengthThatLooksLikeAPickleIsStillALength() throws IOException {
        // 0x0280 bytes of header start with the bytes of a pickle of protocol 2.
        Path file = RawFile.write(folder.resolve("a.safetensors"), "{}" + " ".repeat(0x0280 - 2), 0);
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            assertThat(checkpoint.tensors()).isEmpty();
        }
    }
}
