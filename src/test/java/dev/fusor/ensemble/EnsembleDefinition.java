package dev.fusor.ensemble;

import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.simd.FloatMath;
import dev.fusor.tensor.Elements;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/** The Javadoc of {@link LogitEnsemble}, a row at a time and in whole arrays. */
final class EnsembleDefinition {
    /** What a row of x gives. */
    record Sums(float m, double s, double t) {
        float logSum() {
            return FloatMath.log((float) s);
        }

        float logSumExp() {
            return Float.isFinite(m) ? m + logSum() : m;
        }

        float entropy() {
            return logSum() - (float) (t / s);
        }
    }

    final float[] logits;
    final float[] logProbabilities;
    final float[] probabilities;
    final int[] ranking;
    final float[] logSumExp;
    float entropy;
    float disagreement;

    EnsembleDefinition(Mode mode, Batch batch, long row) {
        int models = batch.models().size();
        int classes = batch.classes();
        float[][] x = new float[models][];
        Sums[] sums = new Sums[models];
        logSumExp = new float[models];
        for (int e = 0; e < models; e++) {
            x[e] = x(batch.models().get(e), row, classes);
            sums[e] = sums(x[e]);
            logSumExp[e] = sums[e].logSumExp();
        }
        float[] shares = shares(batch, row);
        List<Integer> members = new ArrayList<>();
        for (int e = 0; shares != null && e < models; e++) {
            if (shares[e] > 0) {
                members.add(e);
            }
        }
        float[] ranked;
        logProbabilities = new float[classes];
        probabilities = new float[classes];
        if (shares != null && mode != Mode.PROBABILITIES && mode != Mode.VOTE) {
            ranked = scores(mode, batch, x, sums, shares, members);
            Sums all = sums(ranked);
            for (int c = 0; c < classes; c++) {
                logProbabilities[c] = ranked[c] - all.m - all.logSum();
                probabilities[c] = FloatMath.exp(bounded(ranked[c] - all.m)) * (float) (1 / all.s);
            }
            entropy = all.entropy();
            logits = ranked;
        } else {
            ranked = probabilities;
            for (int c = 0; c < classes; c++) {
                probabilities[c] = shares == null ? Float.NaN : probability(mode, c, x, sums, shares, members);
                logProbabilities[c] = mode == Mode.PROBABILITIES && probabilities[c] < 0x1p-100f
                        ? tiny(c, x, sums, shares, members)
                        : FloatMath.log(probabilities[c]);
            }
            entropy = -(float) tree(probabilities, p -> p == 0 ? 0 : p * FloatMath.log(p));
            disagreement = entropy;
            for (int e : members) {
                disagreement = Math.fma(-shares[e], sums[e].entropy(), disagreement);
            }
            logits = logProbabilities;
        }
        Comparator<Integer> nanFirst = Comparator.comparing(c -> !Float.isNaN(ranked[c]));
        ranking = IntStream.range(0, classes).boxed()
                .sorted(nanFirst.thenComparing((a, b) -> ranked[a] > ranked[b] ? -1 : ranked[a] < ranked[b] ? 1 : 0))
                .mapToInt(Integer::intValue).toArray();
    }

    static float[] x(Model model, long row, int classes) {
        float[] x = new float[classes];
        for (int c = 0; c < classes; c++) {
            float z = (float) Elements.get(model.logits(), model.first() + row * model.stride() + c);
            x[c] = has(model, c) ? z * (float) (1 / model.temperature()) : Float.NEGATIVE_INFINITY;
        }
        return x;
    }

    static boolean has(Model model, int c) {
        return model.present() == null || model.present().data().get(ValueLayout.JAVA_BYTE, c) != 0;
    }

    static float[] shares(Batch batch, long row) {
        int models = batch.models().size();
        double[] weights = new double[models];
        double sum = 0;
        boolean sound = true;
        for (int e = 0; e < models; e++) {
            double gate = batch.gates() == null ? 1 : Elements.get(batch.gates(), row * models + e);
            weights[e] = batch.models().get(e).weight() * gate;
            sound = sound && weights[e] >= 0;
            sum += weights[e];
        }
        if (!sound || sum == 0 || !Double.isFinite(sum)) {
            return null;
        }
        float[] shares = new float[models];
        for (int e = 0; e < models; e++) {
            shares[e] = (float) (weights[e] / sum);
        }
        return shares;
    }

    private static float[] scores(Mode mode, Batch batch, float[][] x, Sums[] sums, float[] shares,
            List<Integer> members) {
        int classes = batch.classes();
        boolean limited = batch.models().stream().anyMatch(model -> model.present() != null);
        float[] scores = new float[classes];
        int confident = members.getFirst();
        for (int e : members) {
            confident = sums[e].s < sums[confident].s || Double.isNaN(sums[confident].s) && !Double.isNaN(sums[e].s)
                    ? e
                    : confident;
        }
        for (int c = 0; c < classes; c++) {
            float score = 0;
            float share = 0;
            float max = Float.NEGATIVE_INFINITY;
            for (int e : members) {
                max = Math.max(max, x[e][c]);
                if (has(batch.models().get(e), c)) {
                    float shift = mode == Mode.LOG_PROBABILITIES && limited ? sums[e].logSumExp() : 0;
                    score = Math.fma(shares[e], x[e][c] - shift, score);
                    share += shares[e];
                }
            }
            scores[c] = switch (mode) {
                case MAXIMUM -> max;
                case MOST_CONFIDENT -> x[confident][c];
                default -> !limited ? score : share == 0 ? Float.NEGATIVE_INFINITY : score / share;
            };
        }
        return scores;
    }

    private static float probability(Mode mode, int c, float[][] x, Sums[] sums, float[] shares,
            List<Integer> members) {
        float p = 0;
        for (int e : members) {
            if (mode == Mode.PROBABILITIES) {
                float q = FloatMath.exp(bounded(x[e][c] - sums[e].m));
                p = Math.fma((float) (shares[e] / sums[e].s), q, p);
            } else {
                p += best(x[e]) == c ? shares[e] : 0;
            }
        }
        return p;
    }

    private static int best(float[] x) {
        int best = 0;
        for (int c = 1; c < x.length; c++) {
            if (x[c] > x[best] || Float.isNaN(x[c]) && !Float.isNaN(x[best])) {
                best = c;
            }
        }
        return best;
    }

    private static float tiny(int c, float[][] x, Sums[] sums, float[] shares, List<Integer> members) {
        float max = Float.NEGATIVE_INFINITY;
        for (int e : members) {
            max = Math.max(max, FloatMath.log(shares[e]) + (x[e][c] - sums[e].m) - sums[e].logSum());
        }
        if (max == Float.NEGATIVE_INFINITY) {
            return max;
        }
        float sum = 0;
        for (int e : members) {
            sum += FloatMath.exp(FloatMath.log(shares[e]) + (x[e][c] - sums[e].m) - sums[e].logSum() - max);
        }
        return max + FloatMath.log(sum);
    }

    private static float bounded(float d) {
        return d < -104 ? -104 : d;
    }

    static Sums sums(float[] x) {
        float m = Float.NEGATIVE_INFINITY;
        for (float value : x) {
            m = Math.max(m, value);
        }
        if (!Float.isFinite(m)) {
            return new Sums(m, Double.NaN, Double.NaN);
        }
        List<Double> s = new ArrayList<>();
        List<Double> t = new ArrayList<>();
        for (int from = 0; from < x.length; from += 1024) {
            int to = Math.min(from + 1024, x.length);
            float max = Float.NEGATIVE_INFINITY;
            for (int c = from; c < to; c++) {
                max = Math.max(max, x[c]);
            }
            float[] sum = new float[64];
            float[] product = new float[64];
            for (int c = from; c < to && max != Float.NEGATIVE_INFINITY; c++) {
                float d = bounded(x[c] - max);
                sum[c % 64] += FloatMath.exp(d);
                product[c % 64] = Math.fma(FloatMath.exp(d), d, product[c % 64]);
            }
            double d = bounded(max - m);
            double scale = FloatMath.exp(bounded(max - m));
            s.add(scale * folded(sum));
            t.add(scale * (folded(product) + d * folded(sum)));
        }
        return new Sums(m, paired(s), paired(t));
    }

    private interface Term {
        float of(float x);
    }

    private static double tree(float[] x, Term term) {
        List<Double> chunks = new ArrayList<>();
        for (int from = 0; from < x.length; from += 1024) {
            float[] lanes = new float[64];
            for (int c = from; c < Math.min(from + 1024, x.length); c++) {
                lanes[c % 64] += term.of(x[c]);
            }
            chunks.add((double) folded(lanes));
        }
        return paired(chunks);
    }

    static float folded(float[] lanes) {
        float[] left = lanes.clone();
        for (int half = 32; half > 0; half /= 2) {
            for (int lane = 0; lane < half; lane++) {
                left[lane] += left[lane + half];
            }
        }
        return left[0];
    }

    static double paired(List<Double> chunks) {
        List<Double> left = chunks;
        while (left.size() > 1) {
            List<Double> level = new ArrayList<>();
            for (int i = 0; i < left.size(); i += 2) {
                level.add(i + 1 < left.size() ? left.get(i) + left.get(i + 1) : left.get(i));
            }
            left = level;
        }
        return left.getFirst();
    }
}
