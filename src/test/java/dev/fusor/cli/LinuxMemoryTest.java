package dev.fusor.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

class LinuxMemoryTest {
    @TempDir
    private Path root;

    private void write(String file, String text) throws IOException {
        Files.createDirectories(root.resolve(file).getParent());
        Files.writeString(root.resolve(file), text);
    }

    private void machine() throws IOException {
        write("proc/meminfo", "MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:    8000000 kB\n");
    }

    @Test
    void otherSystemsHaveNothingToSay() throws IOException {
        assertThat(new LinuxMemory(root).describe()).isEmpty();
    }

    @Test
    void withoutAGroupThereIsNoLimit() throws IOException {
        machine();

        assertThat(new LinuxMemory(root).describe())
                .contains("16.4 GB, 8.2 GB available, not limited by a control group");
    }

    @Test
    void theLeastLimitOfTheGroupAndItsParentsCounts() throws IOException {
        machine();
        write("proc/self/cgroup", "0::/a/b\n");
        write("sys/fs/cgroup/a/b/memory.max", "max\n");
        write("sys/fs/cgroup/a/memory.max", "2000000000\n");

        assertThat(new LinuxMemory(root).describe().orElseThrow()).endsWith(
                "limited to 2.0 GB by its control group");
    }

    @Test
    void theFirstVersionOfControlGroupsCountsToo() throws IOException {
        machine();
        write("proc/self/cgroup", "5:memory:/a\n4:cpu,cpuacct:/\n");
        write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000000000\n");
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");

        assertThat(new LinuxMemory(root).describe().orElseThrow()).endsWith(
                "limited to 1.0 GB by its control group");
    }

    @Test
    void aLimitAboveTheMachineIsNone() throws IOException {
        machine();
        write("proc/self/cgroup", "5:memory:/\n");
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");

        assertThat(new LinuxMemory(root).describe().orElseThrow()).endsWith("not limited by a control group");
    }
}
