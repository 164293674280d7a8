package dev.fusor.ensemble;

import dev.fusor.ensemble.LogitLoops.Form;
import dev.fusor.simd.FloatMath;
import java.lang.foreign.MemorySegment;
import java.util.function.Function;

import static dev.fusor.ensemble.LogitEnsemble.LANES;

/** The maximum m and the sums S and T of one row, chunk by chunk. */
final class RowStatistics {
    private final Chunks chunks;
    private final LogitLoops loops;
    private final boolean moments;
    private final float[] maxima;
    private final double[] sums;
    private final double[] products;
    private float max;
    private double sum;
    private double moment;

    private RowStatistics(Chunks chunks, LogitLoops loops, boolean moments) {
        this.chunks = chunks;
        this.loops = loops;
        this.moments = moments;
        this.maxima = new float[chunks.number()];
        this.sums = new double[chunks.number()];
        this.products = new double[chunks.number()];
    }

    /**
     * {@return room for them}
     *
     * @param forms of loops
     * @param moments whether T is summed
     * @param chunks of a row
     */
    static RowStatistics of(Function<Form, LogitLoops> forms, boolean moments, Chunks chunks) {
        return new RowStatistics(chunks, forms.apply(new Form(1, moments)), moments);
    }

    /** Takes a row of a model. */
    void measure(ModelChunks model, long row) {
        for (int j = 0; j < chunks.number(); j++) {
            model.bring(row, j, RowBuffers.FIRST_MODEL);
            add(j, model.data(), model.at(), chunks.width(j),
                    loops.max(model.data(), model.at(), chunks.width(j)));
        }
        finish();
    }

    /** Takes a chunk and its maximum, in any order. */
    void add(int chunk, MemorySegment x, long at, int count, float m) {
        maxima[chunk] = m;
        sums[chunk] = 0;
        products[chunk] = 0;
        if (Float.isFinite(m)) {
            MemorySegment lanes = RowBuffers.buffer(RowBuffers.LANE_SUMS);
            loops.exponentials(x, at, m, lanes, count);
            sums[chunk] = LaneSums.fold(lanes, 0);
            products[chunk] = moments ? LaneSums.fold(lanes, LANES) : 0;
        }
    }

    /** Ends the row, once all chunks are there. */
    void finish() {
        max = Float.NEGATIVE_INFINITY;
        for (float m : maxima) {
            max = Math.max(max, m);
        }
        sum = Double.NaN;
        moment = Double.NaN;
        if (!Float.isFinite(max)) {
            return;
        }
        for (int j = 0; j < maxima.length; j++) {
            float d = Math.max(maxima[j] - max, FloatMath.EXP_ZERO);
            double scale = FloatMath.exp(d);
            products[j] = scale * (products[j] + d * sums[j]);
            sums[j] = scale * sums[j];
        }
        sum = LaneSums.pairs(sums, sums.length);
        moment = LaneSums.pairs(products, products.length);
    }

    /** {@return the exponential of the largest difference to m in a chunk} */
    float largest(int chunk) {
        return FloatMath.exp(Math.max(maxima[chunk] - max, FloatMath.EXP_ZERO));
    }

    /** {@return m} */
    float max() {
        return max;
    }

    /** {@return S: 1 or more, or NaN} */
    double sum() {
        return sum;
    }

    /** {@return the mean of the differences to m: T / S} */
    double meanDifference() {
        return moment / sum;
    }

    /** {@return the logarithm of S} */
    float logSum() {
        return FloatMath.log((float) sum);
    }

    /** {@return the logarithm of the sum of the exponentials} */
    float logSumExp() {
        return Float.isFinite(max) ? max + logSum() : max;
    }

    /** {@return the entropy, in nats} */
    float entropy() {
        return logSum() - (float) meanDifference();
    }
}
