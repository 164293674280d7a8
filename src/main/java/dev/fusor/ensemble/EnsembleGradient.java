package dev.fusor.ensemble;

import dev.fusor.device.CpuDevice;
import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.tensor.Tensor;
import java.util.Map;

/**
 * How a loss of an ensemble changes with the weights and temperatures of its models, row by row, from the same pass over the
 * logits as the loss itself: what an optimiser needs to learn them.
 *
 * <p>Of {@link Mode#LOGITS}, {@link Mode#LOG_PROBABILITIES} and {@link Mode#PROBABILITIES}; in the first two all models have
 * all classes, so both are the same function. x, w, s, P, m, S, T, q = exp(s - m) (1 / S), chunks and sums over classes are those of
 * {@link LogitEnsemble}; with V the sum of the weights of a row, v = weight * gate, t a temperature and y the label, all but what
 * is said to be float32 is float64, sums over models in order, by fused multiply-adds from +0:
 *
 * <ul>
 * <li><b>Scores.</b> {@code G = sum of g(c) (x(c) - x(r))} over the classes for each model, float32, 0 where g is. For the cross-entropy
 * g = q and r = y; for the entropy {@code g = q ((s - m) - T / S)}, the quotient rounded to float32, r is the best class, and the
 * sum is negated. With M the sum of w G, dL/dv is {@code (G - M) / V} and dL/dt is {@code -w G / t}.
 * <li><b>Probabilities, cross-entropy.</b> With {@code d = x(y) - m} of each model and D the largest of those that take part, or 0
 * if that is -infinity, {@code k = exp(d - D) / S} (d, D and the exponential float32), and K the sum of w k, the loss is
 * {@code -(D + log(K))} in float32, dL/dv is {@code (1 - k / K) / V} and dL/dt is {@code w (k / K) (d - T / S) / t}, 0 where k is.
 * <li><b>Probabilities, entropy.</b> Here P starts from 2^-149, so that its logarithm is finite, and p is {@code exp(d) (1 / S)}, the
 * reciprocal rounded to float32. With {@code A = sum of p log(P)} and {@code B = sum of (p log(P)) (x - m)} over the classes, float32, 0 where
 * p is, the entropy H is minus the sum of w A, dL/dv is {@code (-A - H) / V} and dL/dt is {@code w (B - A (T / S)) / t}.
 * </ul>
 *
 * <p>A model of share 0 has its one-sided derivative by v, and 0 by t. Where weights make no sense, or the maximum of a model that takes part
 * is infinite or NaN, a row is NaN; where a loss is infinite, its gradient is not finite. Neither threads nor the cut
 * of a batch into calls change a bit.
 *
 * <p>The gradient by the weight of a model is the sum over rows of dL/dv times the gate; by a gate it is dL/dv times the weight. The entropy is
 * what AdaMerging minimises where there are no labels (Yang et al. 2024, arXiv 2310.02575); for weights inside a merged model, not beside
 * several, see {@link dev.fusor.reduce.Reduction#taskVectorProducts}.
 */
public sealed interface EnsembleGradient permits EnsembleGradientCpu {
    /** What is differentiated. */
    enum Objective {
        /** Minus the log-probability of the label. */
        CROSS_ENTROPY,
        /** The entropy of the combined distribution, in nats; takes no labels. */
        ENTROPY
    }

    /** What is asked for; rows of results are dense. */
    enum Output {
        /** The objective itself: [rows], F32. */
        OBJECTIVE,
        /** Its derivative by weight * gate: [rows, models], F32. */
        WEIGHTS,
        /** Its derivative by the temperature: [rows, models], F32. */
        TEMPERATURES
    }

    /**
     * {@return the primitive on a device}
     *
     * @param device runs it
     */
    static EnsembleGradient on(CpuDevice device) {
        return new EnsembleGradientCpu(device);
    }

    /**
     * Differentiates the rows of a batch in one pass; the logits of a row are read again from the cache where a mode needs them
     * twice.
     *
     * @param mode LOGITS, LOG_PROBABILITIES or PROBABILITIES
     * @param objective what is differentiated
     * @param batch what is combined; with labels if the objective takes them
     * @param outputs where each result goes that is wanted; they overlap neither each other nor the inputs
     * @throws IllegalArgumentException if shapes, types, weights, temperatures or labels are not as they should be, the mode is
     *         another, or models lack classes in a mode of scores; nothing has been written then
     */
    void differentiate(Mode mode, Objective objective, Batch batch, Map<Output, Tensor> outputs);
}
