package dev.fusor.trim;

import dev.fusor.simd.Scratch;
import dev.fusor.tensor.TensorSource;

/** A task vector, or what is left of it, as a tensor that is computed as it is asked for. */
public final class TaskVectorSource extends ComputedSource {
    /** Elements that are formed at a time, at most. */
    public static final int MOST = Scratch.ELEMENTS;

    private final Thinning thinning;

    /** What is left of a task vector. */
    @FunctionalInterface
    public interface Thinning {
        /**
         * {@return what is left of a range} It is asked for before the range's tensors are.
         *
         * @param from the flat index of its first element
         * @param count how many elements it has
         */
        Thinned over(long from, long count);
    }

    /** What is left of a range. */
    @FunctionalInterface
    public interface Thinned {
        /**
         * Makes a task vector thinner.
         *
         * @param index the flat index of the first element
         * @param delta the task vector, and then what is left of it, from index 0
         * @param count how many, at most {@link #MOST}
         */
        void apply(long index, float[] delta, int count);
    }

    /**
     * A whole task vector.
     *
     * @param base the base model
     * @param x the model
     * @throws IllegalArgumentException if the lengths differ or a type is not arithmetic
     */
    public TaskVectorSource(TensorSource base, TensorSource x) {
        this(base, x, (from, count) -> (index, delta, n) -> {});
    }

    /**
     * What is left of a task vector.
     *
     * @param base the base model
     * @param x the model
     * @param thinning says what
     * @throws IllegalArgumentException if the lengths differ or a type is not arithmetic
     */
    public TaskVectorSource(TensorSource base, TensorSource x, Thinning thinning) {
        super(base, x);
        this.thinning = thinning;
    }

    @Override
    Part part(long from, long count) {
        Thinned thinned = thinning.over(from, count);
        return (ranges, at, values, n) -> {
            TaskVector.load(ranges.get(0), ranges.get(1), at, values, n);
            thinned.apply(from + at, values, n);
        };
    }
}
