package dev.fusor.cli;

import dev.fusor.merge.MergeException;
import dev.fusor.merge.MergeOptions;
import dev.fusor.merge.Reading;
import java.util.OptionalInt;
import picocli.CommandLine.Option;

/** What a command that merges may take of the machine. */
final class MergeLimits {
    @Option(names = "--threads", paramLabel = "N", description = "Threads that compute (default: one per processor).")
    private Integer threads;

    @Option(names = "--max-memory", paramLabel = "SIZE", converter = Sizes.class, defaultValue = "300MB", description = "Memory the process may take, other than mapped files (default: ${DEFAULT-VALUE}).")
    private long maxMemory;

    MergeLimits() {}

    int threads() {
        if (threads != null && threads < 1) {
            throw new UsageException("--threads is 1 or more, got " + threads);
        }
        return threads == null ? Runtime.getRuntime().availableProcessors() : threads;
    }

    long maxMemory() {
        return maxMemory;
    }

    /** Of a merge on the processor that is asked for nothing else. */
    MergeOptions options(boolean overwrite) throws MergeException {
        return options(overwrite, OptionalInt.empty());
    }

    /** The same with a CUDA device. */
    MergeOptions options(boolean overwrite, OptionalInt cuda) throws MergeException {
        return new MergeOptions(threads(), cuda, Reading.AUTO, maxMemory, MergeOptions.STANDARD_SHARD,
                overwrite, false, false);
    }
}
