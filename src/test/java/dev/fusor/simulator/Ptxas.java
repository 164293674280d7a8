package dev.fusor.simulator;

import dev.fusor.simulator.ptx.Translator;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** What the assembler says of a module. */
final class Ptxas {
    private static final Pattern TARGET = Pattern.compile("\\.target\\s+(sm_\\w+)");
    private static final Pattern ENTRY = Pattern.compile("Compiling entry function '([^']+)' for '([^']+)'");
    private static final Pattern STACK = Pattern
            .compile("(\\d+) bytes stack frame, (\\d+) bytes spill stores, (\\d+) bytes spill loads");
    private static final Pattern USED = Pattern.compile("Used (\\d+) registers");
    private static final Pattern SHARED = Pattern.compile("(\\d+) bytes smem");

    /**
     * The resources of a kernel on one architecture.
     *
     * @param entry its name
     * @param registers of one thread
     * @param sharedBytes of one block, without dynamic shared memory
     * @param stackBytes of one thread
     * @param spillBytes stores and loads together
     */
    record Resources(String entry, int registers, int sharedBytes, int stackBytes, int spillBytes) {}

    /**
     * An assembly.
     *
     * @param status the exit status
     * @param output all that was said
     * @param resources of each kernel
     */
    record Result(int status, String output, List<Resources> resources) {}

    private static final Path KEPT = NativeBuild.FOLDER.resolve("ptxas");
    private static String version;

    private Ptxas() {}

    /**
     * Assembles a text for an architecture. What is accepted is kept by all that it depends on: the build before the tests assembles, and then
     * more than one test.
     */
    static Result assemble(byte[] ptx, String architecture) throws IOException {
        List<String> command = List.of("ptxas", "-v", "--warn-on-spills", "--warn-on-local-memory-usage",
                "-arch=" + architecture, "-o", "/dev/null");
        String key = version() + command + new String(ptx, StandardCharsets.UTF_8);
        Path kept = Files.createDirectories(KEPT).resolve(Translator.sha256(key.getBytes(StandardCharsets.UTF_8)));
        if (Files.exists(kept)) {
            String output = Files.readString(kept);
            return new Result(0, output, parse(output));
        }
        Path source = Files.createTempFile("module", ".ptx");
        try {
            Files.write(source, ptx);
            Result result = run(Stream.concat(command.stream(), Stream.of(source.toString())).toList());
            if (result.status() == 0) {
                NativeBuild.writeAtomically(kept, result.output());
            }
            return result;
        } finally {
            Files.delete(source);
        }
    }

    private static synchronized String version() throws IOException {
        if (version == null) {
            version = run(List.of("ptxas", "--version")).output();
        }
        return version;
    }

    private static Result run(List<String> command) throws IOException {
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            return new Result(process.waitFor(), output, parse(output));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while ptxas ran", e);
        }
    }

    private static List<Resources> parse(String output) {
        List<Resources> all = new ArrayList<>();
        String entry = null;
        int stack = 0;
        int spills = 0;
        for (String line : output.lines().toList()) {
            Matcher start = ENTRY.matcher(line);
            Matcher frame = STACK.matcher(line);
            Matcher used = USED.matcher(line);
            if (start.find()) {
                entry = start.group(1);
            } else if (frame.find()) {
                stack = Integer.parseInt(frame.group(1));
                spills = Integer.parseInt(frame.group(2)) + Integer.parseInt(frame.group(3));
            } else if (used.find() && entry != null) {
                Matcher shared = SHARED.matcher(line);
                all.add(new Resources(entry, Integer.parseInt(used.group(1)),
                        shared.find() ? Integer.parseInt(shared.group(1)) : 0, stack, spills));
                entry = null;
            }
        }
        return all;
    }

    static String target(byte[] ptx) {
        Matcher target = TARGET.matcher(new String(ptx, StandardCharsets.UTF_8));
        if (!target.find()) {
            throw new IllegalArgumentException("the PTX has no .target");
        }
        return target.group(1);
    }

    /** For the simulated driver, which limits launches by them; without ptxas it limits by threads and shared memory alone. */
    static void writeResources(byte[] ptx, Path file) throws IOException {
        if (NativeBuild.onPath("ptxas").isEmpty()) {
            return;
        }
        StringBuilder lines = new StringBuilder();
        for (Resources one : assemble(ptx, target(ptx)).resources()) {
            lines.append("entry %s registers %d shared %d stack %d\n".formatted(one.entry(), one.registers(),
                    one.sharedBytes(), one.stackBytes()));
        }
        Files.writeString(file, lines);
    }
}
