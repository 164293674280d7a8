package dev.fusor.consensus;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.Tensor;
import dev.fusor.trim.MagnitudeCut;
import java.util.List;

/**
 * The sign election and disjoint merge of TIES (Yadav et al. 2023, arXiv 2306.01708) over task vectors that are trimmed
 * where they are formed.
 *
 * <p>For each element, in float32 and in the order of the models:
 * <ol>
 * <li>a model's vote is {@code w (x - b)}, both operations rounded, if its cut keeps the element, and 0 otherwise (the
 * difference is taken as {@link dev.fusor.trim.MagnitudeSelection} takes it);
 * <li>the votes are added up; a sum of 0 or more elects plus, less elects minus;
 * <li>the votes of the elected sign are added up, and so are their weights; a vote of 0 has no sign;
 * <li>the sum is divided by the sum of the weights if {@code normalize}, unless that is 0;
 * <li>the result is {@code fma(lambda, sum, b)}, rounded to the output type; if base or output is F64, this last step is
 * taken in float64.
 * </ol>
 * If the sum of the votes is NaN (a vote is NaN, or infinite votes oppose each other), the result is NaN. Tensors of no
 * elements are left alone.
 */
public sealed interface DisjointMerge permits DisjointMergeCpu {
    /**
     * A model and its part in the merge.
     *
     * @param x the model, or the range of it that is merged
     * @param weight its weight, rounded to float32
     * @param cut what of its task vector is kept
     */
    record Voter(Tensor x, double weight, MagnitudeCut cut) {}

    /**
     * {@return the primitive on a device}
     *
     * @param device runs it
     */
    static DisjointMerge on(CpuDevice device) {
        return new DisjointMergeCpu(device);
    }

    /**
     * Merges a range of a tensor.
     *
     * @param base the base model's range
     * @param voters at least one; ranges of the base's element count
     * @param first the flat index of the range's first element in the whole tensor, which cuts refer to
     * @param lambda scales the merged task vector, rounded to float32
     * @param normalize whether to divide by the weights of those who agree
     * @param out receives the range; may be one of the inputs, but not overlap one otherwise
     * @throws IllegalArgumentException if counts differ or a type is not arithmetic
     */
    void merge(Tensor base, List<Voter> voters, long first, double lambda, boolean normalize, Tensor out);
}
