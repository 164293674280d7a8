package dev.fusor.consensus;

import dev.fusor.simd.Scratch;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.TaskVector;
import java.util.Arrays;
import java.util.List;

/**
 * Task vectors of several models made into one, element by element, in float32 and in the order of the models; on the calling
 * thread. Inner loops go over elements and have masks in place of branches, so that C2 makes vectors of them. Differences are taken as {@link dev.fusor.trim.MagnitudeSelection} takes them.
 */
public final class TaskVectorFusion {
    /** Scratch: arrays 0 to 3 are in use while task vectors are formed. */
    private static final int DELTAS = 4;

    private static final int ONE = Float.floatToRawIntBits(1);

    private TaskVectorFusion() {}

    /** Makes one task vector of several. */
    public sealed interface Fusion {
        /** {@return how many models it takes at least: those that it names, or 1} */
        int fewestModels();

        /**
         * Fuses some elements.
         *
         * @param taskVectors of each model, from index 0
         * @param count how many elements
         * @param fused receives the result
         */
        void fuse(float[][] taskVectors, int count, float[] fused);
    }

    /**
     * {@return MagMax (Marczak et al. 2024, arXiv 2407.06322): the element of largest magnitude} Of equals that of the last model;
     * NaN is larger than all.
     */
    public static Fusion largest() {
        return new Largest();
    }

    /** The element of largest magnitude. */
    record Largest() implements Fusion {
        @Override
        public int fewestModels() {
            return 1;
        }

        @Override
        public void fuse(float[][] taskVectors, int count, float[] fused) {
            System.arraycopy(taskVectors[0], 0, fused, 0, count);
            for (int m = 1; m < taskVectors.length; m++) {
                float[] delta = taskVectors[m];
                for (int i = 0; i < count; i++) {
                    int before = MagnitudeCut.keyOf(delta[i]) - MagnitudeCut.keyOf(fused[i]) >> 31;
                    fused[i] = Float.intBitsToFloat(Float.floatToRawIntBits(delta[i]) & ~before
                            | Float.floatToRawIntBits(fused[i]) & before);
                }
            }
        }
    }

    /**
     * {@return the unified task vector of EMR-Merging (Huang et al. 2024, arXiv 2405.17461)} The sum of the task vectors elects
     * a sign, plus if it is more than 0 and else minus; of the elements of that sign the largest by magnitude is taken, 0 if there is
     * none. A sum of NaN gives NaN.
     */
    public static Fusion unified() {
        return new Unified(Unified.UNMASKED);
    }

    /**
     * {@return the unified task vector under one model's mask, which keeps the elements at which the model has the elected sign}
     *
     * @param model its place among the models
     * @throws IllegalArgumentException if the place is negative
     */
    public static Fusion masked(int model) {
        requirePlaces(model);
        return new Unified(model);
    }

    /**
     * The largest element of the elected sign.
     *
     * @param mask the model whose mask is laid over them, or {@link #UNMASKED}
     */
    record Unified(int mask) implements Fusion {
        static final int UNMASKED = -1;

        @Override
        public int fewestModels() {
            return Math.max(1, mask + 1);
        }

        @Override
        public void fuse(float[][] taskVectors, int count, float[] fused) {
            unify(taskVectors, count, fused);
            if (mask == UNMASKED) {
                return;
            }
            float[] delta = taskVectors[mask];
            for (int i = 0; i < count; i++) {
                int unified = Float.floatToRawIntBits(fused[i]);
                int mine = Float.floatToRawIntBits(delta[i]);
                int agrees = nonZeroMask(unified) & nonZeroMask(mine) & ~nanMask(mine) & ~((unified ^ mine) >> 31);
                fused[i] = Float.intBitsToFloat(unified & (agrees | nanMask(unified)));
            }
        }
    }

    private static void unify(float[][] taskVectors, int count, float[] fused) {
        float[] most = Scratch.mine().floats(DELTAS + taskVectors.length);
        float[] least = Scratch.mine().floats(DELTAS + taskVectors.length + 1);
        sum(taskVectors, count, fused);
        Arrays.fill(most, 0, count, 0f);
        Arrays.fill(least, 0, count, 0f);
        for (float[] delta : taskVectors) {
            for (int i = 0; i < count; i++) {
                most[i] = Math.max(most[i], delta[i]);
            }
            for (int i = 0; i < count; i++) {
                least[i] = Math.min(least[i], delta[i]);
            }
        }
        for (int i = 0; i < count; i++) {
            int mass = Float.floatToRawIntBits(fused[i]);
            int electsPlus = positiveMask(mass);
            int elected = Float.floatToRawIntBits(most[i]) & electsPlus
                    | Float.floatToRawIntBits(least[i]) & ~electsPlus;
            int nan = nanMask(mass);
            fused[i] = Float.intBitsToFloat(mass & nan | elected & ~nan);
        }
    }

    /** All ones if a number of these bits is more than 0, else 0. */
    private static int positiveMask(int bits) {
        return ~((bits | bits - 1) >> 31 | nanMask(bits));
    }

    /** All ones if a number of these bits is not 0, else 0. */
    private static int nonZeroMask(int bits) {
        return -(bits & Integer.MAX_VALUE) >> 31;
    }

    /** All ones if a number of these bits is NaN, else 0. */
    private static int nanMask(int bits) {
        return Float.floatToRawIntBits(Float.POSITIVE_INFINITY) - (bits & Integer.MAX_VALUE) >> 31;
    }

    /**
     * {@return the sum of the task vectors where masks of enough models are set} A TALL mask (Wang et al. 2024, arXiv 2405.07813)
     * of a model is set where |t| &gt; l |s - t|, with t its task vector, l its threshold and s the sum of all. With one model and
     * one mask this is the model that the masks store; with those of all models it is consensus merging of the same paper. Elsewhere
     * the result is 0; where the sum is NaN it is NaN.
     *
     * @param models whose masks are asked, each once
     * @param thresholds l of each of these models, rounded to float32
     * @param fewest how many masks have to be set
     * @throws IllegalArgumentException if there are not as many models as thresholds, or a place is negative or named twice
     */
    public static Fusion tallMasked(int[] models, double[] thresholds, int fewest) {
        requirePlaces(models);
        if (models.length != thresholds.length || Arrays.stream(models).distinct().count() < models.length) {
            throw new IllegalArgumentException(
                    "a threshold is wanted for each model, and each model once, got %s and %s"
                            .formatted(Arrays.toString(models), Arrays.toString(thresholds)));
        }
        return new TallMasked(models.clone(), thresholds.clone(), fewest);
    }

    /** The sum where masks are set. */
    record TallMasked(int[] models, double[] thresholds, int fewest) implements Fusion {
        @Override
        public int fewestModels() {
            return Arrays.stream(models).max().orElse(0) + 1;
        }

        @Override
        public void fuse(float[][] taskVectors, int count, float[] fused) {
            float[] set = Scratch.mine().floats(DELTAS + taskVectors.length);
            sum(taskVectors, count, fused);
            Arrays.fill(set, 0, count, 0f);
            for (int m = 0; m < models.length; m++) {
                float[] delta = taskVectors[models[m]];
                float threshold = (float) thresholds[m];
                for (int i = 0; i < count; i++) {
                    // More than 0 just where one is more than the other: differences do not vanish.
                    int more = Float.floatToRawIntBits(
                            Math.abs(delta[i]) - threshold * Math.abs(fused[i] - delta[i]));
                    set[i] += Float.intBitsToFloat(ONE & positiveMask(more));
                }
            }
            for (int i = 0; i < count; i++) {
                int sum = Float.floatToRawIntBits(fused[i]);
                int tooFew = Float.floatToRawIntBits(set[i] - fewest) >> 31;
                fused[i] = Float.intBitsToFloat(sum & (~tooFew | nanMask(sum)));
            }
        }
    }

    private static void requirePlaces(int... models) {
        if (Arrays.stream(models).anyMatch(model -> model < 0)) {
            throw new IllegalArgumentException("the places of models count from 0, got " + Arrays.toString(models));
        }
    }

    private static void sum(float[][] taskVectors, int count, float[] sum) {
        Arrays.fill(sum, 0, count, 0f);
        for (float[] delta : taskVectors) {
            for (int i = 0; i < count; i++) {
                sum[i] += delta[i];
            }
        }
    }

    /**
     * Merges a range of a tensor: {@code fma(lambda, fused, base)}, rounded to the output type; if base or output is F64, in
     * float64.
     *
     * @param base the base model's range
     * @param models at least one; ranges of the base's element count
     * @param fusion makes one task vector of theirs
     * @param lambda scales it, rounded to float32
     * @param out receives the range; may be one of the inputs, but not overlap one otherwise
     * @throws IllegalArgumentException if counts differ, a type is not arithmetic, or the fusion names more models
     */
    public static void merge(Tensor base, List<Tensor> models, Fusion fusion, double lambda, Tensor out) {
        check(base, models, fusion, out);
        float scale = (float) lambda;
        for (long from = 0; from < out.elements(); from += Scratch.ELEMENTS) {
            int count = (int) Math.min(Scratch.ELEMENTS, out.elements() - from);
            float[] fused = fuse(base, models, fusion, from, count);
            if (base.dtype() == DType.F64 || out.dtype() == DType.F64) {
                for (int i = 0; i < count; i++) {
                    Elements.set(out, from + i,
                            Math.fma((double) scale, (double) fused[i], Elements.get(base, from + i)));
                }
            } else {
                float[] b = Scratch.mine().floats(1);
                Elements.load(base, from, b, count);
                for (int i = 0; i < count; i++) {
                    fused[i] = Math.fma(scale, fused[i], b[i]);
                }
                Elements.store(fused, out, from, count);
            }
        }
    }

    /**
     * {@return the sum of the magnitudes of a fused task vector over a range, in float64 and in the order of the elements}
     *
     * @param base the base model's range
     * @param models at least one; ranges of the base's element count
     * @param fusion makes one task vector of theirs
     * @throws IllegalArgumentException if counts differ, a type is not arithmetic, or the fusion names more models
     */
    public static double sumOfMagnitudes(Tensor base, List<Tensor> models, Fusion fusion) {
        check(base, models, fusion, base);
        double sum = 0;
        for (long from = 0; from < base.elements(); from += Scratch.ELEMENTS) {
            int count = (int) Math.min(Scratch.ELEMENTS, base.elements() - from);
            float[] fused = fuse(base, models, fusion, from, count);
            for (int i = 0; i < count; i++) {
                sum += Math.abs(fused[i]);
            }
        }
        return sum;
    }

    private static float[] fuse(Tensor base, List<Tensor> models, Fusion fusion, long from, int count) {
        Scratch scratch = Scratch.mine();
        float[][] taskVectors = new float[models.size()][];
        for (int m = 0; m < taskVectors.length; m++) {
            taskVectors[m] = scratch.floats(DELTAS + m);
            TaskVector.load(base, models.get(m), from, taskVectors[m], count);
        }
        float[] fused = scratch.floats(0);
        fusion.fuse(taskVectors, count, fused);
        return fused;
    }

    private static void check(Tensor base, List<Tensor> models, Fusion fusion, Tensor out) {
        requireModels(fusion, models.size());
        for (Tensor x : models) {
            if (x.elements() != out.elements() || base.elements() != out.elements() || !x.dtype().isArithmetic()
                    || !base.dtype().isArithmetic() || !out.dtype().isArithmetic()) {
                throw new IllegalArgumentException(
                        "a fusion takes tensors of arithmetic types and equal length, got %s and the base %s for an output %s"
                                .formatted(x, base, out));
            }
        }
    }

    /** Refuses fewer models than a fusion takes. */
    static void requireModels(Fusion fusion, int models) {
        if (models < fusion.fewestModels()) {
            throw new IllegalArgumentException("the fusion takes the task vectors of %d models or more, got %d"
                    .formatted(fusion.fewestModels(), models));
        }
    }
}
