package dev.fusor.device.cuda;

/**
 * A device as the driver describes it.
 *
 * @param ordinal its number, from 0
 * @param name as NVIDIA calls it
 * @param computeMajor the compute capability before the point
 * @param computeMinor and after it
 * @param memory bytes of device memory
 * @param multiprocessors how many
 * @param cacheBytes of the second-level cache
 */
public record CudaDeviceInfo(int ordinal, String name, int computeMajor, int computeMinor, long memory,
        int multiprocessors, long cacheBytes) {
    /** {@return the compute capability as one number: 10 times the major plus the minor} */
    public int computeCapability() {
        return 10 * computeMajor + computeMinor;
    }

    /** {@return a line for people} */
    public String describe() {
        return "cuda:%d %s, compute capability %d.%d, %d multiprocessors, %.1f GB".formatted(ordinal, name,
                computeMajor, computeMinor, multiprocessors, memory / 1e9);
    }
}
