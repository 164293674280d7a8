package dev.fusor.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The machine's memory and what of it this process may take, as Linux tells it in files. */
final class LinuxMemory {
    private static final Pattern LINE = Pattern.compile("(\\w+):\\s+(\\d+) kB");
    private static final String UNLIMITED = "max";

    private final Path root;

    /** Looks below a root folder, which is {@code /} but in tests. */
    LinuxMemory(Path root) {
        this.root = root;
    }

    /** {@return total, available and limit in words, or nothing on other systems} */
    Optional<String> describe() throws IOException {
        OptionalLong total = information("MemTotal");
        if (total.isEmpty()) {
            return Optional.empty();
        }
        OptionalLong available = information("MemAvailable");
        OptionalLong limit = limit();
        return Optional.of(Sizes.words(total.getAsLong())
                + (available.isPresent() ? ", " + Sizes.words(available.getAsLong()) + " available" : "")
                + (limit.isPresent() && limit.getAsLong() < total.getAsLong()
                        ? ", limited to " + Sizes.words(limit.getAsLong()) + " by its control group"
                        : ", not limited by a control group"));
    }

    private OptionalLong information(String key) throws IOException {
        for (String text : lines("proc/meminfo")) {
            Matcher line = LINE.matcher(text);
            if (line.matches() && line.group(1).equals(key)) {
                return OptionalLong.of(Long.parseLong(line.group(2)) * 1024);
            }
        }
        return OptionalLong.empty();
    }

    /** The least limit of the process's control group and those it lies in; version 2, then version 1. */
    private OptionalLong limit() throws IOException {
        OptionalLong least = OptionalLong.empty();
        for (String line : lines("proc/self/cgroup")) {
            String[] parts = line.split(":", 3);
            if (parts.length == 3 && (parts[1].isEmpty() || parts[1].equals("memory"))) {
                String file = parts[1].isEmpty() ? "memory.max" : "memory.limit_in_bytes";
                Path mount = root.resolve(parts[1].isEmpty() ? "sys/fs/cgroup" : "sys/fs/cgroup/memory");
                Path group = mount.resolve(parts[2].substring(1)).normalize();
                for (; group != null && group.startsWith(mount); group = group.getParent()) {
                    for (String text : lines(root.relativize(group.resolve(file)).toString())) {
                        if (!text.equals(UNLIMITED)) {
                            long limit = Long.parseLong(text);
                            least = OptionalLong.of(Math.min(limit, least.orElse(limit)));
                        }
                    }
                }
            }
        }
        return least;
    }

    private List<String> lines(String path) throws IOException {
        Path file = root.resolve(path);
        return Files.isReadable(file) ? Files.readAllLines(file) : List.of();
    }
}
