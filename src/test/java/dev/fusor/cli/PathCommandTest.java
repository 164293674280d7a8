package dev.fusor.cli;

import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Models;
import dev.fusor.testing.Tensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

class PathCommandTest {
    @TempDir
    private Path folder;

    private Path a;
    private Path m;
    private Path b;

    @BeforeEach
    void writeModels() throws IOException {
        a = Models.write(folder.resolve("it's a"), Map.of("x", Tensors.of(DType.F32, 0, 8, Double.POSITIVE_INFINITY)));
        m = Models.write(folder.resolve("m"), Map.of("x", Tensors.of(DType.F32, 16, 8, 1)));
        b = Models.write(folder.resolve("b"), Map.of("x", Tensors.of(DType.F32, 32, 0, 2)));
    }

    /** The heap of tests is larger than that of the launcher, and counts. */
    private CommandLineRun run(Object... arguments) {
        Object[] all = Arrays.copyOf(arguments, arguments.length + 4);
        System.arraycopy(new Object[]{"--max-memory", "4GB", "-o", folder.resolve("path")}, 0, all, arguments.length,
                4);
        return CommandLineRun.of(all);
    }

    private double[] point(int number) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(folder.resolve("path").resolve("point-00" + number))) {
            Tensor x = checkpoint.map("x");
            return new double[]{Elements.get(x, 0), Elements.get(x, 1), Elements.get(x, 2)};
        }
    }

    @Test
    void aLineGoesFromOneModelToTheOther() throws IOException {
        CommandLineRun run = run("path", a, b, "--points", 5);

        assertThat(run.status()).as(run.err()).isZero();
        assertThat(run.out().strip()).isEqualTo(folder.resolve("path/path.csv") + ": 5 checkpoints");
        assertThat(folder.resolve("path/path.csv")).hasContent("""
                t,checkpoint
                0.0,point-000
                0.25,point-001
                0.5,point-002
                0.75,point-003
                1.0,point-004
                """);
        assertThat(point(1)).containsExactly(8, 6, Double.POSITIVE_INFINITY);
        assertThat(point(3)).containsExactly(24, 2, Double.POSITIVE_INFINITY);
        assertThat(Models.bits(folder.resolve("path/point-000"))).usingRecursiveComparison().isEqualTo(Models.bits(a));
        assertThat(Models.bits(folder.resolve("path/point-004"))).usingRecursiveComparison().isEqualTo(Models.bits(b));
    }

    @Test
    void aPolygonGoesThroughTheModelsBetween() throws IOException {
        CommandLineRun run = run("path", a, b, "--via", m, "--points", 5);

        assertThat(run.status()).as(run.err()).isZero();
        assertThat(point(1)).containsExactly(8, 8, Double.POSITIVE_INFINITY);
        assertThat(point(2)).containsExactly(16, 8, 1);
        assertThat(point(3)).containsExactly(24, 4, 1.5);
    }

    @Test
    void aBezierCurveIsDrawnToTheModelBetween() throws IOException {
        CommandLineRun run = run("path", a, b, "--via", m, "--curve", "bezier", "--points", 3);

        assertThat(run.status()).as(run.err()).isZero();
        assertThat(point(1)).containsExactly(0.5 * 16 + 0.25 * 32, 0.25 * 8 + 0.5 * 8, Double.POSITIVE_INFINITY);
        assertThat(point(2)).containsExactly(32, 0, 2);
    }

    @Test
    void aModelThatComesTwiceHasTheSumOfItsWeights() throws IOException {
        CommandLineRun run = run("path", b, b, "--via", m, "--curve", "bezier", "--points", 3);

        assertThat(run.status()).as(run.err()).isZero();
        assertThat(point(1)).containsExactly(24, 4, 1.5);
    }

    @Test
    void whatExistsIsKeptUnlessToldOtherwise() throws IOException {
        run("path", a, b, "--points", 3);
        Map<String, Integer> before = Models.fingerprint(folder);
        CommandLineRun again = run("path", a, m, "--points", 2);

        assertThat(again.status()).isEqualTo(1);
        assertThat(again.err())
                .contains("the output exists and is not empty; name another folder, or replace it with --overwrite");
        assertThat(Models.fingerprint(folder)).isEqualTo(before);
        assertThat(run("path", a, m, "--points", 2, "--overwrite").status()).isZero();
        assertThat(point(1)).containsExactly(16, 8, 1);
        assertThat(folder.resolve("path").toFile().list()).containsExactlyInAnyOrder("path.csv", "point-000",
                "point-001");
    }

    @Test
    void pointsThatAreReadAreNotReplaced() throws IOException {
        run("path", a, b, "--points", 3);
        Map<String, Integer> before = Models.fingerprint(folder);
        CommandLineRun run = run("path", folder.resolve("path/point-001"), b, "--points", 2, "--overwrite");

        assertThat(run.status()).isEqualTo(1);
        assertThat(run.err()).contains("path would be replaced and the model",
                "point-001, which is read, lost with it");
        assertThat(Models.fingerprint(folder)).isEqualTo(before);
    }

    @Test
    void aFolderOfSomethingElseIsNotReplaced() throws IOException {
        Files.createDirectories(folder.resolve("path/point-000"));
        Map<String, Integer> before = Models.fingerprint(folder);
        CommandLineRun run = run("path", a, b, "--points", 2, "--overwrite");

        assertThat(run.status()).isEqualTo(1);
        assertThat(run.err()).contains("the output exists and holds no path.csv file, so it is not deleted even with"
                + " --overwrite; name another folder");
        assertThat(Models.fingerprint(folder)).isEqualTo(before);
    }

    /** The first point is model a alone, which is well; the second fails. */
    @Test
    void aPathThatFailsMidwayLeavesEverythingAsItWas() throws IOException {
        Path narrow = Models.write(folder.resolve("narrow"), Map.of("x", Tensors.of(DType.F32, 1, 2)));
        Map<String, Integer> nothing = Models.fingerprint(folder);
        assertThat(run("path", a, narrow, "--points", 3).status()).isEqualTo(2);
        assertThat(Models.fingerprint(folder)).isEqualTo(nothing);
        run("path", a, b, "--points", 3);
        Map<String, Integer> before = Models.fingerprint(folder);
        CommandLineRun broken = run("path", a, narrow, "--points", 3, "--overwrite");

        assertThat(broken.status()).isEqualTo(2);
        assertThat(broken.err()).contains("it has the shape [3]").contains("[2]");
        assertThat(Models.fingerprint(folder)).isEqualTo(before);
        assertThat(folder.toFile().list((parent, name) -> name.startsWith("."))).isEmpty();
    }

    @Test
    void badUsageIsSaidInOneSentence() {
        CommandLineRun one = run("path", a, b, "--points", 1);
        assertThat(one.status()).isEqualTo(2);
        assertThat(one.err()).contains("--points is 2 to 1000, got 1");
        assertThat(run("path", a, b, "--curve", "bezier").err())
                .contains("a Bezier curve of two models is the line between them; bend it with --via");
        assertThat(run("path", a, folder.resolve("none")).err()).contains("there is no model");
        assertThat(run("path", a, b, "--threads", 0).err()).contains("--threads is 1 or more, got 0");
        assertThat(folder.resolve("path/path.csv")).doesNotExist();
    }
}
