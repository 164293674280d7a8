package dev.fusor.align;

import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;

/**
 * Gives the units of an interpolated model the mean and the deviation that those of its endpoints have on average (REPAIR,
 * Jordan et al. 2023, <a href="https://arxiv.org/abs/2211.08403">arXiv:2211.08403</a>): units whose activations differ partly cancel
 * when weights are averaged, and their variance collapses.
 *
 * <p>Statistics are those of the units before the nonlinearity, of the second model after its units were permuted. All
 * arithmetic is float64 in the order of the formulas; corrected weights are rounded once to their type.
 *
 * @param scales what each unit is multiplied by
 * @param shifts what is then added
 */
public record UnitCorrection(double[] scales, double[] shifts) {
    /**
     * A correction. The arrays are its own: they are not copied.
     *
     * @throws IllegalArgumentException if there are not as many scales as shifts
     */
    public UnitCorrection {
        if (scales.length != shifts.length) {
            throw new IllegalArgumentException("a correction is a scale and a shift for each unit, got %d and %d"
                    .formatted(scales.length, shifts.length));
        }
    }

    /**
     * {@return the correction of a model between two others} With {@code t} the weight of the second, a unit is to have the mean
     * {@code (1 - t) mean0 + t mean1} and the deviation {@code (1 - t) deviation0 + t deviation1}. A unit of the interpolated
     * model that does not vary is shifted, not scaled.
     *
     * @param first of the first model
     * @param second of the second
     * @param t the weight of the second, the first has 1 - t
     * @param interpolated of the model to be corrected, measured or by {@link #interpolated}
     * @throws IllegalArgumentException if their numbers of units differ
     */
    public static UnitCorrection between(UnitStatistics first, UnitStatistics second, double t,
            UnitStatistics interpolated) {
        checkUnits(first, second.units());
        checkUnits(first, interpolated.units());
        double[] scales = new double[first.units()];
        double[] shifts = new double[scales.length];
        for (int i = 0; i < scales.length; i++) {
            double mean = (1 - t) * first.means()[i] + t * second.means()[i];
            double deviation = (1 - t) * first.deviations()[i] + t * second.deviations()[i];
            double present = interpolated.deviations()[i];
            scales[i] = present > 0 ? deviation / present : 1;
            shifts[i] = mean - scales[i] * interpolated.means()[i];
        }
        return new UnitCorrection(scales, shifts);
    }

    /**
     * {@return the statistics that interpolated units have where their inputs are the same in both models, without a pass over
     * data} The mean is {@code (1 - t) mean0 + t mean1}, the variance
     * {@code (1 - t)^2 deviation0^2 + t^2 deviation1^2 + 2 t (1 - t) deviation0 deviation1 correlation}, at least 0.
     *
     * @param first of the first model
     * @param second of the second
     * @param correlations of each unit of the first with its partner in the second
     * @param t the weight of the second
     * @throws IllegalArgumentException if their numbers of units differ
     */
    public static UnitStatistics interpolated(UnitStatistics first, UnitStatistics second, double[] correlations,
            double t) {
        checkUnits(first, second.units());
        checkUnits(first, correlations.length);
        double[] means = new double[first.units()];
        double[] deviations = new double[means.length];
        for (int i = 0; i < means.length; i++) {
            double a = (1 - t) * first.deviations()[i];
            double b = t * second.deviations()[i];
            means[i] = (1 - t) * first.means()[i] + t * second.means()[i];
            deviations[i] = Math.sqrt(Math.max(0, a * a + b * b + 2 * a * b * correlations[i]));
        }
        return new UnitStatistics(means, deviations);
    }

    private static void checkUnits(UnitStatistics first, int units) {
        if (units != first.units()) {
            throw new IllegalArgumentException("statistics are of the same units, got %d and %d".formatted(
                    first.units(), units));
        }
    }

    /**
     * Scales the weights that lead into the units, in place.
     *
     * @param weights of an arithmetic type
     * @param axis the axis of the units
     * @throws IllegalArgumentException if it has another extent, or the type is not arithmetic
     */
    public void applyToWeights(Tensor weights, int axis) {
        if (axis < 0 || axis >= weights.shape().rank() || weights.shape().extent(axis) != scales.length) {
            throw new IllegalArgumentException("a correction of %d units does not fit axis %d of %s".formatted(
                    scales.length, axis, weights));
        }
        long inner = 1;
        for (int other = axis + 1; other < weights.shape().rank(); other++) {
            inner *= weights.shape().extent(other);
        }
        for (long element = 0; element < weights.elements(); element++) {
            double scale = scales[(int) (element / inner % scales.length)];
            Elements.set(weights, element, scale * Elements.get(weights, element));
        }
    }

    /**
     * Scales and shifts the biases of the units, in place.
     *
     * @param biases one for each unit, of an arithmetic type
     * @throws IllegalArgumentException if there are more or fewer, or the type is not arithmetic
     */
    public void applyToBiases(Tensor biases) {
        if (biases.elements() != scales.length) {
            throw new IllegalArgumentException(
                    "a correction of %d units takes as many biases, got %s".formatted(scales.length, biases));
        }
        for (int i = 0; i < scales.length; i++) {
            Elements.set(biases, i, scales[i] * Elements.get(biases, i) + shifts[i]);
        }
    }
}
