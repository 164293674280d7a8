package dev.fusor.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

/** A merge that is asked to stop, as Control-C and a shutdown of the machine do. */
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "a process cannot be asked to end there, only killed")
class StoppedMergeTest {
    private static final long ELEMENTS = 1L << 29;
    private static final int TERMINATED = 128 + 15;

    @TempDir
    private Path folder;

    /** A gigabyte of zeros that takes no room on the disk. */
    private void makeModel() throws IOException {
        byte[] header = "{\"w\":{\"dtype\":\"BF16\",\"shape\":[%d],\"data_offsets\":[0,%d]}}"
                .formatted(ELEMENTS, 2 * ELEMENTS)
                .getBytes(StandardCharsets.UTF_8);
        Path file = Files.createDirectory(folder.resolve("model")).resolve("model.safetensors");
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(header.length).flip());
            channel.write(ByteBuffer.wrap(header));
            channel.write(ByteBuffer.allocate(1), 8 + header.length + 2 * ELEMENTS - 1);
        }
    }

    private List<Path> outputs() throws IOException {
        try (var children = Files.list(folder)) {
            return children.filter(child -> child.getFileName().toString().contains("out")).toList();
        }
    }

    @Test
    void leavesNothingAndSaysNothing() throws Exception {
        makeModel();
        Path recipe = Files.writeString(folder.resolve("recipe.yml"),
                "merge_method: linear\nmodels:\n  - model: %s\n    parameters: {weight: 1}\n"
                        .formatted(folder.resolve("model")));
        Path errors = folder.resolve("errors");
        Process process = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED", "-Xmx160m", "-cp", System.getProperty("java.class.path"),
                Main.class.getName(), "merge", recipe.toString(), folder.resolve("out").toString())
                .redirectError(errors.toFile()).start();
        try {
            Instant end = Instant.now().plus(Duration.ofSeconds(60));
            while (outputs().isEmpty() && process.isAlive() && Instant.now().isBefore(end)) {
                Thread.sleep(1);
            }
            assertThat(outputs()).as(Files.readString(errors)).hasSize(1);
            process.destroy();
            assertThat(process.waitFor()).isEqualTo(TERMINATED);
        } finally {
            process.destroyForcibly().waitFor();
        }
        assertThat(outputs()).isEmpty();
        assertThat(Files.readString(errors)).doesNotContain("fusor:", "Exception");
    }
}
