package dev.fusor.ensemble;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.Tensor;
import java.util.List;
import java.util.Map;

/**
 * Combines the logits of several models, row by row, into one prediction: no probabilities of single models are stored.
 *
 * <p>A row of a model is {@code x(c) = z(c) * (1 / temperature)}, float32, where z is the logit and the reciprocal is
 * rounded once; a class the model lacks has {@code x(c)} = -infinity. The weight of a model in a row is its own, times its
 * gate in that row; divided by the sum of all of them (float64, in the order of the models) it is the model's share w,
 * rounded to float32. A model whose share is 0 is left out of the row as if it were not there. A row has NaN for all
 * results, and the first classes for its best, where a weight is negative or NaN or the sum is not positive and finite.
 *
 * <p><b>Sums over classes.</b> A row is cut into chunks of {@link #CHUNK} classes. Within a chunk, class c belongs to
 * lane c mod {@link #LANES}; a lane starts at +0 and adds its terms in order, float32, and lanes are folded in halves (lane l
 * takes lane l + 32, then + 16, down to + 1). Chunks are added in float64 in pairs of neighbours, level by level, an odd one
 * out moving up unchanged. Neither threads nor the cut of a batch into calls change a bit.
 *
 * <p><b>Sums of exponentials.</b> With m_j the maximum of chunk j, the chunk gives {@code S_j}, the sum of exp(d), and
 * {@code T_j}, the sum of exp(d) d (fused), of {@code d = max(x(c) - m_j, -104)}; both are 0 if m_j is -infinity. With m the
 * maximum of the row and {@code d_j = max(m_j - m, -104)}, S sums {@code exp(d_j) S_j} and T sums
 * {@code exp(d_j) (T_j + d_j S_j)}, each operation in float64. Then logsumexp is {@code m + log(S)} and the entropy
 * {@code log(S) - T / S}, S and the quotient rounded to float32. If m is infinite or NaN, logsumexp is m, and S, T and all that
 * come from them are NaN. No finite logits overflow. exp and log are float32 polynomials within one unit in the last place
 * (docs/adr/014).
 *
 * <p><b>Modes of scores</b> ({@link Mode#LOGITS}, {@link Mode#LOG_PROBABILITIES}, {@link Mode#MAXIMUM},
 * {@link Mode#MOST_CONFIDENT}) make one number s(c) of each class; with m, S and T of that row, log-probabilities are
 * {@code (s - m) - log(S)} and probabilities {@code exp(max(s - m, -104)) * (1 / S)}, the reciprocal rounded from float64.
 * <b>Modes of probabilities</b> ({@link Mode#PROBABILITIES}, {@link Mode#VOTE}) make P(c); log-probabilities are log(P), and the
 * entropy is minus the sum of P log(P), 0 where P is 0.
 *
 * <p>Classes are ranked by s or P, NaN above all, the lowest of equal ones first. The result for a row of NaN is NaN; of
 * rows all of -infinity, or with +infinity, the modes of scores still rank the classes.
 */
public sealed interface LogitEnsemble permits LogitEnsembleCpu {
    /** Classes of one chunk. */
    int CHUNK = 1024;

    /** Lanes of a chunk. */
    int LANES = 64;

    /** The most models. */
    int MOST_MODELS = 64;

    /** How the models become one. */
    enum Mode {
        /**
         * The weighted mean of the logits: {@code s = fma(w, x, s)} over the models in order, from +0. Where models lack classes,
         * the mean of a class is over those that have it: the sum is divided by that of their shares, and -infinity if there
         * is none.
         */
        LOGITS,
        /**
         * The weighted mean of the probabilities: {@code P = fma(w / S, exp(d), P)} over the models in order, from +0, with
         * {@code d = max(x - m, -104)} and m and S of the model's row; w / S is rounded from float64. Where P is less than
         * 2^-100, its logarithm is {@code M + log(sum of exp(a - M))} over {@code a = (log(w) + (x - m)) - log(S)} and their maximum
         * M, so that losses stay finite as long as one model allows the class.
         */
        PROBABILITIES,
        /**
         * The weighted geometric mean of the probabilities, or product of experts (Hinton 2002,
         * doi 10.1162/089976602760128018): as LOGITS, but with the log-probabilities {@code x - logsumexp} for x where models
         * lack classes. Where they do not, that would only shift all classes alike, and is left out.
         */
        LOG_PROBABILITIES,
        /** The element-wise maximum of x: +0 above -0, NaN if any is. Shares say no more than who takes part. */
        MAXIMUM,
        /** The row of the model whose largest probability is largest, that is, S smallest; the first of equal ones, and NaN never. */
        MOST_CONFIDENT,
        /** Each model gives its share to its best class; shares of a class are added in order, float32. */
        VOTE
    }

    /** What is asked for; rows of results are dense. */
    enum Output {
        /** The combined logits s, or the log-probabilities in modes of probabilities: [rows, classes], F32, F16 or BF16. */
        LOGITS,
        /** [rows, classes], F32, F16 or BF16. */
        LOG_PROBABILITIES,
        /** [rows, classes], F32, F16 or BF16. */
        PROBABILITIES,
        /** The best class: [rows], I32. */
        ARGMAX,
        /** The k best classes, best first: [rows, k], I32, k from 1 to the number of classes. */
        TOP_CLASSES,
        /** Their log-probabilities: [rows, k], F32. */
        TOP_LOG_PROBABILITIES,
        /** Of the combined distribution, in nats: [rows], F32. */
        ENTROPY,
        /** Of each model by itself: [rows, models], F32. */
        LOG_SUM_EXP,
        /**
         * The mutual information of class and model, in nats: the entropy of the mean less the mean of the models' entropies,
         * {@code fma(-w, H, .)} over the models in order (Houlsby et al. 2011, arXiv 1112.5745). For PROBABILITIES alone: [rows], F32.
         */
        DISAGREEMENT,
        /** The cross-entropy: minus the log-probability of the label: [rows], F32. */
        LOSS
    }

    /**
     * The logits of a model. Class c of row r is the flat element {@code first + r * stride + c}.
     *
     * @param logits of an arithmetic type
     * @param first where the first row starts
     * @param stride from row to row, at least the number of classes
     * @param weight 0 or more
     * @param temperature divides the logits; more than 0
     * @param present U8 or BOOL [classes], not 0 where the model has the class; null if it has all
     */
    record Model(Tensor logits, long first, long stride, double weight, double temperature, Tensor present) {
        /**
         * {@return a model of weight and temperature 1 that has all classes}
         *
         * @param logits [rows, classes], or with more columns than there are classes
         * @throws IllegalArgumentException if it has not two axes
         */
        public static Model of(Tensor logits) {
            if (logits.shape().rank() != 2) {
                throw new IllegalArgumentException("logits are [rows, classes], got " + logits);
            }
            return new Model(logits, 0, logits.shape().extent(1), 1, 1, null);
        }

        /**
         * {@return the same with another weight}
         *
         * @param other 0 or more
         */
        public Model weighted(double other) {
            return new Model(logits, first, stride, other, temperature, present);
        }

        /**
         * {@return the same with another temperature}
         *
         * @param other more than 0
         */
        public Model tempered(double other) {
            return new Model(logits, first, stride, weight, other, present);
        }

        /**
         * {@return the same with classes that it lacks}
         *
         * @param mask U8 or BOOL [classes], 0 where it lacks the class
         */
        public Model limited(Tensor mask) {
            return new Model(logits, first, stride, weight, temperature, mask);
        }
    }

    /**
     * What is combined.
     *
     * @param models 1 to {@link #MOST_MODELS}, in order
     * @param rows how many; 0 does nothing
     * @param classes how many, 1 or more
     * @param gates weights of each row, of an arithmetic type: [rows, models]; null for 1
     * @param labels the right class of each row, I32 or I64: [rows]; null if there are none
     */
    record Batch(List<Model> models, long rows, int classes, Tensor gates, Tensor labels) {}

    /**
     * {@return the primitive on a device}
     *
     * @param device runs it
     */
    static LogitEnsemble on(CpuDevice device) {
        return new LogitEnsembleCpu(device);
    }

    /**
     * Combines the rows of a batch in one pass; the logits of a row are read again from the cache where a mode needs them
     * twice.
     *
     * @param mode how
     * @param batch what
     * @param outputs where each result goes that is wanted; they overlap neither each other nor the inputs
     * @throws IllegalArgumentException if shapes, types, weights, temperatures or labels are not as they should be, or a mode
     *         lacks an output; nothing has been written then
     */
    void combine(Mode mode, Batch batch, Map<Output, Tensor> outputs);
}
