package dev.fusor.assign;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.Tensor;

/**
 * Optimal transport with an entropy: the plan of given row and column sums that makes cost plus
 * {@code regularisation * sum of p (log p - 1)} least (Cuturi 2013, <a href="https://arxiv.org/abs/1306.0895">arXiv:1306.0895</a>), by
 * Sinkhorn's alternating scaling in the log domain (Peyr&eacute; and Cuturi 2019,
 * <a href="https://arxiv.org/abs/1803.00567">arXiv:1803.00567</a>, section 4.4). Entries are positive: a soft assignment.
 *
 * <p>All arithmetic is float32, the same on any number of threads, with or without vectors; exp and log are Fusor's own (docs/adr/014).
 * With {@code r = -1 / regularisation}, row potentials u and column potentials v that start at 0, and the logarithms of the
 * wanted sums, an iteration is
 *
 * <pre>
 * u_i = log a_i - L over j of fma(c_ij, r, v_j)
 * v_j = log b_j - L over i of fma(c_ij, r, u_i)
 * </pre>
 *
 * where {@code L = M + log(sum of exp(x - M))}, M the greatest x. The sum goes in chunks of {@value #CHUNK}, each from +0 and in order,
 * and the sums of the chunks are added in order. The plan is {@code exp(fma(c_ij, r, u_i) + v_j)}. Its columns have their sums
 * up to rounding; how far rows are off is looked at after each iteration, in float64: the sum over the rows of
 * {@code |a_i - exp(u_i + L_i)|}, with the L of the iteration that would follow.
 *
 * <p>Where costs are much larger than the regularisation, rounding shows: an x of magnitude 2^k carries an error of 2^(k - 24), and
 * so does each entry, relatively.
 */
public sealed interface Sinkhorn permits SinkhornCpu {
    /** Terms that are summed before they are added. */
    int CHUNK = 256;

    /**
     * When to stop.
     *
     * @param regularisation the weight of the entropy, in the unit of the costs
     * @param maxIterations at most this many, 1 or more
     * @param tolerance the sum of what rows lack or have too much, at which to stop
     */
    record Settings(double regularisation, int maxIterations, double tolerance) {
        /**
         * Settings.
         *
         * @throws IllegalArgumentException if the regularisation is not a positive number, the iterations are less than 1, or the
         * tolerance is negative or NaN
         */
        public Settings {
            if (!(regularisation > 0) || regularisation == Double.POSITIVE_INFINITY || maxIterations < 1
                    || !(tolerance >= 0)) {
                throw new IllegalArgumentException(
                        "Sinkhorn takes a positive regularisation, 1 or more iterations and a tolerance from 0, got %s, %d and %s"
                                .formatted(regularisation, maxIterations, tolerance));
            }
        }
    }

    /**
     * How it went.
     *
     * @param iterations that were made
     * @param error the sum of what rows lack or have too much
     * @param converged whether that is within the tolerance
     */
    record Outcome(int iterations, double error, boolean converged) {}

    /**
     * {@return the primitive on a device}
     *
     * @param device runs it
     */
    static Sinkhorn on(CpuDevice device) {
        return new SinkhornCpu(device);
    }

    /**
     * Computes a plan. Without rows or columns there is none, and no error.
     *
     * @param costs F32 of shape [rows, columns], finite
     * @param rowSums one for each row, positive; rounded to float32
     * @param columnSums one for each column, positive; in total as much as the rows, up to a millionth
     * @param settings when to stop
     * @param plan receives it: F32 of the shape of the costs; may not overlap them
     * @return how it went
     * @throws IllegalArgumentException if types, shapes or sums are others, if a cost is NaN or infinite or overflows float32 divided
     * by the regularisation, or if a thread may not use the memory
     */
    Outcome solve(Tensor costs, double[] rowSums, double[] columnSums, Settings settings, Tensor plan);
}
