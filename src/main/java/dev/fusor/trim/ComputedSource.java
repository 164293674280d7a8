package dev.fusor.trim;

import dev.fusor.simd.Scratch;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Numbers in float32 that are computed from other tensors as they are asked for, into a buffer of the asking thread.
 */
abstract sealed class ComputedSource implements TensorSource permits TaskVectorSource, TaskVectorVariance {
    private final List<TensorSource> operands;
    private final ThreadLocal<MemorySegment> room = ThreadLocal.withInitial(() -> MemorySegment.NULL);

    /**
     * A source.
     *
     * @param operands of arithmetic types and equal length; the first gives the shape
     */
    ComputedSource(TensorSource... operands) {
        this.operands = List.of(operands);
        for (TensorSource operand : this.operands) {
            if (!operand.dtype().isArithmetic() || operand.elements() != elements()) {
                throw new IllegalArgumentException(
                        "task vectors take arithmetic types and equal length, got %s %s and %s %s"
                                .formatted(this.operands.getFirst().dtype(), shape(), operand.dtype(),
                                        operand.shape()));
            }
        }
    }

    @Override
    public final DType dtype() {
        return DType.F32;
    }

    @Override
    public final Shape shape() {
        return operands.getFirst().shape();
    }

    @Override
    public final Tensor slice(long from, long count) {
        Part part = part(from, count);
        List<Tensor> ranges = operands.stream().map(operand -> operand.slice(from, count)).toList();
        Tensor computed = Tensor.of(room(count), DType.F32, Shape.of(count));
        float[] values = Scratch.mine().floats(0);
        for (long i = 0; i < count; i += Scratch.ELEMENTS) {
            int n = (int) Math.min(Scratch.ELEMENTS, count - i);
            part.compute(ranges, i, values, n);
            Elements.store(values, computed, i, n);
        }
        return computed;
    }

    @Override
    public final long bytesOf(long count) {
        return operands.stream().mapToLong(operand -> operand.bytesOf(count)).sum();
    }

    private MemorySegment room(long count) {
        long bytes = DType.F32.byteSize(count);
        if (room.get().byteSize() < bytes) {
            room.set(Arena.ofAuto().allocate(bytes, 64));
        }
        return room.get().asSlice(0, bytes);
    }

    /** {@return how a range is computed} It is asked for before the range's operands are. */
    abstract Part part(long from, long count);

    /** A range. */
    interface Part {
        /**
         * Computes some numbers.
         *
         * @param ranges of the operands
         * @param at where the numbers are in the ranges
         * @param values receives them; the scratch array number 0
         * @param count how many, at most {@link Scratch#ELEMENTS}
         */
        void compute(List<Tensor> ranges, long at, float[] values, int count);
    }
}
