package dev.fusor.simulator;

import dev.fusor.bindings.cuda.LibCuda;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import static org.assertj.core.api.Assertions.assertThat;

/** What holds for every function that the bindings can call, and for the symbols of the library. */
@RequiresSimulator
class ApiSurfaceTest {
    private static final Path DRIVER = Path.of("native/simulator/driver");
    /** They only name results, so nothing about them can fail. */
    private static final Set<String> NAMING = Set.of("cuGetErrorName", "cuGetErrorString");
    private static final Set<String> BEFORE_INITIALISATION = Set.of("cuInit", "cuDriverGetVersion",
            "cuGetProcAddress_v2");

    /** They are declared beside cuda.h, where jextract does not look. */
    private static final Set<String> NOT_IN_THE_BINDINGS = Set.of("cuProfilerStart", "cuProfilerStop");

    static List<String> functions() throws IOException {
        return words(Path.of("bindings/include.txt"), "--include-function (\\w+)").stream().toList();
    }

    static List<String> callable() throws IOException {
        return functions().stream().filter(function -> !NOT_IN_THE_BINDINGS.contains(function)).toList();
    }

    private static Set<String> words(Path file, String pattern) throws IOException {
        Matcher matcher = Pattern.compile(pattern).matcher(Files.readString(file));
        return matcher.results().map(result -> result.group(1)).collect(Collectors.toCollection(TreeSet::new));
    }

    /** Calls a function with zeros. */
    private static int call(String function) throws IllegalAccessException, InvocationTargetException {
        Method method = Arrays.stream(LibCuda.class.getMethods())
                .filter(each -> each.getName().equals(function) && each.getReturnType() == int.class).findFirst()
                .orElseThrow();
        Object[] zeros = Arrays.stream(method.getParameterTypes()).map(ApiSurfaceTest::zero).toArray();
        return (int) method.invoke(null, zeros);
    }

    private static Object zero(Class<?> type) {
        if (type == MemorySegment.class) {
            return MemorySegment.NULL;
        }
        return switch (type.getName()) {
            case "int" -> 0;
            case "long" -> 0L;
            case "short" -> (short) 0;
            case "byte" -> (byte) 0;
            default -> throw new IllegalArgumentException(type.getName());
        };
    }

    @ParameterizedTest
    @MethodSource("callable")
    void everyFunctionIsCountedAndFailsWhenTold(String function) throws Exception {
        int planned = LibCuda.CUDA_ERROR_ECC_UNCORRECTABLE();
        Simulator.fault(function, 1, planned);
        if (NAMING.contains(function)) {
            assertThat(call(function)).isNotEqualTo(planned);
            return;
        }
        assertThat(call(function)).isEqualTo(planned);
        assertThat(Simulator.calls(function)).isOne();
        if (!BEFORE_INITIALISATION.contains(function)) {
            assertThat(call(function)).isEqualTo(LibCuda.CUDA_ERROR_NOT_INITIALIZED());
        }
    }

    @ParameterizedTest
    @MethodSource("callable")
    void everyFunctionAnswersZerosWithAResult(String function) throws Exception {
        try (Cuda cuda = new Cuda()) {
            assertThat(Cuda.name(call(function))).startsWith("CUDA_");
            cuda.recover();
        }
    }

    @Test
    void theLibraryExportsTheDriverApiAndWhatTestsAskAndNothingElseInC() throws Exception {
        Set<String> wanted = new TreeSet<>(functions());
        wanted.addAll(words(DRIVER.resolve("unsupported.inc"), "\\((cu\\w+)\\)"));
        wanted.addAll(words(DRIVER.resolve("older.cpp"), "FUSOR_SIM_API (cu\\w+)\\("));
        wanted.addAll(words(DRIVER.resolve("control.h"), "(fusor_sim_\\w+)\\("));
        Process nm = new ProcessBuilder("nm", "-D", "--defined-only", NativeBuild.library().toString()).start();
        String symbols = new String(nm.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(nm.waitFor()).isZero();
        // Names of C++ are the runtime, which the translated modules call.
        Set<String> exported = symbols.lines().map(line -> line.substring(line.lastIndexOf(' ') + 1))
                .filter(symbol -> !symbol.startsWith("_Z")).collect(Collectors.toCollection(TreeSet::new));
        assertThat(exported).isEqualTo(wanted);
    }

    @Test
    void theSimulatorDeclaresWhatTheBindingsCall() throws IOException {
        assertThat(words(DRIVER.resolve("functions.inc"), "FUSOR_SIM_FUNCTION\\((cu\\w+),"))
                .isEqualTo(new TreeSet<>(functions()));
        assertThat(words(DRIVER.resolve("results.inc"), "FUSOR_SIM_RESULT\\((CUDA_ERROR_\\w+),"))
                .containsAll(words(Path.of("bindings/include.txt"), "--include-constant (CUDA_ERROR_\\w+)"));
    }
}
