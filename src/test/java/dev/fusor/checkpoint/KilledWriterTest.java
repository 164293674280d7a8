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

class KilledWriterTest {
    @TempDir
    Path folder;

    /** A process that writes one of two bytes over a checkpoint, says so and waits for its end. */
    static final class Writing {
        private Writing() {}

        public static void main(String[] arguments) throws Exception {
            start(Path.of(arguments[0]));
            System.out.println("written");
            Thread.sleep(60_000);
        }
    }

    private static CheckpointWriter start(Path output) throws IOException {
        List<Spec> specs = List.of(new Spec("a", DType.U8, Shape.of(2)));
        CheckpointWriter writer = CheckpointWriter.create(output, specs, 1, Map.of(), true);
        writer.write("a", 0, Arena.ofAuto().allocate(1));
        return writer;
    }

    private static void writeWhole(Path output) throws IOException {
        try (CheckpointWriter writer = start(output)) {
            writer.write("a", 1, Arena.ofAuto().allocate(1).fill((byte) 1));
            writer.commit();
        }
    }

    private List<String> names() throws IOException {
        try (var children = Files.list(folder)) {
            return children.map(child -> child.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void leavesTheOldCheckpointAndOneHiddenFolder() throws Exception {
        Path output = folder.resolve("out");
        writeWhole(output);
        Process process = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-cp",
                System.getProperty("java.class.path"), Writing.class.getName(), output.toString()).start();
        try {
            assertThat(process.inputReader().readLine()).isEqualTo("written");
        } finally {
            process.destroyForcibly().waitFor();
        }
        List<String> left = names();
        assertThat(left).hasSize(2).contains("out");
        assertThat(left.getFirst()).matches("\\.out\\.fusor-[0-9a-f]{16}");
        Checkpoint.open(output).close();

        writeWhole(output);
        assertThat(names()).as("another writer touches nothing but its own").isEqualTo(left);
    }
}
