package dev.fusor.simd;

import dev.fusor.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;

/** Conversion between element types by vectors, NaN made canonical. */
public final class Convert {
    private static final Specialised<Types, Loop> TEMPLATE = new Specialised<>(MethodHandles.lookup(), "ConvertLanes",
            Loop.class);

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
        void run(MemorySegment from, long fromByte, MemorySegment to, long toByte, long count);
    }

    /**
     * {@return the conversion between two types}
     *
     * @param from a type that {@link Lanes} supports
     * @param to likewise
     */
    public static Loop between(DType from, DType to) {
        return TEMPLATE.of(new Types(from, to));
    }
}
