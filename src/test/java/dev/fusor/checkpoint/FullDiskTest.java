package dev.fusor.checkpoint;

import dev.fusor.checkpoint.CheckpointWriter.Spec;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

/** Needs the right to mount a file system of one mebibyte; skipped without it. */
class FullDiskTest {
    @TempDir
    Path folder;
    private boolean mounted;

    @BeforeEach
    void mount() throws Exception {
        mounted = run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder.toString());
        assumeTrue(mounted, "mounting a small file system is not permitted here");
    }

    @AfterEach
    void unmount() throws Exception {
        if (mounted) {
            assertThat(run("umount", folder.toString())).isTrue();
        }
    }

    private static boolean run(String... command) throws InterruptedException {
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
            return process.waitFor(10, TimeUnit.SECONDS) && process.exitValue() == 0;
        } catch (IOException e) {
            return false;
        }
    }

    private static List<Spec> bytes(long count) {
        return List.of(new Spec("a", DType.U8, Shape.of(count)));
    }

    @Test
    void isSeenBeforeAnythingIsWritten() {
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> CheckpointWriter.create(folder.resolve("out"), bytes(2 << 20), 1, Map.of(), false))
                .withMessageContaining("takes 2101248 bytes, but the disk has only 1048576 free");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void leavesNothingBehindWhenItFillsMeanwhile() throws IOException {
        try (CheckpointWriter writer = CheckpointWriter.create(folder.resolve("out"), bytes(900_000), 1, Map.of(),
                false)) {
            Files.write(folder.resolve("other"), new byte[500_000]);
            assertThatExceptionOfType(CheckpointException.class)
                    .isThrownBy(() -> writer.write("a", 0, Arena.ofAuto().allocate(900_000)))
                    .withMessageContaining("tensor 'a' cannot be written: the disk is full; free some space");
        }
        assertThat(folder).isDirectoryNotContaining("glob:**fusor*").isDirectoryContaining("glob:**other");
    }

    @Test
    void leavesTheOldCheckpointInPlace() throws IOException {
        Path output = folder.resolve("out");
        try (CheckpointWriter writer = CheckpointWriter.create(output, bytes(1), 1, Map.of(), false)) {
            writer.write("a", 0, Arena.ofAuto().allocate(1));
            writer.commit();
        }
        try (CheckpointWriter writer = CheckpointWriter.create(output, bytes(900_000), 1, Map.of(), true)) {
            Files.write(folder.resolve("other"), new byte[500_000]);
            assertThatExceptionOfType(CheckpointException.class)
                    .isThrownBy(() -> writer.write("a", 0, Arena.ofAuto().allocate(900_000)));
        }
        try (Checkpoint checkpoint = Checkpoint.open(output)) {
            assertThat(checkpoint.tensor("a").byteSize()).isEqualTo(1);
        }
    }
}
