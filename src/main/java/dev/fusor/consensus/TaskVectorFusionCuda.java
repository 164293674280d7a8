package dev.fusor.consensus;

import dev.fusor.consensus.TaskVectorFusion.Fusion;
import dev.fusor.consensus.TaskVectorFusion.Largest;
import dev.fusor.consensus.TaskVectorFusion.TallMasked;
import dev.fusor.consensus.TaskVectorFusion.Unified;
import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.device.cuda.CudaTiles;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.Stream;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

/**
 * Merges by one task vector made of several on a CUDA device: many tensors in one launch. The bits are those of
 * {@link TaskVectorFusion#merge}.
 *
 * <p>What is prepared once is run as often as wanted; a run is one launch, which allocates nothing, copies nothing and waits for
 * nothing. All inputs of a launch are of one type, all outputs of one, each one of {@link CudaFormats#ALL}. Up to
 * {@value #SLOTS} models are read once, 16 bytes at a time where the addresses of an item differ by multiples of 16 bytes; more
 * models are read element by element, and for TALL masks twice.
 *
 * <p>It belongs to the thread that prepared it.
 */
public final class TaskVectorFusionCuda implements AutoCloseable {
    private static final int THREADS = 256;
    private static final int SLOTS = 8;

    private final CudaStream stream;
    private final CudaMemory tables;
    private final CudaLaunch launch;

    /**
     * A tensor, or a range of one, that is merged.
     *
     * @param base the base model's
     * @param models each model's, of the base's element count
     * @param out receives the result; may be one of the inputs
     */
    public record Item(Tensor base, List<Tensor> models, Tensor out) {
        /** Keeps a copy of the list. */
        public Item {
            models = List.copyOf(models);
        }

        private Stream<Tensor> inputs() {
            return Stream.concat(models.stream(), Stream.of(base));
        }
    }

    /**
     * Prepares a launch, and enqueues the copy of its tables.
     *
     * @param stream where it will run
     * @param fusion makes one task vector of those of the models
     * @param lambda scales it, rounded to float32
     * @param items at least one, all with as many models
     * @return the launch
     * @throws IllegalArgumentException if counts, lengths or types differ, a type is not supported, the fusion names more models,
     * or memory is not the device's
     */
    public static TaskVectorFusionCuda prepare(CudaStream stream, Fusion fusion, double lambda, List<Item> items) {
        if (items.isEmpty()) {
            throw new IllegalArgumentException("a launch of fusions takes at least 1 item, got none");
        }
        TaskVectorFusion.requireModels(fusion, items.getFirst().models().size());
        items.forEach(item -> check(item, items.getFirst()));
        return new TaskVectorFusionCuda(stream, fusion, lambda, items);
    }

    private static void check(Item item, Item first) {
        if (item.models().size() != first.models().size()) {
            throw new IllegalArgumentException("the items of a launch have as many models each, got %d after %d"
                    .formatted(item.models().size(), first.models().size()));
        }
        item.inputs().forEach(tensor -> check(tensor, first.base().dtype(), item));
        check(item.out(), first.out().dtype(), item);
    }

    private static void check(Tensor tensor, DType wanted, Item item) {
        CudaFormats.require("a fusion", tensor, wanted, item.out().elements());
    }

    private TaskVectorFusionCuda(CudaStream stream, Fusion fusion, double lambda, List<Item> items) {
        this.stream = stream;
        int models = items.getFirst().models().size();
        CudaKernel kernel = CudaFormats.kernel(stream, "consensus", "task_vector_fusion",
                items.getFirst().base().dtype(), "task_vector_fusion_" + (models <= 4 ? 4 : SLOTS));
        CudaTiles tiles = new CudaTiles(
                items.stream().map(item -> new CudaTiles.Item(item.models(), item.base(), List.of(item.out())))
                        .toList());
        long thresholdsAt = tiles.bytes();
        int thresholds = Math.max(SLOTS, models);
        this.tables = CudaMemory.allocate(stream, thresholdsAt + (long) thresholds * Float.BYTES);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(tables.segment().byteSize(), Long.BYTES);
            tiles.write(host);
            write(fusion, host.asSlice(thresholdsAt), thresholds);
            stream.upload(host, tables.segment());
            this.launch = kernel.prepare(8, 8, 8, 8, 4, 4, 4, 4, 4, 4);
        } catch (RuntimeException e) {
            tables.close();
            throw e;
        }
        launch.grid((int) Math.min(tiles.count(), kernel.residentBlocks(THREADS, 0))).block(THREADS, 0)
                .set(0, tables.segment()).set(1, tiles.count()).set(2, tables.segment().asSlice(tiles.addressesAt()))
                .set(3, tables.segment().asSlice(thresholdsAt)).set(4, models).set(8, (float) lambda)
                .set(9, CudaFormats.number(items.getFirst().out().dtype()));
        // The numbers of the kinds are those of task_vector_fusion.cuh.
        switch (fusion) {
            case Largest() -> launch.set(5, 0).set(6, 0).set(7, 0);
            case Unified(int mask) -> launch.set(5, 1).set(6, mask).set(7, 0);
            case TallMasked masks -> launch.set(5, 2).set(6, 0).set(7, masks.fewest());
        }
    }

    private static void write(Fusion fusion, MemorySegment table, int thresholds) {
        for (int m = 0; m < thresholds; m++) {
            table.setAtIndex(JAVA_FLOAT, m, Float.NaN);
        }
        if (fusion instanceof TallMasked masks) {
            for (int i = 0; i < masks.models().length; i++) {
                table.setAtIndex(JAVA_FLOAT, masks.models()[i], (float) masks.thresholds()[i]);
            }
        }
    }

    /**
     * Enqueues the launch.
     *
     * @throws dev.fusor.device.cuda.CudaException if the driver refuses it
     */
    public void run() {
        launch.on(stream);
    }

    /** Frees the tables, in order with what was enqueued. */
    @Override
    public void close() {
        launch.close();
        tables.close();
    }
}
