package dev.fusor.reduce;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.reduce.ReductionCuda.Kind;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * A reduction on a CUDA device of tensors that are never there as a whole: they come in ranges. The bits are those that
 * {@link Reduction} defines, whatever the length of the ranges. It belongs to the thread that opened it.
 */
public final class RangedReductionCuda implements AutoCloseable {
    private final CudaStream stream;
    private final Kind kind;
    private final DType type;
    private final long elements;
    private final int rangeElements;
    private final int tileElements;
    private final ReductionPartials partials;

    /**
     * Allocates room for the partial results.
     *
     * @param stream where it will run
     * @param kind what is to be found
     * @param type of the tensors, one of {@link CudaFormats#ALL}
     * @param elements of each tensor
     * @param rangeElements of a range; a power of two, {@link Reduction#CHUNK} at least
     * @throws IllegalArgumentException if a number is none of these
     */
    public RangedReductionCuda(CudaStream stream, Kind kind, DType type, long elements, int rangeElements) {
        if (Integer.bitCount(rangeElements) != 1 || rangeElements < Reduction.CHUNK || elements < 0) {
            throw new IllegalArgumentException(
                    "tensors of 0 elements or more are reduced in ranges of a power of two of elements, %d at least; got %d in ranges of %d"
                            .formatted(Reduction.CHUNK, elements, rangeElements));
        }
        this.stream = stream;
        this.kind = kind;
        this.type = type;
        this.elements = elements;
        this.rangeElements = rangeElements;
        this.tileElements = Math.min(rangeElements, ReductionPass.MOST_TILE_ELEMENTS);
        this.partials = kind.partials(stream, ReductionPass.tiles(elements, tileElements));
    }

    /**
     * Enqueues the reduction of one range. Ranges may come in any order, each of them once.
     *
     * @param from the flat index of its first element, a multiple of the length of a range
     * @param range the tensors' elements from there, a whole range or what is left of the tensors
     * @throws IllegalArgumentException if it is not, or does not fit the kind
     */
    public void add(long from, List<Tensor> range) {
        ReductionCuda.check(kind, type, range);
        long count = range.getFirst().elements();
        if (from < 0 || from % rangeElements != 0 || from >= elements
                || count != Math.min(rangeElements, elements - from)) {
            throw new IllegalArgumentException(
                    "%d elements come in ranges of %d, got %d from element %d".formatted(elements, rangeElements, count,
                            from));
        }
        try (ReductionPass pass = new ReductionPass(stream, kind.kernel(stream, type), List.of(range), tileElements,
                from / tileElements, partials)) {
            pass.run();
        }
    }

    /** Enqueues the fold of the ranges' partial results, all of which have to have been added. */
    public void fold() {
        partials.fold();
    }

    /** {@return device memory that holds the numbers found, of 8 bytes each, once the fold is through} */
    public MemorySegment results() {
        return partials.results();
    }

    /** Frees it, in order with what was enqueued. */
    @Override
    public void close() {
        partials.close();
    }
}
