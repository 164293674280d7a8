package dev.fusor.reduce;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Products of gradients and task vectors on a CUDA device: many tensors in one launch that reads each of them once, and a short one
 * that folds what the blocks found. The bits are those of {@link Reduction#taskVectorProducts}.
 *
 * <p>What is prepared once is run as often as wanted; a run allocates nothing, copies nothing and waits for nothing. Models and bases
 * of a launch are of one type, F32, F16 or BF16, gradients of that type or all F32. Tensors may start at any multiple of their
 * element's size; two elements are loaded at a time where that is a multiple of both. Eight models at a time share a read of the
 * gradient and the base, which comes again from the cache for more.
 *
 * <p>It belongs to the thread that prepared it.
 */
public final class TaskVectorProductsCuda implements AutoCloseable {
    /** The most models. */
    public static final int MOST_MODELS = 64;

    private static final List<DType> TYPES = List.of(DType.F32, DType.F16, DType.BF16);

    private final FoldedReduction launches;

    /**
     * A gradient by one tensor of a merged model, and what was merged; all in device memory and of equal length.
     *
     * @param gradient of a loss by each element
     * @param base the base model, or null if models are summed without one, and are their own task vectors
     * @param models 1 to {@value TaskVectorProductsCuda#MOST_MODELS}
     */
    public record Item(Tensor gradient, Tensor base, List<Tensor> models) {
        /** Keeps a copy of the list. */
        public Item {
            models = List.copyOf(models);
        }

        private List<Tensor> tensors() {
            List<Tensor> tensors = new ArrayList<>(models);
            tensors.addAll(0, Arrays.asList(gradient, base));
            return tensors;
        }
    }

    /**
     * Prepares both launches, and enqueues the copy of their tables.
     *
     * @param stream where they will run
     * @param items at least one, all with as many models
     * @return the launches
     * @throws IllegalArgumentException if counts, lengths or types differ, a type is not supported, or memory is not the device's
     */
    public static TaskVectorProductsCuda prepare(CudaStream stream, List<Item> items) {
        if (items.isEmpty()) {
            throw new IllegalArgumentException("a launch of task vector products takes at least 1 item, got none");
        }
        Item first = items.getFirst();
        items.forEach(item -> check(first, item));
        return new TaskVectorProductsCuda(stream, items);
    }

    private static void check(Item first, Item item) {
        int models = item.models().size();
        if (models < 1 || models > MOST_MODELS || models != first.models().size()) {
            throw new IllegalArgumentException(
                    "task vector products on a device take 1 to %d models, as many for each item; got %d where the first item has %d"
                            .formatted(MOST_MODELS, models, first.models().size()));
        }
        require(first, item, item.gradient(), first.gradient().dtype());
        DType type = first.models().getFirst().dtype();
        if (item.base() != null) {
            require(first, item, item.base(), type);
        }
        item.models().forEach(model -> require(first, item, model, type));
    }

    private static void require(Item first, Item item, Tensor tensor, DType wanted) {
        DType type = first.models().getFirst().dtype();
        DType gradientType = first.gradient().dtype();
        if (tensor.dtype() != wanted || tensor.elements() != item.gradient().elements() || !TYPES.contains(type)
                || gradientType != type && gradientType != DType.F32) {
            throw new IllegalArgumentException(
                    "task vector products on a device take models and bases of one type of %s, gradients of that type or F32, and equal length; got %s where %s of %d elements was wanted"
                            .formatted(TYPES, tensor, wanted, item.gradient().elements()));
        }
        CudaFormats.requirePlaced(tensor);
    }

    private TaskVectorProductsCuda(CudaStream stream, List<Item> items) {
        Item first = items.getFirst();
        int models = first.models().size();
        DType type = first.models().getFirst().dtype();
        CudaKernel kernel = CudaFormats.kernel(stream, "reduce", "task_vector_products", type,
                "task_vector_products" + (first.gradient().dtype() == type ? "" : "_wide"));
        this.launches = new FoldedReduction(stream, kernel, "fold_f64", models,
                items.stream().map(Item::tensors).toList(), models);
    }

    /**
     * Enqueues both launches.
     *
     * @throws dev.fusor.device.cuda.CudaException if the driver refuses one
     */
    public void run() {
        launches.run();
    }

    /** {@return device memory that holds, item by item, the product of each model, float64, once a run is through} */
    public MemorySegment results() {
        return launches.results();
    }

    /** Frees tables and results, in order with what was enqueued. */
    @Override
    public void close() {
        launches.close();
    }
}
