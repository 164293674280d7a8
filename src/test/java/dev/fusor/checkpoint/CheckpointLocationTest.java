package dev.fusor.checkpoint;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

class CheckpointLocationTest {
    @TempDir
    Path folder;

    private void touch(String... names) {
        for (String name : names) {
            RawFile.write(folder.resolve(name), "{}", 0);
        }
    }

    private void index(String name, String shard) {
        RawFile.writeText(folder.resolve(name), "{\"weight_map\":{\"a\":\"" + shard + "\"}}");
    }

    private Path found() throws IOException {
        return folder.relativize(CheckpointLocation.find(folder).main());
    }

    private void refused(String... fragments) {
        assertThatExceptionOfType(CheckpointException.class).isThrownBy(() -> Checkpoint.open(folder))
                .satisfies(e -> assertThat(e.getMessage()).startsWith(folder + ": ").contains(fragments));
    }

    @Test
    void prefersTheModel() throws IOException {
        touch("consolidated.safetensors", "model.safetensors");
        assertThat(found()).hasToString("model.safetensors");
    }

    @Test
    void takesTheOnlyFileWhateverItsName() throws IOException {
        touch("adapter_model.safetensors", "README.md");
        assertThat(found()).hasToString("adapter_model.safetensors");
    }

    @Test
    void takesTheIndexOverFilesItDoesNotName() throws IOException {
        touch("consolidated.safetensors", "s1.safetensors");
        index("model.safetensors.index.json", "s1.safetensors");
        assertThat(found()).hasToString("model.safetensors.index.json");
    }

    @Test
    void takesTheOnlyIndexWhateverItsName() throws IOException {
        index("diffusion_pytorch_model.safetensors.index.json", "s1.safetensors");
        assertThat(found()).hasToString("diffusion_pytorch_model.safetensors.index.json");
    }

    @Test
    void takesAnIndexOfOneShard() throws IOException {
        touch("model.safetensors");
        index("model.safetensors.index.json", "model.safetensors");
        assertThat(found()).hasToString("model.safetensors.index.json");
    }

    @Test
    void doesNotChooseBetweenAnIndexAndAModel() {
        touch("model.safetensors", "s1.safetensors");
        index("model.safetensors.index.json", "s1.safetensors");
        refused("holds both model.safetensors and model.safetensors.index.json", "name the one of the two to use");
    }

    @Test
    void doesNotChooseBetweenIndexes() {
        index("a.safetensors.index.json", "s1.safetensors");
        index("b.safetensors.index.json", "s1.safetensors");
        refused("several indexes: a.safetensors.index.json, b.safetensors.index.json; name the one to use");
    }

    @Test
    void doesNotChooseBetweenFiles() {
        touch("b.safetensors", "a.safetensors");
        refused("holds 2 .safetensors files and no index", "a.safetensors, b.safetensors; name the one to use");
    }

    @Test
    void saysWhatItFoundInstead() {
        refused("holds no .safetensors file, found nothing at all");
        touch("pytorch_model.bin", "config.json");
        refused("found config.json, pytorch_model.bin; convert the PyTorch files");
    }

    @Test
    void saysThatThereIsNothing() {
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> Checkpoint.open(folder.resolve("absent")))
                .withMessage(folder.resolve("absent") + ": there is no such file or folder; check the path");
    }

    @Test
    void theFolderOfAFileCountsIfItHasAConfiguration() throws IOException {
        touch("a.safetensors");
        assertThat(CheckpointLocation.find(folder.resolve("a.safetensors")).folder()).isEmpty();
        touch("config.json");
        assertThat(CheckpointLocation.find(folder.resolve("a.safetensors")).folder()).contains(folder);
        assertThat(CheckpointLocation.find(folder).folder()).contains(folder);
    }

    @Test
    void refusesWhatIsNoFile() throws IOException {
        Files.createDirectory(folder.resolve("model.safetensors"));
        assertThatExceptionOfType(CheckpointException.class).isThrownBy(() -> Checkpoint.open(folder))
                .withMessageContaining("not a regular file");
    }
}
