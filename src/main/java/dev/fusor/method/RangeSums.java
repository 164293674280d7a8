package dev.fusor.method;

import dev.fusor.device.CpuDevice;

/** Sums over a tensor, range by range. */
final class RangeSums {
    private static final long RANGE = 1 << 17;

    private RangeSums() {}

    /** The sum of a range. */
    interface Range {
        double sum(long from, long count);
    }

    /** {@return the sum over all elements} Those of ranges, whose bounds are always the same, are added up in their order. */
    static double of(long elements, CpuDevice device, Range range) {
        double[] sums = new double[Math.toIntExact((elements + RANGE - 1) / RANGE)];
        device.run(sums.length, number -> sums[(int) number] = range.sum(number * RANGE,
                Math.min(RANGE, elements - number * RANGE)));
        double sum = 0;
        for (double part : sums) {
            sum += part;
        }
        return sum;
    }
}
