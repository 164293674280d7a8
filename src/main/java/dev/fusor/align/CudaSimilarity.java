package dev.fusor.align;

import dev.fusor.assign.Assignment;
import dev.fusor.assign.LinearAssignment.Goal;
import dev.fusor.assign.LinearAssignmentCuda;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.linalg.UnitSimilarityCuda;
import dev.fusor.linalg.UnitSimilarityCuda.Pair;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.util.List;
import java.util.function.BiFunction;

/** Similarities of units that lie in host memory, added up on a CUDA device, and the assignment of those units. */
final class CudaSimilarity implements AutoCloseable {
    /** Units from which on the device is expected to assign them sooner than the host: docs/adr/029. */
    static final int FEWEST_ASSIGNED = 1024;

    private final CudaStream stream;
    private final CudaMemory memory;
    private final Tensor sums;

    private CudaSimilarity(CudaStream stream, CudaMemory memory, Tensor sums) {
        this.stream = stream;
        this.memory = memory;
        this.sums = sums;
    }

    /** {@return the similarities of units of two models before anything is added} */
    static CudaSimilarity none(CudaStream stream, int units) {
        CudaMemory memory = CudaMemory.allocate(stream, (long) units * units * Float.BYTES);
        try {
            stream.fill(memory.segment(), (byte) 0);
            return new CudaSimilarity(stream, memory, memory.tensor(DType.F32, units, units));
        } catch (RuntimeException e) {
            memory.close();
            throw e;
        }
    }

    /** {@return what similarities in host memory are so far} */
    static CudaSimilarity of(CudaStream stream, Tensor similarities) {
        CudaMemory memory = upload(stream, similarities);
        return new CudaSimilarity(stream, memory, like(similarities, memory));
    }

    /**
     * Adds those of the units of two tensors, which are copied to the device for as long.
     *
     * @param units of the copies
     */
    void accumulate(Tensor a, Tensor b, BiFunction<Tensor, Tensor, Pair> units) {
        try (CudaMemory memoryA = upload(stream, a);
                CudaMemory memoryB = upload(stream, b);
                UnitSimilarityCuda launch = UnitSimilarityCuda.prepare(stream,
                        List.of(units.apply(like(a, memoryA), like(b, memoryB))), sums)) {
            launch.run();
        }
    }

    /** Copies the sums to host memory, and waits for them. */
    void fetch(Tensor similarities) {
        stream.download(sums.data(), similarities.data());
        stream.synchronize();
    }

    /**
     * {@return the assignment of the greatest sum} Found on the device; waits for it.
     *
     * @param rowDuals what they are expected to be
     * @throws IllegalArgumentException as {@link dev.fusor.assign.LinearAssignment} has it
     */
    Assignment assigned(double[] rowDuals) {
        try (LinearAssignmentCuda assignment = LinearAssignmentCuda.prepare(stream, sums, Goal.MAXIMISE,
                rowDuals)) {
            assignment.run();
            return assignment.fetch().getFirst();
        }
    }

    private static Tensor like(Tensor tensor, CudaMemory memory) {
        return memory.tensor(tensor.dtype(), tensor.shape().toArray());
    }

    private static CudaMemory upload(CudaStream stream, Tensor tensor) {
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
        memory.close();
    }
}
