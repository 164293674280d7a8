package dev.fusor.cli;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

import static org.assertj.core.api.Assertions.assertThat;

class BarrierCommandTest {
    private static final String TABLE = """
            t,checkpoint,before <&>,after
            0.5,p1,3,1.25

            1,p2,2,2
            0,p0,1,1
            """;

    @TempDir
    private Path folder;

    private CommandLineRun run(String table, Object... options) throws IOException {
        Path file = Files.writeString(folder.resolve("path.csv"), table);
        Object[] arguments = Stream.concat(Stream.of("barrier", file), Stream.of(options)).toArray();
        return CommandLineRun.of(arguments);
    }

    @Test
    void aBarrierIsTheHeightAboveTheLineBetweenTheEnds() throws IOException {
        assertThat(run(TABLE, "--json").json()).isEqualTo(Map.of("losses",
                List.of(Map.of("name", "before <&>", "barrier", 1.5, "at", 0.5, "start", 1.0, "end", 2.0),
                        Map.of("name", "after", "barrier", 0.0, "at", 0.0, "start", 1.0, "end", 2.0))));
        assertThat(run(TABLE).lines()).containsExactly("loss        barrier      at t     at 0     at 1",
                "before <&>  1.50000  0.500000  1.00000  2.00000", "after       0.00000   0.00000  1.00000  2.00000");
    }

    private static Element drawn(String svg) throws Exception {
        return DocumentBuilderFactory.newInstance().newDocumentBuilder()
                .parse(new ByteArrayInputStream(svg.getBytes(StandardCharsets.UTF_8))).getDocumentElement();
    }

    /** The y of each point of a curve. */
    private static List<Double> heights(Element svg, int curve) {
        NodeList curves = svg.getElementsByTagName("polyline");
        return Stream.of(((Element) curves.item(curve)).getAttribute("points").split(" "))
                .map(point -> Double.valueOf(point.split(",")[1])).toList();
    }

    @Test
    void thePlotHasACurveForEachLoss() throws Exception {
        run(TABLE, "-o", folder.resolve("plot.svg"));
        Element svg = drawn(Files.readString(folder.resolve("plot.svg")));

        assertThat(svg.getElementsByTagName("polyline").getLength()).isEqualTo(2);
        assertThat(svg.getTextContent()).contains("before <&>, barrier 1.5").contains("after, barrier 0");
        // Larger losses are higher up, and the picture is used: 3 is at the top, 1 at the bottom.
        List<Double> before = heights(svg, 0);
        assertThat(before.get(1)).isLessThan(before.get(2)).isBetween(20.0, 120.0);
        assertThat(before.get(2)).isLessThan(before.get(0));
        assertThat(before.get(0)).isEqualTo(heights(svg, 1).get(0)).isBetween(250.0, 350.0);
    }

    @Test
    void anyLossesStayInThePicture() throws Exception {
        for (String losses : List.of("0 0 0", "1e-300 1e-300 1e-300", "-7 -7 -7.000001", "1e300 -1e300 0",
                "1e9 1e9 1000000001",
                "0 1 0.9999", "4e-9 0 0")) {
            String[] values = losses.split(" ");
            run("t\tloss\n0\t%s\n0.5\t%s\n1\t%s\n".formatted((Object[]) values), "-o", folder.resolve("plot.svg"),
                    "--overwrite");
            Element svg = drawn(Files.readString(folder.resolve("plot.svg")));
            assertThat(heights(svg, 0)).as(losses).allSatisfy(y -> assertThat(y).isBetween(19.9, 350.1));
        }
    }

    @Test
    void aPlotIsNotWrittenUnderTheNameOfAnotherFormat() throws IOException {
        CommandLineRun run = run(TABLE, "-o", folder.resolve("plot.png"));

        assertThat(run.status()).isEqualTo(2);
        assertThat(run.err()).contains("--output is an SVG image, wanted a name that ends in .svg, got", "plot.png");
        assertThat(folder.resolve("plot.png")).doesNotExist();
    }

    @Test
    void aPlotIsNotReplacedUnlessToldTo() throws IOException {
        Path plot = Files.writeString(folder.resolve("plot.svg"), "mine");
        CommandLineRun run = run(TABLE, "-o", plot);

        assertThat(run.status()).isEqualTo(1);
        assertThat(run.err()).contains("exists; give another name");
        assertThat(plot).hasContent("mine");
    }

    static Stream<Arguments> mistakes() {
        return Stream.of(
                Arguments.of("", ": a table has a heading and rows, and this one is empty"),
                Arguments.of("t,checkpoint\n0,a\n1,b\n",
                        ":1: wanted a heading with one column t and different names of losses, got t, checkpoint"),
                Arguments.of("x,loss\n",
                        ":1: wanted a heading with one column t and different names of losses, got x, loss"),
                Arguments.of("t,l,l\n",
                        ":1: wanted a heading with one column t and different names of losses, got t, l, l"),
                Arguments.of("t,l\n0,1\n1\n", ":3: wanted 2 columns, got 1"),
                Arguments.of("t,l\n0,1\n1,much\n", ":3: l: wanted a number of at most 1e300, got 'much'"),
                Arguments.of("t,l\n0,\n1,2\n", ":2: l: wanted a number of at most 1e300, got ''"),
                Arguments.of("t,l\n0,NaN\n1,2\n", ":2: l: wanted a number of at most 1e300, got 'NaN'"),
                Arguments.of("t,l\n0,-1.1e300\n1,2\n", ":2: l: wanted a number of at most 1e300, got '-1.1e300'"),
                Arguments.of("t,l\n0,1\n1.5,2\n", ":3: t is 0 to 1, got 1.5"),
                Arguments.of("t,l\n0,1\n0.5,2\n", ": a path has rows of t = 0 and t = 1; add their losses"),
                Arguments.of("t,l\n0,1\n0,3\n1,2\n", ": two rows have t = 0.0"));
    }

    @ParameterizedTest
    @MethodSource("mistakes")
    void everyMistakeIsSaid(String table, String message) throws IOException {
        CommandLineRun run = run(table, "-o", folder.resolve("plot.svg"));

        assertThat(run.err().strip()).isEqualTo("fusor: " + folder.resolve("path.csv") + message);
        assertThat(run.status()).isEqualTo(1);
        assertThat(folder.resolve("plot.svg")).doesNotExist();
    }
}
