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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

class OutputFolderTest {
    private static final List<Spec> ONE = List.of(new Spec("a", DType.U8, Shape.of(1)));

    @TempDir
    Path folder;

    private static CheckpointWriter writer(Path output, boolean overwrite) throws IOException {
        CheckpointWriter writer = CheckpointWriter.create(output, ONE, 1, Map.of(), overwrite);
        writer.write("a", 0, Arena.ofAuto().allocate(1));
        return writer;
    }

    private static void commit(Path output, boolean overwrite) throws IOException {
        try (CheckpointWriter writer = writer(output, overwrite)) {
            writer.commit();
        }
    }

    private void refused(Path output, boolean overwrite, String... fragments) throws IOException {
        List<Path> before = tree();
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> CheckpointWriter.create(output, ONE, 1, Map.of(), overwrite))
                .satisfies(e -> assertThat(e.getMessage()).contains(fragments));
        assertThat(tree()).isEqualTo(before);
    }

    private List<Path> tree() throws IOException {
        try (var all = Files.walk(folder)) {
            return all.sorted().toList();
        }
    }

    @Test
    void refusesToReplaceUnlessTold() throws IOException {
        commit(folder.resolve("out"), false);
        refused(folder.resolve("out"), false, "exists and is not empty", "--overwrite");
    }

    @Test
    void replacesACheckpointAsAWhole() throws IOException {
        Path output = folder.resolve("out");
        commit(output, false);
        Files.writeString(output.resolve("old.txt"), "old");
        commit(output, true);
        assertThat(tree()).containsExactly(folder, output, output.resolve("model.safetensors"));
    }

    @Test
    void theOldCheckpointStaysUntilTheCommit() throws IOException {
        Path output = folder.resolve("out");
        commit(output, false);
        Files.writeString(output.resolve("old.txt"), "old");
        List<Path> before = tree();
        writer(output, true).close();
        assertThat(tree()).isEqualTo(before);
    }

    @Test
    void neverDeletesAFolderThatIsNoCheckpoint() throws IOException {
        Files.writeString(folder.resolve("thesis.tex"), "x");
        refused(folder, true, "holds no .safetensors file", "not deleted even with --overwrite");
    }

    @Test
    void fillsAFolderThatIsEmpty() throws IOException {
        Path output = Files.createDirectory(folder.resolve("out"));
        commit(output, false);
        assertThat(tree()).containsExactly(folder, output, output.resolve("model.safetensors"));
    }

    @Test
    void refusesAtTheCommitWhatAppearedMeanwhile() throws IOException {
        Path output = folder.resolve("out");
        try (CheckpointWriter writer = writer(output, false)) {
            Files.createDirectory(output);
            Files.writeString(output.resolve("mine"), "x");
            assertThatExceptionOfType(CheckpointException.class).isThrownBy(writer::commit)
                    .withMessageContaining("exists and is not empty");
        }
        assertThat(tree()).containsExactly(folder, output, output.resolve("mine"));
    }

    @Test
    void refusesAParentThatIsNotThere() throws IOException {
        refused(folder.resolve("no/out"), false, "the parent " + folder.resolve("no") + " does not exist");
        Path file = Files.writeString(folder.resolve("file"), "x");
        refused(file.resolve("out"), false, "is not a folder");
        refused(file, true, "is an existing file, wanted the name of a folder");
        refused(Path.of("/"), true, "a root folder cannot be the output");
    }

    @Test
    void replacesWhatALinkPointsToAndKeepsTheLink() throws IOException {
        commit(folder.resolve("real"), false);
        Path link = Files.createSymbolicLink(folder.resolve("link"), Path.of("real"));
        commit(link, true);
        assertThat(link).isSymbolicLink();
        assertThat(folder.resolve("real/model.safetensors")).exists();
        Files.createSymbolicLink(folder.resolve("dangling"), Path.of("nowhere"));
        refused(folder.resolve("dangling"), false, "a link to nothing");
    }

    @Test
    void refusesWhatTheDiskCannotHold() {
        List<Spec> huge = List.of(new Spec("a", DType.U8, Shape.of(1L << 60)));
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> CheckpointWriter.create(folder.resolve("out"), huge, 1, Map.of(), false))
                .withMessageContaining("takes 1152921504606851072 bytes, but the disk has only");
        assertThat(folder).isEmptyDirectory();
    }
}
