package dev.fusor.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

/** The checkpoints in examples/. */
class ExamplesCommandTest {
    private static final Path EXAMPLES = Path.of("examples");

    @TempDir
    private Path folder;

    private static List<Path> filesBelow(Path root) throws IOException {
        try (Stream<Path> files = Files.walk(root)) {
            return files.filter(Files::isRegularFile).map(root::relativize).sorted().toList();
        }
    }

    @Test
    void writingTheModelsAgainGivesTheSameBytes() throws IOException {
        CommandLineRun run = CommandLineRun.of("examples", folder.resolve("models"));

        assertThat(run.status()).isZero();
        assertThat(filesBelow(folder.resolve("models"))).isEqualTo(filesBelow(EXAMPLES.resolve("models")));
        for (Path file : filesBelow(folder.resolve("models"))) {
            assertThat(folder.resolve("models").resolve(file)).hasSameBinaryContentAs(
                    EXAMPLES.resolve("models").resolve(file));
        }
    }

    @Test
    void whatIsThereIsNotReplacedUnasked() throws IOException {
        CommandLineRun.of("examples", folder);
        CommandLineRun again = CommandLineRun.of("examples", folder);

        assertThat(again.status()).isEqualTo(1);
        assertThat(again.err()).startsWith("fusor: ").hasLineCount(1);
        assertThat(CommandLineRun.of("examples", folder, "--overwrite").status()).isZero();
    }
}
