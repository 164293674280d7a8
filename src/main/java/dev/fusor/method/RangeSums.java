package dev.fusor.method;

/** Sums over a tensor of all models, range by range. */
final class RangeSums {
    private static final long RANGE = 1 << 17;

    private RangeSums() {}

    /** The sum of a range. */
    interface Range {
        double sum(long from, long count);
    }

    /** {@return the sum over all elements} Those of ranges, whose bounds are always the same, are added up in their order. */
    static double of(MergeInputs inputs, WholeTensors whole, Range range) {
        long elements = inputs.base().elements();
        double[] sums = new double[Math.toIntExact((elements + RANGE - 1) / RANGE)];
        whole.looked(inputs.bytes());
        whole.cpu().run(sums.length, number -> sums[(int) number] = range.sum(number * RANGE,
                Math.min(RANGE, elements - number * RANGE)));
        double sum = 0;
        for (double part : sums) {
            sum += part;
        }
        return sum;
    }
}
