package dev.fusor.simulator;

import dev.fusor.simulator.ptx.Translator;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;

/**
 * Builds the simulated CUDA driver and the modules it runs, into {@code target/simulator}. What was built of the same text
 * with the same options is taken as it is. The Maven build runs {@link #main} before the tests; tests call {@link #module}
 * for PTX of their own.
 */
public final class NativeBuild {
    /** How translated code, and the program that runs it, are built. */
    public enum Variant {
        /** For the simulated driver. */
        PLAIN("", "-O1"),
        /** For replays: every race is reported. */
        THREAD_SANITIZER("FUSOR_SIM_TSAN", "-O1", "-g1", "-fsanitize=thread"),
        /** For replays: a second opinion on addresses. */
        ADDRESS_SANITIZER("FUSOR_SIM_ASAN", "-O1", "-g1", "-fsanitize=address");

        private final String macro;
        private final List<String> flags;

        Variant(String macro, String... flags) {
            this.macro = macro;
            this.flags = List.of(flags);
        }
    }

    private static final Path SOURCES = Path.of("native/simulator").toAbsolutePath();
    /** Where everything is built. */
    static final Path FOLDER = Path.of("target/simulator").toAbsolutePath();
    private static final Path OWN_PTX = Path.of("src/test/resources/dev/fusor/simulator/kernels");
    private static final Path SHIPPED_PTX = Path.of("src/main/resources/dev/fusor/ptx");
    private static final List<String> COMMON = List.of("g++", "-std=c++20", "-fPIC", "-ffp-contract=off", "-Wall",
            "-Wextra");

    private NativeBuild() {}

    /**
     * Builds all that the tests need.
     *
     * @param arguments none
     */
    public static void main(String[] arguments) throws Exception {
        Optional<String> missing = missing();
        if (missing.isPresent()) {
            System.out.println("The simulated CUDA driver is not built, and its tests are skipped: " + missing.get());
            return;
        }
        try (ExecutorService threads = Executors.newFixedThreadPool(Runtime.getRuntime().availableProcessors())) {
            List<Future<?>> all = new ArrayList<>();
            library(threads);
            for (Variant variant : List.of(Variant.THREAD_SANITIZER, Variant.ADDRESS_SANITIZER)) {
                replay(variant, threads);
            }
            // Kernels without shared memory and barriers have little to tell a sanitizer, and take minutes to compile with one: tests build
            // what they replay.
            for (Path ptx : ptx(OWN_PTX, SHIPPED_PTX)) {
                all.add(threads
                        .submit(() -> module(Files.readAllBytes(ptx), ptx.getFileName().toString(), Variant.PLAIN)));
            }
            for (Future<?> one : all) {
                one.get();
            }
        }
    }

    /** The largest first: they take longest, and at the end no processor should wait for one of them. */
    private static List<Path> ptx(Path... roots) throws IOException {
        List<Path> all = new ArrayList<>();
        for (Path root : roots) {
            try (Stream<Path> files = Files.walk(root)) {
                all.addAll(files.filter(file -> file.toString().endsWith(".ptx")).toList());
            }
        }
        all.sort(Comparator.comparing((Path file) -> file.toFile().length()).reversed());
        return all;
    }

    /** {@return why the simulator cannot be built here, if it cannot} */
    public static Optional<String> missing() {
        if (!System.getProperty("os.name").equals("Linux")) {
            return Optional.of("it runs on Linux only");
        }
        return onPath("g++").isPresent() ? Optional.empty() : Optional.of("there is no g++ on the PATH");
    }

    /**
     * {@return where a program is}
     *
     * @param program its name
     */
    public static Optional<Path> onPath(String program) {
        return Stream.of(System.getenv("PATH").split(":")).map(folder -> Path.of(folder, program))
                .filter(Files::isExecutable).findFirst();
    }

    /** Where the driver's declarations are compared with those of {@code cuda.h}, if there is one. */
    private static Optional<Path> cudaInclude() {
        Stream<Path> fromEnvironment = Stream.of("CUDA_HOME", "CUDA_PATH").map(System::getenv)
                .filter(value -> value != null).map(Path::of);
        Stream<Path> fromCompiler = onPath("nvcc").stream().map(nvcc -> {
            try {
                return nvcc.toRealPath().getParent().getParent();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        return Stream.of(fromEnvironment, fromCompiler, Stream.of(Path.of("/usr/local/cuda"))).flatMap(roots -> roots)
                .map(root -> root.resolve("include")).filter(include -> Files.exists(include.resolve("cuda.h")))
                .findFirst();
    }

    private static void library(ExecutorService threads) throws Exception {
        List<String> runtime = List.of("-O2");
        List<String> driver = new ArrayList<>(List.of("-O2", "-fvisibility=hidden"));
        cudaInclude().ifPresent(include -> driver.add("-I" + include));
        List<Path> objects = new ArrayList<>(objects(sources("runtime"), "plain", runtime, threads));
        objects.addAll(objects(sources("driver"), "plain", driver, threads));
        link(objects, library(),
                List.of("-shared", "-Wl,-soname,libcuda.so.1", "-ldl", "-pthread"));
    }

    /** {@return the simulated driver} */
    public static Path library() {
        return FOLDER.resolve("libcuda.so.1");
    }

    /** The program that runs recorded launches under a sanitizer; the runtime in it is not instrumented. */
    private static void replay(Variant variant, ExecutorService threads) throws Exception {
        List<Path> sources = new ArrayList<>(sources("runtime"));
        sources.add(SOURCES.resolve("replay.cpp"));
        List<Path> objects = objects(sources, variant.name(), List.of("-O1", "-D" + variant.macro), threads);
        List<String> flags = new ArrayList<>(variant.flags);
        flags.addAll(List.of("-rdynamic", "-ldl", "-pthread"));
        link(objects, replay(variant), flags);
    }

    /**
     * {@return the program that runs recorded launches}
     *
     * @param variant the sanitizer
     */
    public static Path replay(Variant variant) {
        return FOLDER.resolve("replay-" + variant.name().toLowerCase().replace('_', '-'));
    }

    /**
     * {@return the folder of the modules of a variant}
     *
     * @param variant how they are built
     */
    public static Path modules(Variant variant) {
        return FOLDER.resolve("modules-" + variant.name().toLowerCase().replace('_', '-'));
    }

    /**
     * Translates a module and compiles it.
     *
     * @param ptx as it is given to the driver
     * @param name what reports call it where it names no source
     * @param variant how to build it
     * @return the shared object
     */
    public static Path module(byte[] ptx, String name, Variant variant) {
        Translator.Translation translation = Translator.translate(ptx, name);
        return module(ptx, translation, translation.sha256(), variant);
    }

    /**
     * Translates one kernel of a module and compiles it, for replays.
     *
     * @param ptx the module, as it is given to the driver
     * @param entry the kernel
     * @param variant how to build it
     * @return the shared object
     */
    public static Path kernel(byte[] ptx, String entry, Variant variant) {
        Translator.Translation translation = Translator.translateOnly(ptx, entry);
        return module(ptx, translation, translation.sha256() + "-" + entry, variant);
    }

    private static Path module(byte[] ptx, Translator.Translation translation, String file, Variant variant) {
        try {
            Path module = Files.createDirectories(modules(variant)).resolve(file + ".so");
            Path code = Files.createDirectories(FOLDER.resolve("code")).resolve(file + ".cpp");
            List<String> command = new ArrayList<>(COMMON);
            command.addAll(List.of("-Wno-unused", "-Wno-tsan", "-I" + SOURCES.resolve("runtime"), "-shared"));
            command.addAll(variant.flags);
            if (variant == Variant.ADDRESS_SANITIZER && !hasLocalMemory(ptx)) {
                // Nothing is on the stack but registers; to watch them takes g++ minutes for a large kernel instead of seconds.
                command.addAll(List.of("--param", "asan-stack=0"));
            }
            command.addAll(List.of(code.toString(), "-o"));
            String key = key(command, translation.code() + headers("runtime"));
            // Tests run in two processes, which may want the same.
            try (FileChannel lock = FileChannel.open(modules(variant).resolve(file + ".lock"),
                    StandardOpenOption.CREATE,
                    StandardOpenOption.WRITE)) {
                lock.lock();
                if (!isFresh(module, key)) {
                    writeAtomically(code, translation.code());
                    run(command, module);
                    if (variant == Variant.PLAIN) {
                        Ptxas.writeResources(ptx, modules(variant).resolve(file + ".resources"));
                    }
                    markFresh(module, key);
                }
            }
            return module;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static boolean hasLocalMemory(byte[] ptx) {
        return new String(ptx, StandardCharsets.UTF_8).lines().anyMatch(line -> line.strip().startsWith(".local"));
    }

    private static List<Path> sources(String folder) throws IOException {
        try (Stream<Path> files = Files.list(SOURCES.resolve(folder))) {
            return files.filter(file -> file.toString().endsWith(".cpp")).sorted().toList();
        }
    }

    private static String headers(String... folders) throws IOException {
        StringBuilder all = new StringBuilder();
        for (String folder : folders) {
            try (Stream<Path> files = Files.walk(SOURCES.resolve(folder))) {
                for (Path file : files.filter(path -> path.toString().matches(".*\\.(h|inc)")).sorted().toList()) {
                    all.append(Files.readString(file));
                }
            }
        }
        return all.toString();
    }

    private static List<Path> objects(List<Path> sources, String variant, List<String> flags, ExecutorService threads)
            throws Exception {
        String headers = headers("runtime", "driver");
        Path folder = Files.createDirectories(FOLDER.resolve("objects-" + variant));
        List<Future<Path>> objects = new ArrayList<>();
        for (Path source : sources) {
            Path object = folder.resolve(SOURCES.relativize(source).toString().replace('/', '-') + ".o");
            List<String> command = new ArrayList<>(COMMON);
            command.addAll(flags);
            command.addAll(List.of("-c", source.toString(), "-o"));
            String key = key(command, Files.readString(source) + headers);
            objects.add(threads.submit(() -> {
                if (!isFresh(object, key)) {
                    run(command, object);
                    markFresh(object, key);
                }
                return object;
            }));
        }
        List<Path> built = new ArrayList<>();
        for (Future<Path> object : objects) {
            built.add(object.get());
        }
        return built;
    }

    private static void link(List<Path> objects, Path output, List<String> flags) throws IOException {
        List<String> command = new ArrayList<>(List.of("g++"));
        objects.forEach(object -> command.add(object.toString()));
        command.addAll(flags);
        command.add("-o");
        StringBuilder keys = new StringBuilder();
        for (Path object : objects) {
            keys.append(Files.readString(keyFile(object)));
        }
        String key = key(command, keys.toString());
        if (!isFresh(output, key)) {
            run(command, output);
            markFresh(output, key);
        }
    }

    private static Path keyFile(Path output) {
        return output.resolveSibling(output.getFileName() + ".key");
    }

    private static String key(List<String> command, String text) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update(String.join(" ", command).getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest.digest(text.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java runtime has SHA-256", e);
        }
    }

    private static boolean isFresh(Path output, String key) throws IOException {
        return Files.exists(output) && Files.exists(keyFile(output)) && Files.readString(keyFile(output)).equals(key);
    }

    private static void markFresh(Path output, String key) throws IOException {
        Files.writeString(keyFile(output), key);
    }

    static void writeAtomically(Path file, String text) throws IOException {
        Path part = Files.createTempFile(file.getParent(), "part", ".tmp");
        Files.writeString(part, text);
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
    }

    /** Under a name of its own first: a run that is cut off leaves no half of a file that looks whole. */
    private static void run(List<String> command, Path output) throws IOException {
        Path part = Files.createTempFile(output.getParent(), "part", ".tmp");
        List<String> whole = new ArrayList<>(command);
        whole.add(part.toString());
        Process process = new ProcessBuilder(whole).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        try {
            if (process.waitFor() != 0) {
                Files.delete(part);
                throw new IOException(String.join(" ", whole) + "\n" + said);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while " + whole.getFirst() + " ran", e);
        }
        Files.move(part, output, StandardCopyOption.ATOMIC_MOVE);
    }
}
