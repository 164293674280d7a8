package dev.fusor.reduce;

import dev.fusor.simd.Lanes;
import dev.fusor.simd.Specialised;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;

/**
 * How many elements are no finite numbers.
 *
 * @param nan elements that are NaN
 * @param infinite elements that are infinite, of either sign
 */
public record NonFinite(long nan, long infinite) {
    /** None at all. */
    public static final NonFinite NONE = new NonFinite(0, 0);

    private static final Specialised<NonFiniteLoop.Form, NonFiniteLoop> TEMPLATE = new Specialised<>(
            MethodHandles.lookup(), "NonFiniteLanes", NonFiniteLoop.class);

    /** Elements of one call: loops this short are compiled as methods, and not in the middle of a run as well. */
    private static final long RANGE = 1024;

    /**
     * {@return the counts of a tensor} The calling thread counts.
     *
     * @param tensor of an arithmetic type
     * @throws IllegalArgumentException for any other type
     */
    public static NonFinite count(Tensor tensor) {
        boolean vectors = Specialised.available() && Lanes.supports(tensor.dtype());
        NonFinite sum = NONE;
        for (long from = 0; from < tensor.elements(); from += RANGE) {
            long count = Math.min(RANGE, tensor.elements() - from);
            long whole = vectors ? count - count % Lanes.LENGTH : 0;
            boolean clean = whole > 0 && TEMPLATE.of(new NonFiniteLoop.Form(tensor.dtype())).count(tensor.data(),
                    tensor.dtype().byteSize(from), (int) whole) == 0;
            sum = sum.plus(clean ? plain(tensor, from + whole, count - whole) : plain(tensor, from, count));
        }
        return sum;
    }

    private static NonFinite plain(Tensor tensor, long from, long count) {
        if (Elements.countNonFinite(tensor, from, count) == 0) {
            return NONE;
        }
        long nan = 0;
        long infinite = 0;
        for (long i = from; i < from + count; i++) {
            double value = Elements.get(tensor, i);
            nan += Double.isNaN(value) ? 1 : 0;
            infinite += Double.isInfinite(value) ? 1 : 0;
        }
        return new NonFinite(nan, infinite);
    }

    /**
     * {@return both counts added up}
     *
     * @param other the counts to add
     */
    public NonFinite plus(NonFinite other) {
        return new NonFinite(nan + other.nan, infinite + other.infinite);
    }

    /** {@return whether there are any} */
    public boolean any() {
        return nan + infinite > 0;
    }

    /** One specialised loop. */
    interface NonFiniteLoop {
        /**
         * What is constant in a loop.
         *
         * @param type the element type
         */
        record Form(DType type) {}

        /** {@return how many of the elements have an exponent of ones} */
        long count(MemorySegment data, long at, int count);
    }
}
