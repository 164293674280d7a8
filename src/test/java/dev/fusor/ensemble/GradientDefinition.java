package dev.fusor.ensemble;

import dev.fusor.ensemble.EnsembleDefinition.Sums;
import dev.fusor.ensemble.EnsembleGradient.Objective;
import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.simd.FloatMath;
import dev.fusor.tensor.Elements;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntFunction;

/** The Javadoc of {@link EnsembleGradient}, a row at a time and in whole arrays. */
final class GradientDefinition {
    /** What is summed over classes. */
    private interface Term {
        float of(int c);
    }

    final float objective;
    final float[] weights;
    final float[] temperatures;

    private final Batch batch;
    private final float[] shares;
    private final double total;

    GradientDefinition(Mode mode, Objective objective, Batch batch, long row) {
        int models = batch.models().size();
        this.batch = batch;
        this.shares = EnsembleDefinition.shares(batch, row);
        this.weights = new float[models];
        this.temperatures = new float[models];
        double sum = 0;
        float[][] x = new float[models][];
        for (int e = 0; e < models; e++) {
            Model model = batch.models().get(e);
            sum += model.weight() * (batch.gates() == null ? 1 : Elements.get(batch.gates(), row * models + e));
            x[e] = EnsembleDefinition.x(model, row, batch.classes());
        }
        this.total = sum;
        int label = batch.labels() == null ? -1 : (int) BatchCheck.label(batch.labels(), row);
        if (shares == null) {
            this.objective = Float.NaN;
            Arrays.fill(weights, Float.NaN);
            Arrays.fill(temperatures, Float.NaN);
        } else if (mode != Mode.PROBABILITIES) {
            this.objective = scores(objective, x, label, new EnsembleDefinition(mode, batch, row));
        } else {
            this.objective = objective == Objective.CROSS_ENTROPY ? crossEntropy(x, label) : entropy(x);
        }
    }

    private float scores(Objective objective, float[][] x, int label, EnsembleDefinition all) {
        Sums sums = EnsembleDefinition.sums(all.logits);
        int r = objective == Objective.CROSS_ENTROPY ? label : all.ranking[0];
        float[] g = all.probabilities.clone();
        for (int c = 0; c < g.length && objective == Objective.ENTROPY; c++) {
            g[c] = g[c] == 0 ? 0 : g[c] * (all.logits[c] - sums.m() - (float) (sums.t() / sums.s()));
        }
        double[] gradients = new double[x.length];
        for (int e = 0; e < x.length; e++) {
            float[] of = x[e];
            double sum = sum(c -> g[c] == 0 ? 0 : g[c] * (of[c] - of[r]));
            gradients[e] = objective == Objective.CROSS_ENTROPY ? sum : -sum;
        }
        double mean = mean(e -> gradients[e]);
        for (int e = 0; e < x.length; e++) {
            weights[e] = (float) ((gradients[e] - mean) / total);
            temperatures[e] = temperature(e, -gradients[e]);
        }
        return objective == Objective.CROSS_ENTROPY ? -all.logProbabilities[label] : all.entropy;
    }

    private float crossEntropy(float[][] x, int label) {
        Sums[] sums = Arrays.stream(x).map(EnsembleDefinition::sums).toArray(Sums[]::new);
        float largest = Float.NEGATIVE_INFINITY;
        for (int e = 0; e < x.length; e++) {
            largest = shares[e] > 0 ? Math.max(largest, x[e][label] - sums[e].m()) : largest;
        }
        float origin = largest == Float.NEGATIVE_INFINITY ? 0 : largest;
        IntFunction<Double> k = e -> FloatMath.exp(x[e][label] - sums[e].m() - origin) / sums[e].s();
        double mean = mean(k);
        for (int e = 0; e < x.length; e++) {
            double ratio = k.apply(e) / mean;
            weights[e] = (float) ((1 - ratio) / total);
            double difference = x[e][label] - sums[e].m();
            temperatures[e] = ratio == 0 ? 0 : temperature(e, ratio * (difference - sums[e].t() / sums[e].s()));
        }
        return -(origin + FloatMath.log((float) mean));
    }

    private float entropy(float[][] x) {
        Sums[] sums = Arrays.stream(x).map(EnsembleDefinition::sums).toArray(Sums[]::new);
        float[] logs = new float[batch.classes()];
        for (int c = 0; c < logs.length; c++) {
            float p = Float.MIN_VALUE;
            for (int e = 0; e < x.length; e++) {
                p = shares[e] > 0 ? Math.fma((float) (shares[e] / sums[e].s()), q(x[e], sums[e], c), p) : p;
            }
            logs[c] = FloatMath.log(p);
        }
        double[] a = new double[x.length];
        double[] b = new double[x.length];
        for (int e = 0; e < x.length; e++) {
            float[] of = x[e];
            Sums s = sums[e];
            Term p = c -> q(of, s, c) * (float) (1 / s.s());
            a[e] = sum(c -> p.of(c) == 0 ? 0 : p.of(c) * logs[c]);
            b[e] = sum(c -> p.of(c) == 0 || p.of(c) * logs[c] == 0 ? 0 : p.of(c) * logs[c] * (of[c] - s.m()));
        }
        double mean = mean(e -> a[e]);
        for (int e = 0; e < x.length; e++) {
            weights[e] = (float) ((-a[e] + mean) / total);
            temperatures[e] = temperature(e, b[e] - a[e] * (sums[e].t() / sums[e].s()));
        }
        return (float) -mean;
    }

    private static float q(float[] x, Sums sums, int c) {
        return FloatMath.exp(x[c] - sums.m());
    }

    private double mean(IntFunction<Double> of) {
        double mean = 0;
        for (int e = 0; e < shares.length; e++) {
            mean = shares[e] > 0 ? Math.fma(shares[e], of.apply(e), mean) : mean;
        }
        return mean;
    }

    private float temperature(int e, double derivative) {
        return shares[e] == 0 ? 0 : (float) (shares[e] * derivative / batch.models().get(e).temperature());
    }

    private double sum(Term term) {
        List<Double> chunks = new ArrayList<>();
        for (int from = 0; from < batch.classes(); from += 1024) {
            float[] lanes = new float[64];
            for (int c = from; c < Math.min(from + 1024, batch.classes()); c++) {
                lanes[c % 64] += term.of(c);
            }
            chunks.add((double) EnsembleDefinition.folded(lanes));
        }
        return EnsembleDefinition.paired(chunks);
    }
}
