package dev.fusor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

/** A primitive is complete or absent: CONTRIBUTING.md has the list of its files. */
class PrimitiveHomesTest {
    private static final Path MAIN = Path.of("src/main/java/dev/fusor");
    private static final Path TABLE = Path.of("docs/primitives.md");
    private static final List<String> FAMILIES = List.of("arithmetic", "trim", "consensus", "drop", "reduce", "assign",
            "ensemble", "linalg");

    /** The primitives that there are, as {@code family/Name}, found by the names of their CPU twins. */
    private static List<String> primitives() throws IOException {
        List<String> primitives = new ArrayList<>();
        for (String family : FAMILIES) {
            if (Files.isDirectory(MAIN.resolve(family))) {
                try (Stream<Path> files = Files.list(MAIN.resolve(family))) {
                    files.map(file -> file.getFileName().toString()).filter(name -> name.endsWith("Cpu.java"))
                            .map(name -> family + "/" + name.substring(0, name.length() - "Cpu.java".length()))
                            .sorted().forEach(primitives::add);
                }
            }
        }
        return primitives;
    }

    @TestFactory
    Stream<DynamicTest> everyPrimitiveHasItsContractTestBenchmarkAndRow() throws IOException {
        String table = Files.readString(TABLE);
        return primitives().stream().map(primitive -> dynamicTest(primitive, () -> {
            assertThat(MAIN.resolve(primitive + ".java")).exists();
            assertThat(Path.of("src/test/java/dev/fusor", primitive + "Test.java")).exists();
            assertThat(Path.of("src/jmh/java/dev/fusor", primitive + "Benchmark.java")).exists();
            assertThat(table).contains("| [`" + primitive.replace('/', '.') + "`](");
        }));
    }

    @Test
    void everyRowOfTheTableIsAPrimitive() throws IOException {
        List<String> rows = Pattern.compile("(?m)^\\| \\[`([\\w.]+)`").matcher(Files.readString(TABLE)).results()
                .map((MatchResult row) -> row.group(1).replace('.', '/')).toList();

        assertThat(rows).containsExactlyInAnyOrderElementsOf(primitives());
    }
}
