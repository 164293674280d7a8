package dev.fusor.align;

import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.linalg.UnitSimilarityCuda;
import dev.fusor.linalg.UnitSimilarityCuda.Pair;
import dev.fusor.tensor.Tensor;
import java.util.List;
import java.util.function.BiFunction;

/** Similarities of units that lie in host memory, added up on a CUDA device. */
final class CudaSimilarity implements AutoCloseable {
    private final CudaStream stream;
    private final Tensor similarities;
    private final CudaMemory sums;

    /** Begins with what similarities in host memory are so far. */
    CudaSimilarity(CudaStream stream, Tensor similarities) {
        this.stream = stream;
        this.similarities = similarities;
        this.sums = upload(similarities);
    }

    /**
     * Adds those of the units of two tensors, which are copied to the device for as long.
     *
     * @param units of the copies
     */
    void accumulate(Tensor a, Tensor b, BiFunction<Tensor, Tensor, Pair> units) {
        try (CudaMemory memoryA = upload(a);
                CudaMemory memoryB = upload(b);
                UnitSimilarityCuda launch = UnitSimilarityCuda.prepare(stream,
                        List.of(units.apply(like(a, memoryA), like(b, memoryB))), like(similarities, sums))) {
            launch.run();
        }
    }

    /** Copies the sums back, and waits for them. */
    void fetch() {
        stream.download(sums.segment(), similarities.data());
        stream.synchronize();
    }

    private static Tensor like(Tensor tensor, CudaMemory memory) {
        return memory.tensor(tensor.dtype(), tensor.shape().toArray());
    }

    private CudaMemory upload(Tensor tensor) {
        CudaMemory memory = CudaMemory.allocate(stream, tensor.data().byteSize());
        try {
            stream.upload(tensor.data(), memory.segment());
            return memory;
        } catch (RuntimeException e) {
            memory.close();
            throw e;
        }
    }

    @Override
    public void close() {
        sums.close();
    }
}
