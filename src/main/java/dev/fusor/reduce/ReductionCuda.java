package dev.fusor.reduce;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Locale;

/**
 * Reductions on a CUDA device: many tensors in one launch that reads each of them once, and a short one that folds what the blocks
 * found. The bits are those that {@link Reduction} defines.
 *
 * <p>What is prepared once is run as often as wanted; a run allocates nothing, copies nothing and waits for nothing. All
 * tensors are of one type, one of {@link CudaFormats#ALL}, and may start at any multiple of their element's size; vectors are
 * loaded where that is a multiple of 16 bytes.
 *
 * <p>It belongs to the thread that prepared it.
 */
public final class ReductionCuda implements AutoCloseable {
    private final FoldedReduction launches;

    /** What is found of the tensors of an item. */
    public enum Kind {
        /** The sum of the products of corresponding elements of two tensors, float64. */
        DOT(2, 1),
        /** The numbers of {@link dev.fusor.reduce.Products} of two tensors, in its order, float64. */
        PRODUCTS(2, 3),
        /** The sum of the squares of the elements, float64. */
        SUM_OF_SQUARES(1, 1),
        /** The sum of the elements, float64. */
        SUM(1, 1),
        /** The numbers of {@link dev.fusor.reduce.NonFinite}, in its order, int64. */
        NON_FINITE(1, 2);

        private final int tensors;
        private final int results;

        Kind(int tensors, int results) {
            this.tensors = tensors;
            this.results = results;
        }

        /** {@return how many tensors an item has} */
        public int tensors() {
            return tensors;
        }

        /** {@return how many numbers are found of an item} */
        public int results() {
            return results;
        }

        CudaKernel kernel(CudaStream stream, DType type) {
            return CudaFormats.kernel(stream, "reduce", "reduction", type, name().toLowerCase(Locale.ROOT));
        }

        ReductionPartials partials(CudaStream stream, long... tiles) {
            return new ReductionPartials(stream, fold(), results, tiles);
        }

        private String fold() {
            return this == NON_FINITE ? "fold_s64" : "fold_f64";
        }
    }

    /**
     * Prepares both launches, and enqueues the copy of their tables.
     *
     * @param stream where they will run
     * @param kind what is to be found
     * @param items at least one; the tensors of each, as many as the kind takes, in device memory and of equal length
     * @return the launches
     * @throws IllegalArgumentException if counts, lengths or types differ, a type is not supported, or memory is not the device's
     */
    public static ReductionCuda prepare(CudaStream stream, Kind kind, List<List<Tensor>> items) {
        if (items.isEmpty()) {
            throw new IllegalArgumentException("a launch of reductions takes at least 1 item, got none");
        }
        DType type = items.getFirst().isEmpty() ? null : items.getFirst().getFirst().dtype();
        items.forEach(item -> check(kind, type, item));
        return new ReductionCuda(stream, kind, items);
    }

    static void check(Kind kind, DType type, List<Tensor> item) {
        boolean fits = item.size() == kind.tensors && CudaFormats.supports(type)
                && item.stream().allMatch(
                        tensor -> tensor.dtype() == type && tensor.elements() == item.getFirst().elements());
        if (!fits) {
            throw new IllegalArgumentException(
                    "%s on a device takes %d tensors for each item, of equal length and all of one type of %s; got %s where %s was wanted"
                            .formatted(kind, kind.tensors, CudaFormats.ALL, item, type));
        }
        item.forEach(CudaFormats::requirePlaced);
    }

    private ReductionCuda(CudaStream stream, Kind kind, List<List<Tensor>> items) {
        this.launches = new FoldedReduction(stream, kind.kernel(stream, items.getFirst().getFirst().dtype()),
                kind.fold(), kind.results, items);
    }

    /**
     * Enqueues both launches.
     *
     * @throws dev.fusor.device.cuda.CudaException if the driver refuses one
     */
    public void run() {
        launches.run();
    }

    /** {@return device memory that holds, item by item, the numbers found, of 8 bytes each, once a run is through} */
    public MemorySegment results() {
        return launches.results();
    }

    /** Frees tables and results, in order with what was enqueued. */
    @Override
    public void close() {
        launches.close();
    }
}
