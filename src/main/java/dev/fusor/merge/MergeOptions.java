package dev.fusor.merge;

import java.util.OptionalInt;

/**
 * How a merge is carried out. None of it changes the result.
 *
 * @param threads threads that compute, 1 or more
 * @param cuda the CUDA device that weighted sums are computed on, or nothing to compute on the processor alone
 * @param reading how inputs are read
 * @param maxMemory bytes of memory, other than mapped files, that the process may take
 * @param shardBytes the size in bytes at which a new output file is begun
 * @param overwrite whether an existing output is replaced
 * @param hash whether the manifest gets a SHA-256 of every input and output file
 * @param failOnNan whether a NaN or infinity in an input or in the output ends the merge
 */
public record MergeOptions(int threads, OptionalInt cuda, Reading reading, long maxMemory, long shardBytes,
        boolean overwrite,
        boolean hash, boolean failOnNan) {
    /** Memory a merge keeps to unless told otherwise: 300 MB. */
    public static final long STANDARD_MEMORY = 300_000_000L;

    /** Size of an output file unless told otherwise: 5 GB. */
    public static final long STANDARD_SHARD = 5_000_000_000L;

    /** Checks the ranges. */
    public MergeOptions {
        if (threads < 1) {
            throw new IllegalArgumentException("a merge needs at least 1 thread, got " + threads);
        }
        if (shardBytes < 1) {
            throw new IllegalArgumentException("an output file holds at least 1 byte, got " + shardBytes);
        }
    }

    /** {@return the options of a plain merge on all processors} */
    public static MergeOptions standard() {
        return new MergeOptions(Runtime.getRuntime().availableProcessors(), OptionalInt.empty(), Reading.AUTO,
                STANDARD_MEMORY,
                STANDARD_SHARD, false, false, false);
    }
}
