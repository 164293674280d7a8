package dev.fusor.tensor;

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
     * {@return how many bytes are read for a range} Those of what it is computed from, for a tensor that is computed.
     *
     * @param count how many elements
     */
    default long bytesOf(long count) {
        return dtype().byteSize(count);
    }
}
