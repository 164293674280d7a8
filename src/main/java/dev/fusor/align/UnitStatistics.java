package dev.fusor.align;

/**
 * Mean and standard deviation of the activations of each unit. The arrays are the record's own: they are not copied.
 *
 * @param means one for each unit
 * @param deviations one for each unit, 0 or more
 */
public record UnitStatistics(double[] means, double[] deviations) {
    /**
     * Statistics.
     *
     * @throws IllegalArgumentException if there are not as many means as deviations, or a deviation is negative
     */
    public UnitStatistics {
        if (means.length != deviations.length) {
            throw new IllegalArgumentException("statistics are a mean and a deviation for each unit, got %d and %d"
                    .formatted(means.length, deviations.length));
        }
        for (int i = 0; i < deviations.length; i++) {
            if (deviations[i] < 0) {
                throw new IllegalArgumentException(
                        "the deviation of unit %d is 0 or more, got %s".formatted(i, deviations[i]));
            }
        }
    }

    /** {@return the number of units} */
    public int units() {
        return means.length;
    }
}
