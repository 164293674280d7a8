package dev.fusor.cli;

import java.util.Arrays;

/**
 * How good the predictions of a model, or of an ensemble, are over many rows. Sums are float64, in the order of the rows.
 *
 * <p>The calibration error is the expected one (Naeini et al. 2015; Guo et al. 2017, arXiv 1706.04599): rows are sorted by confidence, the
 * probability of their best class, into {@link #BINS} bins of equal width, each with its upper end; the share of the rows in a bin
 * times the distance of its mean confidence and its accuracy is summed.
 */
final class PredictionQuality {
    static final int BINS = 15;

    private final boolean labelled;
    private final long[] right = new long[BINS];
    private final double[] confidence = new double[BINS];
    private long rows;
    private long undefined;
    private double loss;
    private double entropy;
    private long comparisons;
    private long differences;

    PredictionQuality(boolean labelled) {
        this.labelled = labelled;
    }

    /** Takes a row: the log-probability of its best class, and its entropy. */
    void add(float logProbability, float rowEntropy) {
        rows++;
        undefined += logProbability == logProbability ? 0 : 1;
        entropy += rowEntropy;
        double sure = StrictMath.exp(logProbability);
        confidence[bin(sure)] += sure;
    }

    /** Takes the label and the loss of the same row; a row of NaN is wrong. */
    void judge(int best, float logProbability, int label, float rowLoss) {
        loss += rowLoss;
        if (best == label && logProbability == logProbability) {
            right[bin(StrictMath.exp(logProbability))]++;
        }
    }

    private static int bin(double sure) {
        return Math.clamp((long) Math.ceil(sure * BINS) - 1, 0, BINS - 1);
    }

    /** Takes what is best in a row, here and to another. */
    void compare(int best, int other) {
        comparisons++;
        differences += other == best ? 0 : 1;
    }

    /** {@return how many rows are no distribution, for NaN or infinities} */
    long undefined() {
        return undefined;
    }

    /** {@return the share of rows whose best class is their label, or NaN without labels} */
    double accuracy() {
        return labelled ? (double) Arrays.stream(right).sum() / rows : Double.NaN;
    }

    /** {@return the mean cross-entropy in nats, or NaN without labels} */
    double loss() {
        return labelled ? loss / rows : Double.NaN;
    }

    /** {@return the expected calibration error, or NaN without labels} */
    double calibrationError() {
        double error = 0;
        for (int bin = 0; bin < BINS; bin++) {
            error += Math.abs(confidence[bin] - right[bin]);
        }
        return labelled ? error / rows : Double.NaN;
    }

    /** {@return the mean entropy in nats} */
    double entropy() {
        return entropy / rows;
    }

    /** {@return the mean probability of the best class} */
    double confidence() {
        return Arrays.stream(confidence).sum() / rows;
    }

    /** {@return how often the best class is another than a model's, NaN if there is none to compare with} */
    double disagreement() {
        return (double) differences / comparisons;
    }
}
