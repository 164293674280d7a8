package dev.fusor.trim;

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

/**
 * How much task vectors differ from each other, on a CUDA device: the numbers of {@link TaskVectorVariance}, and task vectors, or
 * the factors of a drop, where a cut keeps these numbers.
 *
 * <p>Up to {@value #SLOTS} models are read once, 16 bytes at a time where addresses differ by multiples of 16 bytes; more are
 * read twice, element by element. It belongs to the thread that opened the stream.
 */
public final class TaskVectorVarianceCuda {
    private static final int THREADS = 256;
    private static final int SLOTS = 8;

    /** What is wanted in place of a model's task vector; the numbers are those of task_vector_variance.cuh. */
    private static final int VARIANCES = -1;
    private static final int FACTORS = -2;

    private final CudaStream stream;

    private TaskVectorVarianceCuda(CudaStream stream) {
        this.stream = stream;
    }

    /**
     * {@return the computation on a device}
     *
     * @param stream runs it
     */
    public static TaskVectorVarianceCuda on(CudaStream stream) {
        return new TaskVectorVarianceCuda(stream);
    }

    /**
     * Enqueues the computation of variances.
     *
     * @param base the base model in device memory
     * @param models at least one, in device memory, of the base's type, one of {@link CudaFormats#ALL}, and as many elements
     * @param out receives the variances: F32 in device memory, of as many elements
     * @throws IllegalArgumentException if there is no model, lengths or types differ, a type is not supported, or memory is not the
     * device's
     */
    public void variances(Tensor base, List<Tensor> models, Tensor out) {
        launch(base, models, VARIANCES, MagnitudeCut.ALL, out);
    }

    /**
     * Enqueues the computation of one task vector where variances are kept, and of +0 elsewhere.
     *
     * @param base the base model in device memory
     * @param models at least one, in device memory, of the base's type, one of {@link CudaFormats#ALL}, and as many elements
     * @param model the place of the model whose task vector it is
     * @param cut says which variances are kept
     * @param out receives what is left of the task vector: F32 in device memory, of as many elements
     * @throws IllegalArgumentException if there is no such model, lengths or types differ, a type is not supported, or memory is not
     * the device's
     */
    public void selected(Tensor base, List<Tensor> models, int model, MagnitudeCut cut, Tensor out) {
        if (model < 0) {
            throw new IllegalArgumentException("the places of models count from 0, got " + model);
        }
        launch(base, models, model, cut, out);
    }

    /**
     * Enqueues the computation of the factors of a drop: 1 where variances are kept, NaN elsewhere.
     *
     * @param base the base model's range in device memory
     * @param models at least one range, in device memory, of the base's type, one of {@link CudaFormats#ALL}, and as many elements
     * @param cut says which variances are kept
     * @param first the flat index of the range's first element, which the cut's ties refer to
     * @param out receives the factors: F32 in device memory, of as many elements
     * @throws IllegalArgumentException if there is no model, lengths or types differ, a type is not supported, or memory is not the
     * device's
     */
    public void factors(Tensor base, List<Tensor> models, MagnitudeCut cut, long first, Tensor out) {
        launch(base, models, FACTORS, new MagnitudeCut(cut.key(), cut.lastTie() - first), out);
    }

    private void launch(Tensor base, List<Tensor> models, int wanted, MagnitudeCut cut, Tensor out) {
        int fewest = Math.max(0, wanted) + 1;
        if (models.size() < fewest) {
            throw new IllegalArgumentException(
                    "wanted the variance of %d models or more, got %d".formatted(fewest, models.size()));
        }
        Stream.concat(models.stream(), Stream.of(base))
                .forEach(tensor -> CudaFormats.require("a variance", tensor, base.dtype(), out.elements()));
        CudaFormats.require("a variance", out, DType.F32, out.elements());
        CudaKernel kernel = CudaFormats.kernel(stream, "trim", "task_vector_variance", base.dtype(),
                "task_vector_variance_" + (models.size() <= 4 ? 4 : SLOTS));
        CudaTiles tiles = new CudaTiles(List.of(new CudaTiles.Item(models, base, List.of(out))));
        try (Arena arena = Arena.ofConfined();
                CudaMemory tables = CudaMemory.allocate(stream, tiles.bytes());
                CudaLaunch launch = kernel.prepare(8, 8, 8, 4, 4, 4, 8)) {
            MemorySegment host = arena.allocate(tiles.bytes(), Long.BYTES);
            tiles.write(host);
            stream.upload(host, tables.segment());
            launch.grid((int) Math.min(tiles.count(), kernel.residentBlocks(THREADS, 0))).block(THREADS, 0)
                    .set(0, tables.segment()).set(1, tiles.count())
                    .set(2, tables.segment().asSlice(tiles.addressesAt()))
                    .set(3, models.size()).set(4, wanted).set(5, cut.key()).set(6, cut.lastTie()).on(stream);
        }
    }
}
