package dev.fusor.cli;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Models;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

class SpecCommandTest {
    @TempDir
    private Path folder;

    private Path model;

    @BeforeEach
    void writeModel() throws IOException {
        model = Models.write(folder.resolve("model"), Map.of("fc1.weight", zeros(4, 3), "fc1.bias", zeros(4),
                "fc2.weight", zeros(2, 4)));
    }

    private static Tensor zeros(long... extents) {
        return Tensor.allocate(Arena.ofAuto(), DType.F32, extents);
    }

    @Test
    void aSpecIsWrittenThatTheSameCommandTakes() throws IOException {
        CommandLineRun written = CommandLineRun.of("spec", model);
        Path spec = Files.writeString(folder.resolve("s.yml"), written.out());
        CommandLineRun read = CommandLineRun.of("spec", model, spec);

        assertThat(written.out()).isEqualTo("""
                # the sequence fc1, fc2
                groups:
                  fc1: 4
                tensors:
                  fc1.weight: [fc1, ~]
                  fc1.bias: [fc1]
                  fc2.weight: [~, fc1]
                """);
        assertThat(read.status()).isZero();
        assertThat(read.lines()).containsExactly("group  units  occurrences", "fc1        4            3",
                "1 groups in 3 of 3 tensors");
    }

    @Test
    void programsGetEveryOccurrence() {
        Map<String, Object> json = CommandLineRun.of("spec", model, "--json").json();

        assertThat(json).isEqualTo(Map.of("groups", List.of(Map.of("name", "fc1", "units", 4, "occurrences",
                List.of(occurrence("fc1.weight", 0), occurrence("fc1.bias", 0), occurrence("fc2.weight", 1))))));
    }

    private static Map<String, Object> occurrence(String tensor, int axis) {
        return Map.of("tensor", tensor, "axis", axis, "start", 0, "block", 1);
    }

    @Test
    void aSpecThatDoesNotFitIsBadUsage() throws IOException {
        Path spec = Files.writeString(folder.resolve("s.yml"), "groups: {g: 3}\ntensors: {fc1.weight: [g, ~]}\n");
        CommandLineRun run = CommandLineRun.of("spec", model, spec);

        assertThat(run.status()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        assertThat(run.err().strip()).isEqualTo("fusor: " + spec
                + ":2:11: tensor 'fc1.weight', axis 0 of [4, 3]: the 3 units of group 'g' cannot share out 4 entries evenly");
    }

    @Test
    void aNetworkThatIsNotKnownIsSaidToBe() throws IOException {
        Path other = Models.write(folder.resolve("other"), Map.of("x", zeros(4)));
        CommandLineRun run = CommandLineRun.of("spec", other);

        assertThat(run.status()).isEqualTo(2);
        assertThat(run.err()).startsWith("fusor: " + other + ": no spec can be made of these tensors");
    }

    @Test
    void theConfigurationTellsTheHeads() throws IOException {
        Path decoder = Models.write(folder.resolve("decoder"), Map.of("h.0.attn.c_attn.weight", zeros(4, 12),
                "h.0.mlp.c_fc.weight", zeros(4, 8)));
        CommandLineRun without = CommandLineRun.of("spec", decoder);
        Files.writeString(decoder.resolve("config.json"), "{\"n_head\": 2, \"nested\": {\"n_head\": 3}}");
        CommandLineRun with = CommandLineRun.of("spec", decoder);

        assertThat(without.status()).isEqualTo(2);
        assertThat(without.err()).contains("needs a config.json that gives n_head");
        assertThat(with.out()).contains("ranges:\n  i: [0, 1]\n").contains("heads.<i>: 2\n")
                .contains("h.<i>.attn.c_attn.weight: [stream, [heads.<i>, heads.<i>, heads.<i>]]\n");
    }
}
