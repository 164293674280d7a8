package dev.fusor.simd;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;

/** Conversion between element types by vectors, NaN made canonical. */
public final class Convert {
    private static final Specialised<Types, Loop> TEMPLATE = new Specialised<>(MethodHandles.lookup(), "ConvertLanes",
            Loop.class);

    /** Those made so far: a conversion of a thousand elements is over before a hash table has been asked. */
    private static final Loop[][] KNOWN = new Loop[DType.values().length][DType.values().length];

    private Convert() {}

    /** The types of a conversion. */
    record Types(DType from, DType to) {}

    /** One conversion. */
    public interface Loop {
        /**
         * Converts elements.
         *
         * @param from the elements
         * @param fromByte where the first starts
         * @param to receives as many
         * @param toByte where the first goes
         * @param count how many, a multiple of {@link Lanes#LENGTH}
         */
        void run(MemorySegment from, long fromByte, MemorySegment to, long toByte, int count);
    }

    /**
     * {@return the conversion between two types}
     *
     * @param from a type that {@link Lanes} supports
     * @param to likewise
     */
    public static Loop between(DType from, DType to) {
        Loop known = KNOWN[from.ordinal()][to.ordinal()];
        return known != null ? known : (KNOWN[from.ordinal()][to.ordinal()] = TEMPLATE.of(new Types(from, to)));
    }

    /**
     * Widens elements of a tensor to binary32.
     *
     * @param from the tensor, of a type that {@link Lanes} supports
     * @param index the first flat index
     * @param to receives them from its first byte
     * @param count how many, a multiple of {@link Lanes#LENGTH}
     */
    public static void widen(Tensor from, long index, MemorySegment to, int count) {
        between(from.dtype(), DType.F32).run(from.data(), from.dtype().byteSize(index), to, 0, count);
    }

    /**
     * Rounds binary32 into a tensor.
     *
     * @param from the numbers, from its first byte
     * @param to the tensor, of a type that {@link Lanes} supports
     * @param index the first flat index
     * @param count how many, a multiple of {@link Lanes#LENGTH}
     */
    public static void round(MemorySegment from, Tensor to, long index, int count) {
        between(DType.F32, to.dtype()).run(from, 0, to.data(), to.dtype().byteSize(index), count);
    }
}
