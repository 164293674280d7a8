package dev.fusor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

class PackagesTest {
    private static final Path SOURCES = Path.of("src/main/java");

    private static List<String> inDescriptor(String directive) throws IOException {
        return Pattern.compile(directive + " ([\\w.]+)").matcher(Files.readString(SOURCES.resolve("module-info.java")))
                .results().map((MatchResult found) -> found.group(1)).toList();
    }

    @Test
    void everyExportedPackageSaysWhatItIs() throws IOException {
        assertThat(inDescriptor("exports")).isNotEmpty().allSatisfy(name -> {
            String text = Files.readString(SOURCES.resolve(name.replace('.', '/')).resolve("package-info.java"));
            assertThat(text).startsWith("/**").contains("package " + name + ";");
        });
    }

    @Test
    void everyPackageWithSourcesSaysWhatItIs() throws IOException {
        try (Stream<Path> files = Files.walk(SOURCES)) {
            assertThat(files.filter(file -> file.toString().endsWith(".java")).map(Path::getParent).distinct()
                    .filter(folder -> !folder.equals(SOURCES)))
                    .allSatisfy(folder -> assertThat(folder.resolve("package-info.java")).exists());
        }
    }

    @Test
    void vectorsAndTheCommandLineStayInside() throws IOException {
        assertThat(inDescriptor("exports")).doesNotContain("dev.fusor.simd", "dev.fusor.cli", "dev.fusor.bindings");
    }
}
