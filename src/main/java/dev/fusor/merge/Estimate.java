package dev.fusor.merge;

import dev.fusor.checkpoint.Checkpoint;
import dev.fusor.method.MergeMethods;
import dev.fusor.recipe.MergePlan;
import dev.fusor.recipe.TensorInput;
import dev.fusor.recipe.TensorPlan;
import dev.fusor.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * What a plan will take, known before any work.
 *
 * @param bytesToRead bytes of input tensors, each counted once
 * @param bytesToLookAt bytes that are read beside that, to find where to cut, or sums: more on adversarial data, and hardly any where tensors are trimmed
 * and merged in one read
 * @param bytesToWrite bytes of output tensors
 * @param tileElements elements of one range, chosen to keep to the memory
 * @param inputs tensors that one is made of at most
 * @param memory bytes of memory other than mapped files: the JVM with its full heap, and the buffers
 */
public record Estimate(long bytesToRead, long bytesToLookAt, long bytesToWrite, int tileElements, int inputs,
        long memory) {
    /** Elements of a range where memory is no matter: 512 KiB of a 16-bit type, still in the second-level cache. */
    private static final int LARGEST_TILE = 1 << 18;

    private static final int SMALLEST_TILE = 1 << 12;

    /** Elements that are looked at in one go where whole tensors are. */
    private static final int LOOK = 1 << 17;

    /** What the JVM takes beside its heap: code, metadata, stacks, the collector. Measured: docs/measured.md. */
    private static final long JVM = 90_000_000L;

    /**
     * {@return what a plan takes}
     *
     * @param plan the plan
     * @param checkpoints the plan's models, in its order
     * @param options how it will be carried out
     * @throws MergeException if the memory allowed is too little
     */
    public static Estimate of(MergePlan plan, List<Checkpoint> checkpoints, MergeOptions options)
            throws MergeException {
        long read = 0;
        long looked = 0;
        long write = 0;
        int inputs = 1;
        long widest = 0;
        for (TensorPlan tensor : plan.tensors()) {
            long elements = tensor.shape().elements();
            write += tensor.outDtype().byteSize(elements);
            long ofTensor = 0;
            int looks = looks(tensor);
            for (TensorInput input : tensor.inputs()) {
                DType dtype = checkpoints.get(input.model()).tensor(input.tensor()).dtype();
                ofTensor += dtype.byteSize(elements);
                widest = looks == 0 ? widest : Math.max(widest, dtype.byteSize(Math.min(LOOK, elements)));
            }
            read += ofTensor;
            looked += ofTensor * looks;
            inputs = Math.max(inputs, tensor.inputs().size());
        }
        long fixed = JVM + Runtime.getRuntime().maxMemory();
        int tile = LARGEST_TILE;
        while (fixed + buffers(tile, inputs, widest, options) > options.maxMemory() && tile > SMALLEST_TILE) {
            tile /= 2;
        }
        long memory = fixed + buffers(tile, inputs, widest, options);
        if (memory > options.maxMemory()) {
            throw new MergeException(
                    "--max-memory %d is too little: the JVM with its heap of %d bytes and the buffers of %d threads take %d; allow that much, or use fewer threads"
                            .formatted(options.maxMemory(), Runtime.getRuntime().maxMemory(), options.threads(),
                                    memory));
        }
        return new Estimate(read, looked, write, tile, inputs, memory);
    }

    /** {@return whether tensors may be trimmed on the way: in ranges as large as what is looked at in one go} */
    boolean allowsOne() {
        return tileElements >= LOOK;
    }

    private static int looks(TensorPlan tensor) {
        List<Map<String, Double>> ofModels = new ArrayList<>();
        for (int i = 0; i < tensor.inputs().size(); i++) {
            if (tensor.base().isEmpty() || tensor.base().getAsInt() != i) {
                ofModels.add(tensor.inputs().get(i).parameters());
            }
        }
        return tensor.carried()
                ? 0
                : MergeMethods.named(tensor.method()).orElseThrow().looks(ofModels, tensor.parameters());
    }

    /** One output range for each thread, and a range of each input unless it is mapped, which may be one that is looked at. */
    private static long buffers(int tile, int inputs, long look, MergeOptions options) {
        long range = (long) tile * Double.BYTES;
        int read = options.reading() == Reading.MAPPED ? 0 : inputs;
        return options.threads() * (range + read * Math.max(range, look));
    }
}
