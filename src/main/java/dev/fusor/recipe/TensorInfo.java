package dev.fusor.recipe;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import java.util.Objects;

/**
 * What a plan needs to know of one tensor of a checkpoint.
 *
 * @param dtype its element type
 * @param shape its extents
 * @param file the file it lies in, for messages
 */
public record TensorInfo(DType dtype, Shape shape, String file) {
    /** Checks that nothing is missing. */
    public TensorInfo {
        Objects.requireNonNull(dtype, "dtype is null");
        Objects.requireNonNull(shape, "shape is null");
        Objects.requireNonNull(file, "file is null");
    }
}
