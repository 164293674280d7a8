package dev.fusor.simulator.ptx;

import dev.fusor.simulator.NativeBuild;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/**
 * Translates PTX, builds it with g++ and runs its entries on the simulator's runtime, with no driver between. What was built is kept in
 * {@code target} by the hash of all that went into it.
 */
final class ModuleRunner {
    private static final Path SOURCES = Path.of("native", "simulator").toAbsolutePath();
    private static final Path FOLDER = Path.of("target", "simulator", "check").toAbsolutePath();
    private static final List<String> FLAGS = List.of("-std=c++20", "-O1", "-ffp-contract=off", "-fPIC", "-shared",
            "-pthread",
            "-I" + SOURCES.resolve("runtime"), "-x", "c++", "-", "-x", "none");
    private static final int REPORT = 4096;
    private static MethodHandle run;
    private static Path runtime;

    /** What a launch came to: the number of a FaultKind of launch.h, 0 for none, and the report. */
    record Result(int fault, String report) {}

    private ModuleRunner() {}

    /** Skips the test that calls it where the simulator cannot be built. */
    static void require() {
        Assumptions.assumeTrue(NativeBuild.missing().isEmpty(), () -> NativeBuild.missing().orElseThrow());
    }

    /** The shared object of a module. Where there is a ptxas, it has to take the text too: what is no PTX would prove nothing. */
    static Path build(String ptx, String name) {
        String code = Translator.translate(ptx.getBytes(StandardCharsets.UTF_8), name).code();
        List<String> more = List.of(NativeBuild.library().toString());
        if (NativeBuild.onPath("ptxas").isPresent() && !Files.exists(target(code, more, name))) {
            String target = Parser.parse(ptx).target();
            execute(List.of("ptxas", "-arch=" + target, "-o", "/dev/null", "/dev/stdin"), ptx, name);
        }
        return compile(code, more, name);
    }

    private static synchronized Path runtime() {
        if (runtime == null) {
            // The runtime of the simulated driver: its windows of addresses are there once in a process.
            runtime = compile(read(SOURCES.resolve("check/run_entry.cpp")),
                    List.of(NativeBuild.library().toString(), "-ldl"), "run_entry");
        }
        return runtime;
    }

    private static Path target(String code, List<String> more, String name) {
        return FOLDER.resolve(name + "-" + hash(code + more) + ".so");
    }

    private static Path compile(String code, List<String> more, String name) {
        Path target = target(code, more, name);
        if (Files.exists(target)) {
            return target;
        }
        try {
            Files.createDirectories(FOLDER);
            Path draft = Files.createTempFile(FOLDER, name, ".draft");
            List<String> command = new ArrayList<>(List.of("g++"));
            command.addAll(FLAGS);
            command.addAll(more);
            command.addAll(List.of("-o", draft.toString()));
            execute(command, code, name);
            return Files.move(draft, target, StandardCopyOption.ATOMIC_MOVE); // another process may have built it too
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void execute(List<String> command, String input, String name) {
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            Thread writer = Thread.ofVirtual().start(() -> {
                try (OutputStream to = process.getOutputStream()) {
                    to.write(input.getBytes(StandardCharsets.UTF_8));
                } catch (IOException e) {
                    // The program ended before it read all, and says why.
                }
            });
            String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            writer.join();
            if (process.waitFor() != 0) {
                throw new AssertionError(
                        "%s refuses %s: %s".formatted(command.get(0), name, output.lines().limit(20).toList()));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    private static String hash(String code) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update((code + FLAGS).getBytes(StandardCharsets.UTF_8));
            files("runtime", ".h").forEach(file -> digest.update(read(file).getBytes(StandardCharsets.UTF_8)));
            files("runtime", ".cpp").forEach(file -> digest.update(read(file).getBytes(StandardCharsets.UTF_8)));
            return HexFormat.of().formatHex(digest.digest()).substring(0, 16);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private static List<Path> files(String folder, String ending) {
        try (Stream<Path> files = Files.walk(SOURCES.resolve(folder))) {
            return files.filter(file -> file.toString().endsWith(ending)).sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static synchronized MethodHandle handle() {
        if (run == null) {
            SymbolLookup library = SymbolLookup.libraryLookup(runtime(), Arena.global());
            run = Linker.nativeLinker().downcallHandle(library.findOrThrow("fusor_check_run"),
                    FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS,
                            ValueLayout.ADDRESS,
                            ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT,
                            ValueLayout.ADDRESS, ValueLayout.JAVA_LONG));
        }
        return run;
    }

    /** Runs an entry whose parameters are pointers to the buffers, which are copied there and back. */
    static Result run(Path module, String entry, Shape shape, int order, long[]... buffers) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment hosts = arena.allocate(8L * Math.max(1, buffers.length), 8);
            MemorySegment sizes = arena.allocate(8L * Math.max(1, buffers.length), 8);
            List<MemorySegment> segments = new ArrayList<>();
            for (int i = 0; i < buffers.length; i++) {
                segments.add(arena.allocate(8L * buffers[i].length, 16).copyFrom(MemorySegment.ofArray(buffers[i])));
                hosts.setAtIndex(ValueLayout.ADDRESS, i, segments.get(i));
                sizes.setAtIndex(ValueLayout.JAVA_LONG, i, 8L * buffers[i].length);
            }
            MemorySegment report = arena.allocate(REPORT);
            int fault = (int) handle().invokeExact(arena.allocateFrom(module.toString()), arena.allocateFrom(entry),
                    arena.allocateFrom(ValueLayout.JAVA_INT, shape.numbers()), buffers.length, hosts, sizes, order,
                    report,
                    (long) REPORT);
            for (int i = 0; i < buffers.length; i++) {
                MemorySegment.ofArray(buffers[i]).copyFrom(segments.get(i));
            }
            return new Result(fault, report.getString(0));
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    /** Blocks, threads of a block, blocks of a cluster, all along x, and dynamic shared memory. */
    record Shape(int grid, int block, int cluster, int dynamicShared) {
        static Shape of(int grid, int block) {
            return new Shape(grid, block, 1, 0);
        }

        int[] numbers() {
            return new int[]{grid, 1, 1, block, 1, 1, cluster, 1, 1, dynamicShared};
        }
    }
}
