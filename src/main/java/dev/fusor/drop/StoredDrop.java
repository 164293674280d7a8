package dev.fusor.drop;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * A drop whose factors were computed before.
 *
 * @param first the flat index of the element that the first factor is for
 * @param factors float32; in device memory a merge on that device can use them, and no other
 */
public record StoredDrop(long first, Tensor factors) implements DropFactors {
    /** Checks the type. */
    public StoredDrop {
        if (factors.dtype() != DType.F32) {
            throw new IllegalArgumentException("factors are of F32, got " + factors);
        }
    }

    @Override
    public void load(long from, int count, MemorySegment to) {
        MemorySegment range = factors.slice(from - first, count).data();
        MemorySegment.copy(range, 0, to, 0, range.byteSize());
    }
}
