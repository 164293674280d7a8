package dev.fusor.cli;

import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

/** The example in examples/alignment does what it says, to the last bit. */
class AlignmentExampleTest {
    private static final Path EXAMPLE = Path.of("examples/alignment");

    @TempDir
    private Path folder;

    private Method main() throws Exception {
        int status = ToolProvider.getSystemJavaCompiler().run(null, null, null, "-d", folder.toString(), "-cp",
                System.getProperty("java.class.path"), EXAMPLE.resolve("DrawnShapes.java").toString());
        assertThat(status).isZero();
        URLClassLoader loader = new URLClassLoader(new URL[]{folder.toUri().toURL()});
        return loader.loadClass("DrawnShapes").getMethod("main", String[].class);
    }

    private static void call(Method main, Object... arguments) {
        try {
            main.invoke(null, (Object) Stream.of(arguments).map(Object::toString).toArray(String[]::new));
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void run(Object... arguments) {
        Object[] all = Arrays.copyOf(arguments, arguments.length + 2);
        all[arguments.length] = "--max-memory";
        all[arguments.length + 1] = "4GB";
        CommandLineRun run = CommandLineRun.of(all);
        assertThat(run.status()).as(run.err()).isZero();
    }

    @SuppressWarnings("unchecked")
    private static double barrier(Path table, int loss) {
        List<Map<String, Object>> losses = (List<Map<String, Object>>) CommandLineRun.of("barrier", table, "--json")
                .json()
                .get("losses");
        return (double) losses.get(loss).get("barrier");
    }

    @Test
    void alignmentTakesMoreThanFourFifthsOfTheBarrierAway() throws Exception {
        Method main = main();
        Path a = folder.resolve("a");
        Path b = folder.resolve("b");
        Path aligned = folder.resolve("aligned");
        Path table = folder.resolve("losses.csv");
        CompletableFuture<Void> first = CompletableFuture.runAsync(() -> call(main, "train", 1, a));
        call(main, "train", 2, b);
        first.join();
        run("align", a, b, "-o", aligned);
        run("path", a, b, "-o", folder.resolve("before"));
        run("path", a, aligned, "-o", folder.resolve("after"));
        call(main, "measure", table, "before", folder.resolve("before"), "after", folder.resolve("after"));

        assertThat(table).hasSameTextualContentAs(EXAMPLE.resolve("losses.csv"));
        assertThat(barrier(table, 1)).isLessThan(0.2 * barrier(table, 0));
        CommandLineRun.of("barrier", table, "-o", folder.resolve("barrier.svg"));
        assertThat(folder.resolve("barrier.svg")).hasSameTextualContentAs(EXAMPLE.resolve("barrier.svg"));
    }
}
