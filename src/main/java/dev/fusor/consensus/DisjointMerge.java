package dev.fusor.consensus;

import dev.fusor.device.CpuDevice;
import dev.fusor.drop.DropFactors;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.MagnitudeBand;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.MagnitudeSelection;
import dev.fusor.trim.MagnitudeSelection.Selected;
import dev.fusor.trim.MagnitudeSelection.Ties;
import java.util.List;

/**
 * The sign election and disjoint merge of TIES (Yadav et al. 2023, arXiv 2306.01708) over task vectors that are made sparse
 * where they are formed; or, without an election, their sum.
 *
 * <p>For each element, in float32 and in the order of the models:
 * <ol>
 * <li>a model's sparse task vector is {@code f (x - b)}, both operations rounded (the difference is taken as
 * {@link dev.fusor.trim.MagnitudeSelection} takes it; f is the factor of the model's drop, and there is no product without
 * one); where its band does not keep the difference or its drop drops the element, the model's vote is +0, whatever x is;
 * <li>else its vote is that, times its weight w unless the election is {@link Election#UNWEIGHTED};
 * <li>the votes are added up, from +0, or their signs with {@link Election#COUNT}; a sum of more than 0 elects plus, less elects
 * minus, and 0 what {@link Zero} says;
 * <li>the magnitudes of the votes of the elected sign are added up, from +0 (times w if that was left out before), and the sum
 * takes that sign; so are their weights; a vote of 0 has no sign. With {@link Aggregation#LARGEST} only that of them which is
 * largest by magnitude counts, of equals that of the first model. With {@link Election#NONE} the sum of all votes stands instead,
 * and the weights of all models, added in float64 and rounded;
 * <li>the sum is divided by the sum of the weights if {@code normalize}, unless that is 0;
 * <li>the result is {@code fma(lambda, sum, b)}, rounded to the output type; if base or output is F64, this last step is
 * taken in float64.
 * </ol>
 * If the sum that elects is NaN (a vote is NaN, or infinite votes oppose each other and are not only counted), the result is NaN.
 * Tensors of no elements are left alone.
 */
public sealed interface DisjointMerge permits DisjointMergeCpu {
    /** Whose votes count. */
    enum Election {
        /** Those of the sign that has more of the weighted task vectors: TIES. */
        WEIGHTED,
        /** Those of the sign that has more of the task vectors as they are: SCE, and the authors of TIES. */
        UNWEIGHTED,
        /** All. */
        NONE,
        /** Those of the sign that more of the weighted task vectors have. */
        COUNT
    }

    /** What is made of the votes of the elected sign. */
    enum Aggregation {
        /** Their sum: TIES, and with {@code normalize} its disjoint mean. */
        SUM,
        /** The largest of them by magnitude. */
        LARGEST
    }

    /** What a sum of 0 elects. */
    enum Zero {
        /** Plus, as in mergekit. */
        PLUS,
        /** Minus. */
        MINUS
    }

    /**
     * How votes become the result.
     *
     * @param election whose votes count
     * @param aggregation what is made of them; there is only the sum without an election
     * @param zero what a sum of 0 elects
     * @param lambda scales the merged task vector, rounded to float32
     * @param normalize whether to divide by the weights of those who count
     */
    record Rule(Election election, Aggregation aggregation, Zero zero, double lambda, boolean normalize) {
        /** Checks what goes together. */
        public Rule {
            if (election == Election.NONE && aggregation != Aggregation.SUM) {
                throw new IllegalArgumentException("without an election votes are added up, got " + aggregation);
            }
        }

        /**
         * A rule that adds votes up, and by which a sum of 0 elects plus.
         *
         * @param election whose votes count
         * @param lambda scales the merged task vector, rounded to float32
         * @param normalize whether to divide by the weights of those who count
         */
        public Rule(Election election, double lambda, boolean normalize) {
            this(election, Aggregation.SUM, Zero.PLUS, lambda, normalize);
        }
    }

    /**
     * A model and its part in the merge.
     *
     * @param x the model, or the range of it that is merged
     * @param weight its weight, rounded to float32
     * @param band what of its task vector is kept, by magnitude
     * @param drop what of its task vector is dropped, and what the rest is multiplied by, or null for nothing
     */
    record Voter(Tensor x, double weight, MagnitudeBand band, DropFactors drop) {
        /**
         * A model that is trimmed from below.
         *
         * @param x the model, or the range of it that is merged
         * @param weight its weight, rounded to float32
         * @param cut what of its task vector is kept
         */
        public Voter(Tensor x, double weight, MagnitudeCut cut) {
            this(x, weight, new MagnitudeBand(cut, MagnitudeCut.NONE), null);
        }
    }

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
     * @param first the flat index of the range's first element in the whole tensor, which bands and drops refer to
     * @param rule how votes become the result
     * @param out receives the range; may be one of the inputs, but not overlap one otherwise
     * @throws IllegalArgumentException if counts differ or a type is not arithmetic
     */
    void merge(Tensor base, List<Voter> voters, long first, Rule rule, Tensor out);

    /**
     * A model whose task vector is trimmed to its largest magnitudes.
     *
     * @param x the model
     * @param weight its weight, rounded to float32
     * @param kept how many elements are kept: 0 or more, all if it is more than there are
     */
    record Trimmed(TensorSource x, double weight, long kept) {}

    /**
     * Takes a merged tensor, range by range and some ranges more than once. Called on several threads at the same time; those that
     * take the same range do so one after the other.
     */
    interface Sink {
        /** {@return the type of the merged tensor} */
        DType dtype();

        /**
         * {@return memory that a range is about to be merged into, the calling thread's until {@link #done}}
         *
         * @param from the range's first element
         * @param count how many elements
         */
        Tensor begin(long from, int count);

        /**
         * Takes a range.
         *
         * @param from the range's first element
         * @param range what was returned before, merged
         */
        void done(long from, Tensor range);
    }

    /**
     * Trims, elects and merges whole tensors: what {@link MagnitudeSelection} and {@link #merge(Tensor, List, long, Rule, Tensor)}
     * do one after the other. Where task vectors have few different magnitudes, as those of BF16 models, or nearly all different
     * ones, as those of F32 models, inputs are read little more than once: the tensors are merged by the cuts that a sample makes
     * likely, and what these got wrong is merged again.
     *
     * @param base the base model's tensor
     * @param models at least one; tensors of the base's element count
     * @param ties what becomes of equal magnitudes where a model is cut
     * @param rule how votes become the result
     * @param out receives the merged tensor; may not overlap an input
     * @return the cut of each model, and what was read for cuts and merge
     * @throws IllegalArgumentException if counts differ, a type is not arithmetic, a number to keep is negative or the output
     * overlaps an input
     */
    Selected merge(Tensor base, List<Trimmed> models, Ties ties, Rule rule, Tensor out);

    /**
     * Merges as {@link #merge(Tensor, List, Ties, Rule, Tensor)} tensors that come in ranges and go in ranges, where magnitudes are few
     * in one read.
     *
     * @param base the base model's tensor
     * @param models at least one; tensors of the base's element count
     * @param ties what becomes of equal magnitudes where a model is cut
     * @param rule how votes become the result
     * @param out receives the merged tensor; what it writes may not be read as an input
     * @return the cut of each model, and what was read for cuts and merge
     * @throws IllegalArgumentException if counts differ, a type is not arithmetic or a number to keep is negative
     */
    Selected merge(TensorSource base, List<Trimmed> models, Ties ties, Rule rule, Sink out);

    /**
     * {@return how many more elements of a range elect plus than minus} Elements whose sum is 0 or NaN elect neither.
     *
     * @param base the base model's range
     * @param voters at least one; ranges of the base's element count
     * @param first the flat index of the range's first element in the whole tensor, which bands and drops refer to
     * @param election one in which signs are elected
     * @throws IllegalArgumentException if counts differ, a type is not arithmetic, or nothing is elected
     */
    long majority(Tensor base, List<Voter> voters, long first, Election election);
}
