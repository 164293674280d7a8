package dev.fusor.simulator;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** What each kernel takes of a multiprocessor on each architecture: the table in {@code docs/kernel-resources.tsv}. */
final class KernelResources {
    static final Path TABLE = Path.of("docs/kernel-resources.tsv");
    static final String HEADER = "ptx\tkernel\tarchitecture\tregisters\tshared bytes\tthreads a block\tblocks resident\toccupancy %\tbytes in flight";

    private static final List<Path> ROOTS = List.of(Path.of("src/main/resources/dev/fusor/ptx"),
            Path.of("src/test/resources/dev/fusor/simulator/kernels"));
    private static final int THREADS_WHERE_NOT_STATED = 256;
    private static final int REGISTERS = 65_536;
    private static final int REGISTER_UNIT = 256;
    private static final int SHARED_UNIT = 128;
    private static final Pattern ENTRY = Pattern.compile("\\.visible \\.entry (\\w+)\\(");
    private static final Pattern MOST_THREADS = Pattern.compile("\\.(?:max|req)ntid (\\d+)(?:, (\\d+), (\\d+))?");
    private static final Pattern LOAD = Pattern
            .compile(
                    "ld(?!\\.(?:shared|param|local|const))[.\\w:]*?(?:\\.v(\\d))?\\.[a-z]+(\\d+)\\s+\\{?([^\\[}]+)\\}?,\\s*\\[");
    private static final Pattern REGISTER = Pattern.compile("%[a-z]+\\d+");

    /** Limits of a multiprocessor: the CUDA programming guide, "Technical Specifications per Compute Capability". */
    enum Architecture {
        SM_75(1024, 16, 64, 0), SM_80(2048, 32, 164, 1), SM_86(1536, 16, 100, 1), SM_89(1536, 24, 100, 1), SM_90(2048,
                32, 228, 1),
        SM_100(2048, 32, 228, 1), SM_120(1536, 24, 100, 1);

        private final int threads;
        private final int blocks;
        private final int sharedBytes;
        private final int reservedBytes;

        Architecture(int threads, int blocks, int sharedKibibytes, int reservedKibibytes) {
            this.threads = threads;
            this.blocks = blocks;
            this.sharedBytes = sharedKibibytes << 10;
            this.reservedBytes = reservedKibibytes << 10;
        }

        String target() {
            return name().toLowerCase();
        }

        int number() {
            return Integer.parseInt(name().substring(3));
        }

        int blocks(int registers, int shared, int threadsOfBlock) {
            int warps = (threadsOfBlock + 31) / 32;
            int perWarp = (registers * 32 + REGISTER_UNIT - 1) / REGISTER_UNIT * REGISTER_UNIT;
            // A multiprocessor has four parts with a quarter of the registers each, and a warp lives in one of them.
            int byRegisters = REGISTERS / 4 / perWarp * 4 / warps;
            int perBlock = (shared + SHARED_UNIT - 1) / SHARED_UNIT * SHARED_UNIT + reservedBytes;
            int byShared = perBlock == 0 ? blocks : sharedBytes / perBlock;
            return Math.min(Math.min(blocks, threads / 32 / warps), Math.min(byRegisters, byShared));
        }
    }

    private KernelResources() {}

    /** The PTX that is held to the gates: everything but the kernels that are wrong on purpose. */
    static List<Path> ptx() throws IOException {
        List<Path> all = new ArrayList<>();
        for (Path root : ROOTS) {
            if (Files.exists(root)) {
                try (Stream<Path> files = Files.walk(root)) {
                    files.filter(file -> file.toString().endsWith(".ptx"))
                            .filter(file -> !file.getFileName().toString().startsWith("defects.")).sorted()
                            .forEach(all::add);
                }
            }
        }
        return all;
    }

    /** The architectures that a text runs on. */
    static List<Architecture> architectures(byte[] ptx) {
        int target = Integer.parseInt(Ptxas.target(ptx).replaceAll("\\D", ""));
        return Stream.of(Architecture.values()).filter(architecture -> architecture.number() >= target).toList();
    }

    /** Assembles everything for every architecture, on all processors; what follows finds it done. */
    static void assembleAll() throws IOException {
        ptx().parallelStream().forEach(file -> {
            try {
                byte[] ptx = Files.readAllBytes(file);
                for (Architecture architecture : architectures(ptx)) {
                    Ptxas.assemble(ptx, architecture.target());
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }

    static List<String> table() throws IOException {
        assembleAll();
        List<String> rows = new ArrayList<>(List.of(HEADER));
        for (Path file : ptx()) {
            byte[] ptx = Files.readAllBytes(file);
            Map<String, String> bodies = bodies(new String(ptx, StandardCharsets.UTF_8));
            for (Architecture architecture : architectures(ptx)) {
                for (Ptxas.Resources one : Ptxas.assemble(ptx, architecture.target()).resources()) {
                    String body = bodies.get(one.entry());
                    int threads = threads(body);
                    int blocks = architecture.blocks(one.registers(), one.sharedBytes(), threads);
                    rows.add(String.join("\t", file.getFileName().toString(), one.entry(), architecture.target(),
                            "" + one.registers(), "" + one.sharedBytes(), "" + threads, "" + blocks,
                            "" + 100 * blocks * threads / architecture.threads,
                            "" + (long) blocks * threads * bytesInFlight(body)));
                }
            }
        }
        return rows;
    }

    private static Map<String, String> bodies(String text) {
        Map<String, String> bodies = new HashMap<>();
        Matcher entry = ENTRY.matcher(text);
        while (entry.find()) {
            int end = text.indexOf("\n}", entry.end());
            bodies.put(entry.group(1), text.substring(entry.start(), end));
        }
        return bodies;
    }

    private static int threads(String body) {
        Matcher most = MOST_THREADS.matcher(body);
        if (!most.find()) {
            return THREADS_WHERE_NOT_STATED;
        }
        int threads = Integer.parseInt(most.group(1));
        return most.group(2) == null
                ? threads
                : threads * Integer.parseInt(most.group(2)) * Integer.parseInt(most.group(3));
    }

    /**
     * The most bytes that a thread has asked global memory for and not used yet, by the order of the PTX: from each load on,
     * until an instruction reads one of its registers or a label is met. The assembler may move loads further apart, never
     * below what a dependency forces.
     */
    static int bytesInFlight(String body) {
        int most = 0;
        Map<String, Integer> loads = new HashMap<>();
        Map<Integer, Integer> bytes = new HashMap<>();
        int number = 0;
        for (String line : body.lines().map(String::strip).toList()) {
            if (line.endsWith(":")) {
                loads.clear();
                bytes.clear();
                continue;
            }
            Matcher load = LOAD.matcher(line);
            boolean isLoad = load.find();
            String read = isLoad ? line.substring(load.end()) : line.substring(Math.max(0, line.indexOf(',')));
            Set<Integer> used = new HashSet<>();
            Matcher register = REGISTER.matcher(line.startsWith("st.") || line.startsWith("@") ? line : read);
            while (register.find()) {
                if (loads.containsKey(register.group())) {
                    used.add(loads.get(register.group()));
                }
            }
            used.forEach(bytes::remove);
            loads.values().removeAll(used);
            if (isLoad) {
                number++;
                int count = load.group(1) == null ? 1 : Integer.parseInt(load.group(1));
                bytes.put(number, count * Integer.parseInt(load.group(2)) / 8);
                Matcher target = REGISTER.matcher(load.group(3));
                while (target.find()) {
                    loads.put(target.group(), number);
                }
                most = Math.max(most, bytes.values().stream().mapToInt(Integer::intValue).sum());
            }
        }
        return most;
    }
}
