package dev.fusor.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * A dense, row-major tensor in memory that somebody else owns: a view of a segment with a type and a shape.
 *
 * <p>The data may start at any address; nothing is assumed about its alignment. A tensor lives as long as the arena of
 * its segment, and may be used by the threads that may use that segment. Tensors are immutable descriptions of mutable
 * memory: slicing never copies.
 */
public final class Tensor implements TensorSource {
    private final MemorySegment data;
    private final DType dtype;
    private final Shape shape;

    private Tensor(MemorySegment data, DType dtype, Shape shape) {
        this.data = data;
        this.dtype = dtype;
        this.shape = shape;
    }

    /**
     * {@return a tensor over existing memory}
     *
     * @param data exactly the bytes of the tensor
     * @param dtype the element type
     * @param shape the shape
     * @throws IllegalArgumentException if the size of {@code data} is not the one that type and shape demand
     */
    public static Tensor of(MemorySegment data, DType dtype, Shape shape) {
        Objects.requireNonNull(data, "data is null");
        long wanted = dtype.byteSize(shape.elements());
        if (data.byteSize() != wanted) {
            throw new IllegalArgumentException(
                    "a tensor %s %s takes %d bytes, got a segment of %d".formatted(dtype, shape, wanted,
                            data.byteSize()));
        }
        return new Tensor(data, dtype, shape);
    }

    /**
     * {@return a tensor of zeros}
     *
     * @param arena owns the memory
     * @param dtype the element type
     * @param extents the extents, outermost first
     */
    public static Tensor allocate(Arena arena, DType dtype, long... extents) {
        Shape shape = Shape.of(extents);
        return new Tensor(arena.allocate(dtype.byteSize(shape.elements()), 64), dtype, shape);
    }

    /** {@return the memory, exactly the bytes of this tensor} */
    public MemorySegment data() {
        return data;
    }

    /** {@return the element type} */
    @Override
    public DType dtype() {
        return dtype;
    }

    /** {@return the shape} */
    @Override
    public Shape shape() {
        return shape;
    }

    /**
     * {@return the flat elements {@code from} to {@code from + count} as a tensor of one axis, without copying}
     *
     * @param from the first flat index, row-major
     * @param count how many elements
     * @throws IndexOutOfBoundsException if the range is not inside the tensor
     * @throws IllegalArgumentException if the range of a packed type does not start and end at whole bytes
     */
    @Override
    public Tensor slice(long from, long count) {
        Objects.checkFromIndexSize(from, count, elements());
        return new Tensor(data.asSlice(dtype.byteSize(from), dtype.byteSize(count)), dtype, Shape.of(count));
    }

    /** {@return type and shape, as {@code BF16 [4096, 128]}} */
    @Override
    public String toString() {
        return dtype + " " + shape;
    }
}
