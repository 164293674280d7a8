package dev.fusor.ensemble;

import dev.fusor.ensemble.EnsembleGradient.Objective;
import dev.fusor.ensemble.EnsembleGradient.Output;
import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitLoops.Form;
import dev.fusor.simd.FloatMath;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Map;
import java.util.function.Function;

import static dev.fusor.ensemble.LogitEnsemble.CHUNK;
import static dev.fusor.ensemble.RowBuffers.FIRST_MODEL;
import static dev.fusor.ensemble.RowBuffers.FIRST_SCORE;
import static dev.fusor.ensemble.RowBuffers.LANE_SUMS;
import static dev.fusor.ensemble.RowBuffers.LOGS;
import static dev.fusor.ensemble.RowBuffers.RESULT;
import static dev.fusor.ensemble.RowBuffers.buffer;

/** Differentiates one row after the other; what lies between the steps is in the scratch buffers of {@link RowBuffers}. */
final class GradientRow {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Mode mode;
    private final Objective objective;
    private final Batch batch;
    private final Map<Output, Tensor> outputs;
    private final Chunks chunks;
    private final LogitLoops loops;
    private final Shares shares;
    private final ModelChunks[] models;
    private final RowStatistics[] statistics;
    private final RowStatistics combined;
    private final ChunkScores chunkScores;
    private final TopClasses best = new TopClasses(1);
    /** Of each model, chunk by chunk. */
    private final double[][] sums;
    private final double[][] moments;
    private final float[] references;
    private final double[] byWeight;
    private final double[] byTemperature;

    private long row;
    private double value;

    GradientRow(Mode mode, Objective objective, Batch batch, Map<Output, Tensor> outputs,
            Function<Form, LogitLoops> forms) {
        this.mode = mode;
        this.objective = objective;
        this.batch = batch;
        this.outputs = outputs;
        this.loops = forms.apply(new Form(1, true));
        this.chunks = new Chunks(batch.classes(), loops.width());
        this.shares = new Shares(batch);
        int count = batch.models().size();
        this.models = ModelChunks.of(batch, chunks, forms);
        this.statistics = new RowStatistics[count];
        for (int e = 0; e < count; e++) {
            statistics[e] = RowStatistics.of(forms, true, chunks);
        }
        this.combined = RowStatistics.of(forms, true, chunks);
        this.chunkScores = new ChunkScores(mode, batch, models, statistics, shares, chunks, forms);
        this.sums = new double[count][chunks.number()];
        this.moments = new double[count][chunks.number()];
        this.references = new float[count];
        this.byWeight = new double[count];
        this.byTemperature = new double[count];
    }

    /** Differentiates a row. */
    void differentiate(long number) {
        row = number;
        if (!shares.turnTo(row)) {
            value = Double.NaN;
            Arrays.fill(byWeight, Double.NaN);
            Arrays.fill(byTemperature, Double.NaN);
        } else if (mode != Mode.PROBABILITIES) {
            scores();
        } else {
            measure();
            if (objective == Objective.CROSS_ENTROPY) {
                crossEntropyOfProbabilities();
            } else {
                entropyOfProbabilities();
            }
        }
        store();
    }

    private int label() {
        return (int) BatchCheck.label(batch.labels(), row);
    }

    private void scores() {
        chunkScores.turnTo(row);
        best.clear();
        for (int j = 0; j < chunks.number(); j++) {
            MemorySegment s = buffer(FIRST_SCORE + j);
            float max = chunkScores.make(j, s);
            combined.add(j, s, 0, chunks.width(j), max);
            best.offer(s, 0, chunks.count(j), Chunks.first(j), max);
        }
        combined.finish();
        boolean labelled = objective == Objective.CROSS_ENTROPY;
        int reference = labelled ? label() : best.number(0);
        for (int e = 0; e < models.length; e++) {
            references[e] = models[e].x(row, reference);
        }
        for (int j = 0; j < chunks.number(); j++) {
            sum(j, labelled);
        }
        float score = buffer(FIRST_SCORE + reference / CHUNK).get(FLOAT, 4L * (reference % CHUNK));
        value = labelled ? -(score - combined.max() - combined.logSum()) : combined.entropy();
        double mean = 0;
        double[] gradients = new double[models.length];
        for (int e = 0; e < models.length; e++) {
            double sum = LaneSums.pairs(sums[e], chunks.number());
            gradients[e] = labelled ? sum : -sum;
            mean = shares.of(e) > 0 ? Math.fma(shares.of(e), gradients[e], mean) : mean;
        }
        for (int e = 0; e < models.length; e++) {
            byWeight[e] = (gradients[e] - mean) / shares.sum();
            byTemperature[e] = byTemperature(e, -gradients[e]);
        }
    }

    /** Sums a chunk of g (x - r) for each model. */
    private void sum(int chunk, boolean labelled) {
        MemorySegment s = buffer(FIRST_SCORE + chunk);
        MemorySegment g = buffer(RESULT);
        g.fill((byte) 0);
        loops.mix(s, 0, combined.max(), (float) (1 / combined.sum()), g, chunks.width(chunk));
        if (!labelled) {
            MemorySegment deviation = buffer(LOGS);
            loops.logSoftmax(s, combined.max(), (float) combined.meanDifference(), deviation, chunks.width(chunk));
            loops.scale(g, deviation, chunks.width(chunk));
        }
        for (int e = 0; e < models.length; e++) {
            models[e].bring(row, chunk, FIRST_MODEL);
            sums[e][chunk] = products(g, models[e].data(), models[e].at(), references[e], chunk);
        }
    }

    private float products(MemorySegment weights, MemorySegment x, long at, float reference, int chunk) {
        MemorySegment lanes = buffer(LANE_SUMS);
        lanes.fill((byte) 0);
        loops.products(weights, x, at, reference, lanes, chunks.width(chunk));
        return LaneSums.fold(lanes, 0);
    }

    private void measure() {
        for (int e = 0; e < models.length; e++) {
            statistics[e].measure(models[e], row);
        }
    }

    private void crossEntropyOfProbabilities() {
        int label = label();
        float largest = Float.NEGATIVE_INFINITY;
        for (int e = 0; e < models.length; e++) {
            references[e] = models[e].x(row, label) - statistics[e].max();
            largest = shares.of(e) > 0 ? Math.max(largest, references[e]) : largest;
        }
        float origin = largest == Float.NEGATIVE_INFINITY ? 0 : largest;
        double[] likelihoods = new double[models.length];
        double mean = 0;
        for (int e = 0; e < models.length; e++) {
            likelihoods[e] = FloatMath.exp(references[e] - origin) / statistics[e].sum();
            mean = shares.of(e) > 0 ? Math.fma(shares.of(e), likelihoods[e], mean) : mean;
        }
        value = -(origin + FloatMath.log((float) mean));
        for (int e = 0; e < models.length; e++) {
            double ratio = likelihoods[e] / mean;
            byWeight[e] = (1 - ratio) / shares.sum();
            byTemperature[e] = ratio == 0
                    ? 0
                    : byTemperature(e, ratio * (references[e] - statistics[e].meanDifference()));
        }
    }

    private void entropyOfProbabilities() {
        for (int j = 0; j < chunks.number(); j++) {
            MemorySegment logs = logarithms(j);
            MemorySegment p = buffer(FIRST_SCORE);
            for (int e = 0; e < models.length; e++) {
                models[e].bring(row, j, FIRST_MODEL);
                MemorySegment x = models[e].data();
                long at = models[e].at();
                p.fill((byte) 0);
                loops.mix(x, at, statistics[e].max(), (float) (1 / statistics[e].sum()), p, chunks.width(j));
                sums[e][j] = products(p, logs, 0, 0, j);
                loops.scale(p, logs, chunks.width(j));
                moments[e][j] = products(p, x, at, statistics[e].max(), j);
            }
        }
        double mean = 0;
        double[] surprises = new double[models.length];
        for (int e = 0; e < models.length; e++) {
            surprises[e] = LaneSums.pairs(sums[e], chunks.number());
            mean = shares.of(e) > 0 ? Math.fma(shares.of(e), surprises[e], mean) : mean;
        }
        value = -mean;
        for (int e = 0; e < models.length; e++) {
            byWeight[e] = (mean - surprises[e]) / shares.sum();
            double moment = LaneSums.pairs(moments[e], chunks.number());
            byTemperature[e] = byTemperature(e, moment - surprises[e] * statistics[e].meanDifference());
        }
    }

    /** The logarithms of the mean of the probabilities of a chunk. */
    private MemorySegment logarithms(int chunk) {
        MemorySegment p = buffer(RESULT);
        for (int c = 0; c < chunks.width(chunk); c++) {
            p.set(FLOAT, 4L * c, Float.MIN_VALUE);
        }
        for (int i = 0; i < shares.members(); i++) {
            int e = shares.member(i);
            models[e].bring(row, chunk, FIRST_MODEL);
            float scale = (float) (shares.of(e) / statistics[e].sum());
            loops.mix(models[e].data(), models[e].at(), statistics[e].max(), scale, p, chunks.width(chunk));
        }
        loops.logs(p, buffer(LOGS), chunks.width(chunk));
        return buffer(LOGS);
    }

    /** Of a model, given the derivative by the reciprocal of its temperature, relative to both. */
    private double byTemperature(int model, double derivative) {
        return shares.of(model) == 0 ? 0 : shares.of(model) * derivative / batch.models().get(model).temperature();
    }

    private void store() {
        if (outputs.containsKey(Output.OBJECTIVE)) {
            Elements.set(outputs.get(Output.OBJECTIVE), row, value);
        }
        store(Output.WEIGHTS, byWeight);
        store(Output.TEMPERATURES, byTemperature);
    }

    private void store(Output output, double[] values) {
        if (outputs.containsKey(output)) {
            Elements.store(values, outputs.get(output), row * values.length, values.length);
        }
    }
}
