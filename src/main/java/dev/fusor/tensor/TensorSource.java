package dev.fusor.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Elements that can be had range by range: a {@link Tensor} in memory, or one that is read as it is asked for.
 *
 * <p>Any thread may ask. What {@link #slice} returns is the asking thread's until it asks the same source again.
 */
public interface TensorSource {
    /** {@return the element type} */
    DType dtype();

    /** {@return the shape} */
    Shape shape();

    /** {@return the number of elements} */
    default long elements() {
        return shape().elements();
    }

    /**
     * {@return a range of flat elements, as a tensor of one axis}
     *
     * @param from the first flat index, row-major
     * @param count how many elements
     */
    Tensor slice(long from, long count);

    /**
     * {@return some elements of a range, brought together in memory of their own}
     *
     * @param arena owns the memory
     * @param from the first flat index of the range, row-major
     * @param places where the elements are, from there; at least one, in order; each in whole bytes
     */
    default Tensor gather(Arena arena, long from, int[] places) {
        Tensor range = slice(from, places[places.length - 1] + 1L);
        Tensor gathered = Tensor.allocate(arena, dtype(), places.length);
        long bytes = dtype().byteSize(1);
        for (int i = 0; i < places.length; i++) {
            MemorySegment.copy(range.data(), places[i] * bytes, gathered.data(), i * bytes, bytes);
        }
        return gathered;
    }

    /**
     * {@return how many bytes are read for a range} Those of what it is computed from, for a tensor that is computed.
     *
     * @param count how many elements
     */
    default long bytesOf(long count) {
        return dtype().byteSize(count);
    }
}
