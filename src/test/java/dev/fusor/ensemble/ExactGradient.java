package dev.fusor.ensemble;

import dev.fusor.ensemble.EnsembleGradient.Objective;
import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.tensor.Elements;
import java.util.Arrays;

/**
 * One row of an ensemble in float64 from textbook formulas: the objective, its derivatives by calculus, and its finite
 * differences. The scale of a derivative is its sum with every term made positive.
 */
final class ExactGradient {
    private static final double STEP = 3e-4;

    private final Mode mode;
    private final Objective objective;
    private final int label;
    private final double[][] logits;
    private final double[] weights;
    private final double[] temperatures;

    private final double[] shares;
    private final double total;
    private final double[][] x;
    private final double[][] p;
    /** The scores or the probabilities, and the objective's derivative by each of them. */
    private final double[] combined;
    private final double[] slope;
    private final double[] distribution;

    ExactGradient(Mode mode, Objective objective, Batch batch, long row) {
        this(mode, objective, batch.labels() == null ? -1 : (int) BatchCheck.label(batch.labels(), row),
                logits(batch, row), weights(batch, row),
                batch.models().stream().mapToDouble(Model::temperature).toArray());
    }

    private ExactGradient(Mode mode, Objective objective, int label, double[][] logits, double[] weights,
            double[] temperatures) {
        this.mode = mode;
        this.objective = objective;
        this.label = label;
        this.logits = logits;
        this.weights = weights;
        this.temperatures = temperatures;
        this.total = Arrays.stream(weights).sum();
        this.shares = Arrays.stream(weights).map(weight -> weight / total).toArray();
        int models = weights.length;
        int classes = logits[0].length;
        this.x = new double[models][classes];
        this.p = new double[models][];
        this.combined = new double[classes];
        for (int e = 0; e < models; e++) {
            for (int c = 0; c < classes; c++) {
                x[e][c] = logits[e][c] / temperatures[e];
            }
            p[e] = softmax(x[e]);
            for (int c = 0; c < classes; c++) {
                if (shares[e] > 0) {
                    combined[c] += shares[e] * (mode == Mode.PROBABILITIES ? p[e][c] : x[e][c]);
                }
            }
        }
        this.distribution = mode == Mode.PROBABILITIES ? combined : softmax(combined);
        this.slope = new double[classes];
        for (int c = 0; c < classes; c++) {
            double q = distribution[c];
            double right = c == label ? 1 : 0;
            slope[c] = objective == Objective.CROSS_ENTROPY
                    ? mode == Mode.PROBABILITIES ? right == 0 ? 0 : -1 / q : q - right
                    : q == 0 ? 0 : mode == Mode.PROBABILITIES ? -Math.log(q) - 1 : -q * (Math.log(q) + entropy());
        }
    }

    private static double[][] logits(Batch batch, long row) {
        double[][] logits = new double[batch.models().size()][batch.classes()];
        for (int e = 0; e < logits.length; e++) {
            Model model = batch.models().get(e);
            for (int c = 0; c < batch.classes(); c++) {
                logits[e][c] = EnsembleDefinition.has(model, c)
                        ? Elements.get(model.logits(), model.first() + row * model.stride() + c)
                        : Double.NEGATIVE_INFINITY;
            }
        }
        return logits;
    }

    private static double[] weights(Batch batch, long row) {
        double[] weights = new double[batch.models().size()];
        for (int e = 0; e < weights.length; e++) {
            double gate = batch.gates() == null ? 1 : Elements.get(batch.gates(), row * weights.length + e);
            weights[e] = batch.models().get(e).weight() * gate;
        }
        return weights;
    }

    private static double[] softmax(double[] x) {
        double max = Arrays.stream(x).max().orElseThrow();
        double sum = Arrays.stream(x).map(value -> Math.exp(value - max)).sum();
        return Arrays.stream(x).map(value -> Math.exp(value - max) / sum).toArray();
    }

    private double entropy() {
        return -Arrays.stream(distribution).filter(q -> q > 0).map(q -> q * Math.log(q)).sum();
    }

    double objective() {
        return objective == Objective.ENTROPY ? entropy() : -Math.log(distribution[label]);
    }

    double objectiveScale() {
        return 1 + Math.abs(objective());
    }

    double share(int model) {
        return shares[model];
    }

    /** How far the finite logits of the models are apart, at most. */
    double spread() {
        double spread = 0;
        for (double[] of : x) {
            double[] finite = Arrays.stream(of).filter(Double::isFinite).toArray();
            spread = Math.max(spread, Arrays.stream(finite).max().orElse(0) - Arrays.stream(finite).min().orElse(0));
        }
        return spread;
    }

    /** The derivative by a share, as if the others did not follow. */
    private double byShare(int e, boolean positive) {
        double sum = 0;
        for (int c = 0; c < slope.length; c++) {
            double factor = mode == Mode.PROBABILITIES ? p[e][c] : x[e][c];
            sum += slope[c] == 0 ? 0 : positive ? Math.abs(slope[c] * factor) : slope[c] * factor;
        }
        return sum;
    }

    private double weight(int e, boolean positive) {
        double mean = 0;
        for (int k = 0; k < shares.length; k++) {
            mean += shares[k] == 0 ? 0 : shares[k] * byShare(k, positive);
        }
        return (positive ? byShare(e, true) + mean : byShare(e, false) - mean) / total;
    }

    double weight(int e) {
        return weight(e, false);
    }

    double weightScale(int e) {
        return weight(e, true);
    }

    private double temperature(int e, boolean positive) {
        double mean = 0;
        for (int c = 0; c < slope.length; c++) {
            mean += p[e][c] == 0 ? 0 : p[e][c] * x[e][c];
        }
        double sum = 0;
        for (int c = 0; c < slope.length; c++) {
            double moved = mode != Mode.PROBABILITIES ? x[e][c] : p[e][c] == 0 ? 0 : p[e][c] * (x[e][c] - mean);
            double term = slope[c] == 0 ? 0 : slope[c] * moved;
            sum += positive ? Math.abs(term) : term;
        }
        return (positive ? 1 : -1) * shares[e] / temperatures[e] * sum;
    }

    double temperature(int e) {
        return temperature(e, false);
    }

    double temperatureScale(int e) {
        return temperature(e, true);
    }

    double differenceByWeight(int e) {
        return difference(weights, e);
    }

    double differenceByTemperature(int e) {
        return difference(temperatures, e);
    }

    /** Five points: what is left is of the fourth power of the step. */
    private double difference(double[] parameters, int e) {
        double step = STEP * parameters[e];
        if (step == 0) {
            step = STEP;
        }
        return (moved(parameters, e, -2 * step) - 8 * moved(parameters, e, -step) + 8 * moved(parameters, e, step)
                - moved(parameters, e, 2 * step)) / (12 * step);
    }

    private double moved(double[] parameters, int e, double by) {
        double[] changed = parameters.clone();
        changed[e] += by;
        return new ExactGradient(mode, objective, label, logits, parameters == weights ? changed : weights,
                parameters == temperatures ? changed : temperatures).objective();
    }
}
