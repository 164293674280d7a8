package dev.fusor.checkpoint;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import java.nio.file.Path;

/**
 * Where one tensor lies on disk.
 *
 * @param name the name in the checkpoint
 * @param dtype the element type
 * @param shape the shape
 * @param file the file that holds the data
 * @param offset where the data starts, in bytes from the start of the file
 * @param byteSize how many bytes the data takes
 */
public record TensorEntry(String name, DType dtype, Shape shape, Path file, long offset, long byteSize) {
    /**
     * {@return true if the data starts at a multiple of the element size} The format does not promise it, and files
     * where it does not hold are common; packed types are always aligned.
     */
    public boolean aligned() {
        return offset % Math.max(1, dtype.bits() / 8) == 0;
    }
}
