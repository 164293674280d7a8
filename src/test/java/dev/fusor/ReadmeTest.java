package dev.fusor;

import dev.fusor.arithmetic.WeightedSum;
import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.device.CpuDevice;
import dev.fusor.method.MergeMethod;
import dev.fusor.method.MergeMethods;
import dev.fusor.method.Parameter;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/** What the README shows is what there is. */
class ReadmeTest {
    private static final Path README = Path.of("README.md");
    private static final Path THIS = Path.of("src/test/java/dev/fusor/ReadmeTest.java");

    @Test
    void theJavaExampleMerges() throws IOException {
        try (Checkpoint a = Checkpoint.open(Path.of("examples/models/code"));
                Checkpoint b = Checkpoint.open(Path.of("examples/models/maths"));
                CpuDevice device = CpuDevice.open();
                Arena arena = Arena.ofShared()) {
            Tensor x = a.map("model.norm.weight");
            Tensor y = b.map("model.norm.weight");
            Tensor mean = Tensor.allocate(arena, DType.F32, x.elements());
            WeightedSum.on(device).sum(List.of(x, y), new double[]{0.5, 0.5}, 1, mean);

            for (long i = 0; i < mean.elements(); i++) {
                assertThat(Elements.get(mean, i)).isEqualTo((Elements.get(x, i) + Elements.get(y, i)) / 2);
            }
        }
    }

    @Test
    void theJavaExampleIsTheOneAbove() throws IOException {
        Matcher block = Pattern.compile("(?s)```java\n(.*?)}\n```").matcher(Files.readString(README));

        assertThat(block.find()).isTrue();
        assertThat(Files.readString(THIS).replaceAll("\\s+", " ")).contains(block.group(1).strip().replaceAll("\\s+",
                " "));
    }

    @Test
    void everyMethodHasItsRowWithItsParameters() throws IOException {
        String readme = Files.readString(README);

        assertThat(MergeMethods.all()).allSatisfy(method -> {
            Matcher row = Pattern.compile("(?m)^\\| `" + method.name() + "` \\|.*\\| (.*) \\|$").matcher(readme);
            assertThat(row.find()).isTrue();
            assertThat(Pattern.compile("`(\\w+)`").matcher(row.group(1)).results()
                    .map((MatchResult name) -> name.group(1)))
                    .containsExactlyInAnyOrder(names(method));
        });
    }

    @Test
    void everyCommandHasItsLine() throws IOException {
        assertThat(Files.readString(README)).contains("\nfusor merge ", "\nfusor inspect ", "\nfusor diff ",
                "\nfusor ensemble ",
                "\nfusor doctor ", "\nfusor examples ");
    }

    private static String[] names(MergeMethod method) {
        return method.parameters().stream().map(Parameter::name).toArray(String[]::new);
    }

    @Test
    void everyLinkInTheDocumentsLeadsSomewhere() throws IOException {
        for (Path document : List.of(README, Path.of("CONTRIBUTING.md"), Path.of("docs/primitives.md"),
                Path.of("docs/mergekit-compatibility.md"))) {
            Matcher link = Pattern.compile("]\\((?!https?:)([^)#]+)").matcher(Files.readString(document));
            while (link.find()) {
                assertThat(document.toAbsolutePath().resolveSibling(link.group(1))).exists();
            }
        }
    }
}
