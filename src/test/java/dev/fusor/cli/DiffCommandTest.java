package dev.fusor.cli;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Models;
import dev.fusor.testing.Tensors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

class DiffCommandTest {
    private static final double NAN = Double.NaN;

    @TempDir
    private Path folder;

    private CommandLineRun diff(Map<String, Tensor> a, Map<String, Tensor> b, Object... options) throws IOException {
        Path pathA = Models.write(folder.resolve("a"), a);
        Path pathB = Models.write(folder.resolve("b"), b);
        return options.length == 0
                ? CommandLineRun.of("diff", pathA, pathB)
                : CommandLineRun.of("diff", options[0], pathA, pathB);
    }

    private static Tensor bytes(DType type, int... values) {
        Tensor tensor = Tensor.allocate(Arena.ofAuto(), type, 8L * values.length / type.bits());
        for (int i = 0; i < values.length; i++) {
            tensor.data().set(ValueLayout.JAVA_BYTE, i, (byte) values[i]);
        }
        return tensor;
    }

    @Test
    void theSameTensorsAreTheSameHoweverTheyAreSharded() throws IOException {
        Map<String, Tensor> tensors = Map.of("x", Tensors.of(DType.F32, 1, NAN), "y", Tensors.of(DType.BF16, 3));
        CommandLineRun run = CommandLineRun.of("diff", Models.write(folder.resolve("a"), tensors),
                Models.write(folder.resolve("b"), tensors, 8));

        assertThat(run.status()).isZero();
        assertThat(run.out()).isEqualTo("the same: 2 tensors are equal, 0 differ, 0 only in A, 0 only in B\n");
        assertThat(run.err()).isEmpty();
    }

    @Test
    void changedNumbersAreMeasured() throws IOException {
        CommandLineRun run = diff(Map.of("x", Tensors.of(DType.F32, 3, 4, 0, 1)),
                Map.of("x", Tensors.of(DType.F32, 3, 0, 0, 1)));

        assertThat(run.status()).isEqualTo(1);
        // Distances 0 4 0 0; products 9 0 0 1; squares 26 and 10.
        assertThat(run.lines().get(1)).matches(
                "x +F32 +\\[4] +1 +25.00 % +4.000e\\+00 +2.000e\\+00 +0.62017367");
        assertThat(run.lines().getLast()).isEqualTo(
                "different: 0 tensors are equal, 1 differ, 0 only in A, 0 only in B");
    }

    @Test
    void jsonHasTheSameContent() throws IOException {
        Map<String, Object> json = diff(Map.of("x", Tensors.of(DType.F32, 3, 4), "a", Tensors.of(DType.F16, 1)),
                Map.of("x", Tensors.of(DType.F32, 3, 0), "b", Tensors.of(DType.F16, 1)), "--json").json();

        assertThat(json).containsEntry("same", false).containsEntry("data_compared", true).containsEntry("equal", 0)
                .containsEntry("only_in_a", List.of(Map.of("name", "a", "dtype", "F16", "shape", List.of(1))))
                .containsEntry("only_in_b", List.of(Map.of("name", "b", "dtype", "F16", "shape", List.of(1))));
        assertThat(((List<?>) json.get("different")).getFirst()).hasToString(
                "{name=x, dtype_a=F32, dtype_b=F32, shape_a=[2], shape_b=[2], changed=1, max_abs=4.0, rms=2.8284271247461903, cosine=0.6, not_finite=0}");
    }

    @Test
    void tensorsThatOnlyOneHasAreListed() throws IOException {
        CommandLineRun run = diff(Map.of("x", Tensors.of(DType.F32, 1), "same", Tensors.of(DType.F32, 1)),
                Map.of("y", Tensors.of(DType.F16, 1, 2), "same", Tensors.of(DType.F32, 1)));

        assertThat(run.status()).isEqualTo(1);
        assertThat(run.out()).isEqualTo("""
                only in  name  dtype  shape
                A        x     F32    [1]
                B        y     F16    [2]
                different: 1 tensors are equal, 0 differ, 1 only in A, 1 only in B
                """);
    }

    @Test
    void anotherShapeIsADifferenceWithoutNumbers() throws IOException {
        CommandLineRun run = diff(Map.of("x", Tensors.of(DType.F32, 1, 2)), Map.of("x", Tensors.of(DType.F32, 1)));

        assertThat(run.status()).isEqualTo(1);
        assertThat(run.lines().get(1)).matches("x +F32 +\\[2] -> \\[1] +- +- +- +- +-");
    }

    @Test
    void anotherTypeIsADifferenceEvenOfTheSameNumbers() throws IOException {
        CommandLineRun run = diff(Map.of("x", Tensors.of(DType.F32, 1, 0.5)),
                Map.of("x", Tensors.of(DType.BF16, 1, 0.5)));

        assertThat(run.status()).isEqualTo(1);
        assertThat(run.lines().get(1)).matches(
                "x +F32 -> BF16 +\\[2] +0 +0.00 % +0.000e\\+00 +0.000e\\+00 +1.00000000");
    }

    @Test
    void numbersThatAreNotFiniteChangeButHaveNoDistance() throws IOException {
        CommandLineRun run = diff(Map.of("x", Tensors.of(DType.F32, NAN, NAN, Double.POSITIVE_INFINITY, 2, 0.0)),
                Map.of("x", Tensors.of(DType.F32, NAN, 1, Double.NEGATIVE_INFINITY, 2, -0.0)), "--json");

        assertThat(run.out()).contains("\"changed\" : 3", "\"max_abs\" : 0.0", "\"cosine\" : 1.0",
                "\"not_finite\" : 3");
    }

    @Test
    void aZeroTensorHasNoCosine() throws IOException {
        CommandLineRun run = diff(Map.of("x", Tensors.of(DType.F32, 0)), Map.of("x", Tensors.of(DType.F32, 2)),
                "--json");

        assertThat(run.out()).contains("\"rms\" : 2.0", "\"cosine\" : null");
    }

    @Test
    void integersAreCountedAndPackedTypesAreOnlyCompared() throws IOException {
        CommandLineRun run = diff(Map.of("i", bytes(DType.I16, 1, 2, 3, 4, 5, 6), "p", bytes(DType.F4, 1, 2)),
                Map.of("i", bytes(DType.I16, 1, 2, 9, 9, 5, 7), "p", bytes(DType.F4, 1, 3)));

        assertThat(run.out()).containsPattern("i +I16 +\\[3] +2 +66.67 % +- +- +-")
                .containsPattern("p +F4 +\\[4] +- +- +- +- +-");
    }

    @Test
    void headersAloneDoNotSeeTheData() throws IOException {
        CommandLineRun run = diff(Map.of("x", Tensors.of(DType.F32, 1), "y", Tensors.of(DType.F32, 1)),
                Map.of("x", Tensors.of(DType.F32, 2), "y", Tensors.of(DType.F16, 1)), "--headers");

        assertThat(run.status()).isEqualTo(1);
        assertThat(run.out()).isEqualTo("""
                name  dtype       shape
                y     F32 -> F16  [1]
                different: 1 tensors match, 1 differ, 0 only in A, 0 only in B
                """);
    }

    @Test
    void troubleIsTwoAsInDiffAndCmp() {
        CommandLineRun run = CommandLineRun.of("diff", folder.resolve("x"), folder.resolve("y"));

        assertThat(run.status()).isEqualTo(2);
        assertThat(run.err()).startsWith("fusor: " + folder.resolve("x")).hasLineCount(1);
    }
}
