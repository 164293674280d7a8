package dev.fusor.trim;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.TensorSource;
import java.util.List;

/**
 * Finds, exactly, where to cut a task vector so that its k elements of largest magnitude stay: the trim step of TIES
 * (Yadav et al. 2023, arXiv 2306.01708). The task vector is that of a tensor, or of a whole model, whose tensors are then cut
 * at the same magnitude.
 *
 * <p>The task vector is {@code x - base}, each difference rounded to float32 (taken in float64 and then rounded if either
 * tensor is F64), and is never stored; without a base it is x itself, rounded to float32. NaN ranks above infinity. The
 * result depends on the numbers alone, not on threads, ranges or chance.
 */
public sealed interface MagnitudeSelection permits MagnitudeSelectionCpu {
    /** What becomes of elements whose magnitude equals that of the k-th. */
    enum Ties {
        /** Exactly k elements are kept, among equals those of the first tensors, and in a tensor those of lowest flat index. */
        EXACT_K,
        /** All that equal the k-th are kept, as the authors of TIES do: k elements or more. */
        ALL_TIES
    }

    /**
     * {@return the primitive on a device}
     *
     * @param device runs it
     */
    static MagnitudeSelection on(CpuDevice device) {
        return new MagnitudeSelectionCpu(device);
    }

    /**
     * {@return how many elements a density keeps} The product in float64, rounded down.
     *
     * @param density the fraction to keep, from 0 to 1
     * @param elements the elements there are
     * @throws IllegalArgumentException if the density is outside its range or NaN
     */
    static long kept(double density, long elements) {
        if (!(density >= 0 && density <= 1)) {
            throw new IllegalArgumentException("density is a fraction from 0 to 1, got " + density);
        }
        return Math.min(elements, (long) (density * elements));
    }

    /**
     * A tensor whose elements compete with those of others.
     *
     * @param base the base model's, or null to look at the models themselves
     * @param models each model's, of as many elements and any arithmetic types
     */
    record Part(TensorSource base, List<TensorSource> models) {
        /** Keeps a copy of the list. */
        public Part {
            models = List.copyOf(models);
        }
    }

    /**
     * What is to be kept of a model.
     *
     * @param model its place in {@link Part#models}
     * @param k how many elements over all parts; 0 keeps none, the number of elements or more keeps all
     */
    record Wanted(int model, long k) {}

    /**
     * Cuts, and what it took to find them.
     *
     * @param cuts for each that was wanted, one for each part
     * @param bytesRead bytes of tensors that were asked for, a tensor that is computed counted as those it is computed from,
     * and all tensors of a range for each use of it
     * @param passes how often every element of some model was looked at: 0 where nothing had to be looked for, at most 3
     */
    record Selected(List<List<MagnitudeCut>> cuts, long bytesRead, int passes) {}

    /**
     * {@return for each that is wanted, and for each part, the cut that keeps the k largest magnitudes of all parts of its
     * model} All are found in the same passes, in which a base model that several models share is read once.
     *
     * <p>One pass and a sample of at most a 32nd find them in all but adversarial data, two where a model has so many elements
     * (some 300 million on a single list) that those near the cut are too many to hold, and three at most. No more than 16 MiB
     * of elements is held, and some bytes for each 131072 elements.
     *
     * @param parts tensors, in the order in which ties are kept; each of as many models
     * @param wanted what is to be kept of which models; a model may be named twice
     * @param ties what becomes of equals
     * @throws IllegalArgumentException if lengths differ in a part, parts have different numbers of models, a type is not
     * arithmetic, a model is not there or a k is negative
     */
    default Selected select(List<Part> parts, List<Wanted> wanted, Ties ties) {
        return select(parts, wanted, ties, null);
    }

    /** What cuts are needed for. Called on several threads at the same time. */
    interface Use {
        /**
         * Uses cuts in a range, and watches the magnitudes of the task vectors there on the way.
         *
         * @param part the number of the part
         * @param from the range's first element in the part
         * @param count how many elements
         * @param cuts for each that is wanted, the part's
         * @param watch is told of the keys of each that is wanted; null if nobody asks
         */
        void run(int part, long from, int count, List<MagnitudeCut> cuts, KeyWatch watch);
    }

    /** A use that can be put right for some elements alone. */
    interface Mending extends Use {
        /**
         * Uses cuts for some elements of a range, once more.
         *
         * @param part the number of the part
         * @param from the range's first element in the part
         * @param places where the elements are, from there; in order
         * @param cuts for each that is wanted, the part's
         */
        void mend(int part, long from, int[] places, List<MagnitudeCut> cuts);
    }

    /**
     * Selects as {@link #select(List, List, Ties)} and uses the cuts, both in one pass where a sample says enough of them.
     *
     * <p>Where few magnitudes are different, as in task vectors of BF16 models, the sample leaves little doubt about the key of
     * each cut. Everything is used by the cuts that are likely, and what is counted meanwhile proves them; ranges in which a
     * likely cut kept too many or too few are used again. Where nearly all are different, and the use is {@link Mending}, everything is used by cuts in the middle
     * of a bracket, and the elements in some bracket are listed, up to four million (32 MiB); the cuts are found among them, and
     * those on the wrong side are used again. Else everything is used when the cuts are known. Either way the last use of each element
     * is by the cuts that are returned.
     *
     * @param parts tensors, in the order in which ties are kept; each of as many models
     * @param wanted what is to be kept of which models; a model may be named twice
     * @param ties what becomes of equals
     * @param use changes no tensor of a part; null for none
     * @return the cuts, and what was read for them and their use
     * @throws IllegalArgumentException if lengths differ in a part, parts have different numbers of models, a type is not
     * arithmetic, a model is not there or a k is negative
     */
    Selected select(List<Part> parts, List<Wanted> wanted, Ties ties, Use use);

    /**
     * {@return the cut that keeps the k largest magnitudes of one tensor}
     *
     * @param base the base model, or null to look at {@code x} itself
     * @param x the model, of as many elements and any arithmetic type
     * @param k how many to keep; 0 keeps none, the number of elements or more keeps all
     * @param ties what becomes of equals
     * @throws IllegalArgumentException if the lengths differ, a type is not arithmetic or k is negative
     */
    default MagnitudeCut select(TensorSource base, TensorSource x, long k, Ties ties) {
        return select(List.of(new Part(base, List.of(x))), List.of(new Wanted(0, k)), ties).cuts().getFirst()
                .getFirst();
    }

    /**
     * {@return how many elements are not 0} NaN is not.
     *
     * @param base the base model, or null to look at {@code x} itself
     * @param x the model, of as many elements and any arithmetic type
     * @throws IllegalArgumentException if the lengths differ or a type is not arithmetic
     */
    long nonZero(TensorSource base, TensorSource x);
}
