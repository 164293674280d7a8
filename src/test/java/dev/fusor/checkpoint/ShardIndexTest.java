package dev.fusor.checkpoint;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static dev.fusor.checkpoint.RawFile.entry;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

class ShardIndexTest {
    @TempDir
    Path folder;

    @BeforeEach
    void writeShards() {
        shard("s1.safetensors", "a", "one");
        shard("s2.safetensors", "b", "two");
    }

    private Path shard(String file, String tensor, String metadata) {
        return RawFile.write(folder.resolve(file),
                "{\"__metadata__\":{\"k\":\"" + metadata + "\"}," + entry(tensor, "U8", "[1]", 0, 1) + "}", 1);
    }

    private Path index(String text) {
        return RawFile.writeText(folder.resolve("model.safetensors.index.json"), text);
    }

    private void refused(String... fragments) {
        assertThatExceptionOfType(CheckpointException.class).isThrownBy(() -> Checkpoint.open(folder))
                .satisfies(e -> assertThat(e.getMessage()).startsWith(folder.toString()).contains(fragments));
    }

    @Test
    void readsShardsInNameOrder() throws IOException {
        Path index = index("{\"metadata\":{\"total_size\":7,\"x\":{\"y\":[1]}},"
                + "\"weight_map\":{\"b\":\"s2.safetensors\",\"a\":\"s1.safetensors\"}}");
        for (Path path : new Path[]{folder, index}) {
            try (Checkpoint checkpoint = Checkpoint.open(path)) {
                assertThat(checkpoint.files()).containsExactly(folder.resolve("s1.safetensors"),
                        folder.resolve("s2.safetensors"));
                assertThat(checkpoint.tensors().keySet()).containsExactly("a", "b");
                assertThat(checkpoint.indexedTotalSize()).hasValue(7);
                assertThat(checkpoint.index()).contains(index);
                assertThat(checkpoint.metadata()).containsEntry("k", "one");
                assertThat(checkpoint.metadata(checkpoint.files().getLast())).containsEntry("k", "two");
            }
        }
    }

    @Test
    void aWrongTotalSizeDoesNoHarm() throws IOException {
        index("{\"metadata\":{\"total_size\":-1.5e3},\"weight_map\":{\"a\":\"s1.safetensors\"}}");
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            assertThat(checkpoint.indexedTotalSize()).isEmpty();
        }
    }

    @Test
    void namesMissingShards() {
        index("{\"weight_map\":{\"a\":\"s1.safetensors\",\"c\":\"s3.safetensors\"}}");
        refused("1 of the 2 shards that the index names are missing: s3.safetensors; download them");
    }

    @Test
    void namesTensorsMissingFromTheirShard() {
        index("{\"weight_map\":{\"a\":\"s1.safetensors\",\"c\":\"s2.safetensors\",\"b\":\"s2.safetensors\"}}");
        refused("1 tensors are not in the shard", "the first is 'c', missing in s2.safetensors");
    }

    @Test
    void namesTensorsThatNoShardShouldHold() {
        RawFile.write(folder.resolve("s2.safetensors"),
                "{" + entry("a", "U8", "[0]", 0, 0) + "," + entry("b", "U8", "[0]", 0, 0) + ","
                        + entry("c", "U8", "[0]", 0, 0) + "}",
                0);
        index("{\"weight_map\":{\"a\":\"s1.safetensors\",\"b\":\"s2.safetensors\"}}");
        refused("2 tensors lie in shards", "a (in s2.safetensors, mapped to s1.safetensors)",
                "c (in s2.safetensors, mapped to no shard)");
    }

    @ParameterizedTest
    @ValueSource(strings = {"../s1.safetensors", "/s1.safetensors", "x/s1.safetensors", "x\\\\s1.safetensors", "..",
        ".",
        "", "s1\\u0000"})
    void refusesFilesThatDoNotLieBesideTheIndex(String file) {
        index("{\"weight_map\":{\"a\":\"" + file + "\"}}");
        refused("maps tensor 'a' to '", "wanted the plain name of a file beside the index");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "[]", "{}", "{\"weight_map\":{}}", "{\"weight_map\":[]}", "{\"weight_map\":{\"a\":1}}",
        "{\"weight_map\":{\"a\":\"s1.safetensors\",\"a\":\"s1.safetensors\"}}", "{\"weight_map\":{\"a\":\"s"})
    void refusesAnIndexThatIsNotOne(String text) {
        index(text);
        refused("the index ");
    }

    @Test
    void followsLinksToFilesElsewhere() throws IOException {
        Path snapshot = Files.createDirectory(folder.resolve("snapshot"));
        index("{\"weight_map\":{\"a\":\"s1.safetensors\"}}");
        for (String name : new String[]{"model.safetensors.index.json", "s1.safetensors"}) {
            Files.createSymbolicLink(snapshot.resolve(name), Path.of("..", name));
        }
        try (Checkpoint checkpoint = Checkpoint.open(snapshot)) {
            assertThat(checkpoint.files()).containsExactly(snapshot.resolve("s1.safetensors"));
        }
    }
}
