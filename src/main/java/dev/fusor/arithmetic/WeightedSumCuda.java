package dev.fusor.arithmetic;

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

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

/**
 * The weighted sum on a CUDA device: many tensors in one launch, and for each tensor several sums of the same models in one
 * read of them. The bits are those that {@link WeightedSum} defines.
 *
 * <p>What is prepared once is run as often as wanted: a run is one launch, which allocates nothing, copies nothing and
 * waits for nothing. All inputs of a launch are of one type, all outputs of one, each one of
 * {@link CudaFormats#ALL}. Tensors may start at any multiple of their element's size; 16 bytes are moved at a time where the
 * addresses of an item differ by multiples of 16 bytes, which those of {@link CudaMemory} do.
 *
 * <p>It belongs to the thread that prepared it.
 */
public final class WeightedSumCuda implements AutoCloseable {
    private static final int THREADS = 256;

    private final CudaStream stream;
    private final CudaMemory tables;
    private final CudaLaunch launch;

    /**
     * Sums of the models of one tensor.
     *
     * @param base the base model, or null for none; with one, task vectors are summed onto it
     * @param models at least one, in device memory, all of the same element count
     * @param outputs at least one, of as many elements; one that is the only output may be one of the inputs
     * @param weights for each output, a weight for each model
     * @param divisors for each output what divides the sum, 1 to leave it
     */
    public record Item(Tensor base, List<Tensor> models, List<Tensor> outputs, double[][] weights, double[] divisors) {
        /** Keeps a copy of the lists. */
        public Item {
            models = List.copyOf(models);
            outputs = List.copyOf(outputs);
        }

        /**
         * {@return one sum}
         *
         * @param base the base model, or null for none
         * @param models at least one
         * @param weights one for each model
         * @param divisor divides the sum, 1 to leave it
         * @param out receives it
         */
        public static Item of(Tensor base, List<Tensor> models, double[] weights, double divisor, Tensor out) {
            return new Item(base, models, List.of(out), new double[][]{weights}, new double[]{divisor});
        }

        private Stream<Tensor> inputs() {
            return Stream.concat(models.stream(), Stream.ofNullable(base));
        }

        private long elements() {
            return outputs.getFirst().elements();
        }
    }

    /**
     * Prepares a launch, and enqueues the copy of its tables.
     *
     * @param stream where it will run
     * @param items at least one, all with as many models and outputs
     * @return the launch
     * @throws IllegalArgumentException if counts or types differ, a type is not supported, or memory is not the device's
     */
    public static WeightedSumCuda prepare(CudaStream stream, List<Item> items) {
        check(items);
        Item first = items.getFirst();
        int models = first.models().size();
        DType input = first.models().getFirst().dtype();
        CudaKernel kernel = CudaFormats.kernel(stream, "arithmetic", "weighted_sum", input,
                "weighted_sum_" + (models <= 2 ? 2 : models <= 4 ? 4 : 8));
        return new WeightedSumCuda(stream, kernel, items);
    }

    private WeightedSumCuda(CudaStream stream, CudaKernel kernel, List<Item> items) {
        this.stream = stream;
        int models = items.getFirst().models().size();
        int outputs = items.getFirst().outputs().size();
        CudaTiles tiles = new CudaTiles(
                items.stream().map(item -> new CudaTiles.Item(item.models(), item.base(), item.outputs())).toList());
        long reciprocalsAt = tiles.bytes();
        long scalarsAt = reciprocalsAt + (long) items.size() * outputs * Double.BYTES;
        this.tables = CudaMemory.allocate(stream,
                scalarsAt + (long) items.size() * outputs * (models + 1) * Float.BYTES);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(tables.segment().byteSize(), Long.BYTES);
            tiles.write(host);
            writeScalars(items, host.asSlice(scalarsAt), host.asSlice(reciprocalsAt, scalarsAt - reciprocalsAt));
            stream.upload(host, tables.segment());
            this.launch = kernel.prepare(8, 8, 8, 8, 8, 4, 4, 4);
        } catch (RuntimeException e) {
            tables.close();
            throw e;
        }
        launch.grid((int) Math.min(tiles.count(), kernel.residentBlocks(THREADS, 0))).block(THREADS, 0)
                .set(0, tables.segment()).set(1, tiles.count())
                .set(2, tables.segment().asSlice(tiles.addressesAt())).set(3, tables.segment().asSlice(scalarsAt))
                .set(4, tables.segment().asSlice(reciprocalsAt)).set(5, models).set(6, outputs)
                .set(7, CudaFormats.number(items.getFirst().outputs().getFirst().dtype()));
    }

    private static void check(List<Item> items) {
        if (items.isEmpty()) {
            throw new IllegalArgumentException("a launch of weighted sums takes at least 1 item, got none");
        }
        Item first = items.getFirst();
        for (Item item : items) {
            int models = item.models().size();
            int outputs = item.outputs().size();
            if (models == 0 || outputs == 0 || models != first.models().size() || outputs != first.outputs().size()) {
                throw new IllegalArgumentException(
                        "the items of a launch have as many models and outputs each, at least 1, got %d and %d after %d and %d"
                                .formatted(models, outputs, first.models().size(), first.outputs().size()));
            }
            if (item.weights().length != outputs || item.divisors().length != outputs
                    || Stream.of(item.weights()).anyMatch(row -> row.length != models)) {
                throw new IllegalArgumentException(
                        "a weighted sum takes a weight for each of %d models and a divisor, for each of %d outputs"
                                .formatted(models, outputs));
            }
            item.inputs().forEach(tensor -> check(tensor, first.models().getFirst().dtype(), item));
            item.outputs().forEach(tensor -> check(tensor, first.outputs().getFirst().dtype(), item));
        }
    }

    private static void check(Tensor tensor, DType wanted, Item item) {
        CudaFormats.require("a weighted sum", tensor, wanted, item.elements());
    }

    private static void writeScalars(List<Item> items, MemorySegment scalars, MemorySegment reciprocals) {
        long at = 0;
        long row = 0;
        for (Item item : items) {
            for (int k = 0; k < item.outputs().size(); k++) {
                for (double weight : item.weights()[k]) {
                    scalars.setAtIndex(JAVA_FLOAT, at++, (float) weight);
                }
                float divisor = (float) item.divisors()[k];
                scalars.setAtIndex(JAVA_FLOAT, at++, divisor);
                reciprocals.setAtIndex(JAVA_DOUBLE, row++, 1.0 / divisor);
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
