package dev.fusor.cli;

import dev.fusor.device.cuda.CudaDevice;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.ensemble.LogitEnsemble.Output;
import dev.fusor.ensemble.LogitEnsembleCuda;
import dev.fusor.merge.MergeException;
import dev.fusor.simd.Floats;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Combines on a CUDA device. A block is copied there once, whatever is asked of it. */
final class CudaCombiner implements Combiner {
    private static final Set<DType> TYPES = Set.of(DType.F32, DType.F16, DType.BF16);
    private static final int WIDENED = 1 << 20;

    private final CudaDevice device;
    private final CudaStream stream;
    private final List<CudaMemory> block = new ArrayList<>();

    private CudaCombiner(CudaDevice device) {
        this.device = device;
        this.stream = CudaStream.open(device);
    }

    static CudaCombiner open(int ordinal) throws MergeException {
        CudaDevice device;
        try {
            device = CudaDevice.open(ordinal);
        } catch (IllegalStateException e) { // gone since the command line looked
            throw givenUp(e);
        }
        try {
            return new CudaCombiner(device);
        } catch (RuntimeException e) {
            device.close();
            throw e;
        }
    }

    static MergeException givenUp(RuntimeException e) {
        return new MergeException("the ensemble was given up: %s; --device cpu combines to the same bits"
                .formatted(e.getMessage()));
    }

    @Override
    public Batch place(Batch batch) {
        free();
        Map<Tensor, Tensor> placed = new IdentityHashMap<>();
        DType type = batch.models().getFirst().logits().dtype();
        boolean kept = TYPES.contains(type)
                && batch.models().stream().allMatch(model -> model.logits().dtype() == type);
        List<Model> models = new ArrayList<>();
        for (Model model : batch.models()) {
            Tensor logits = placed.computeIfAbsent(model.logits(),
                    tensor -> kept || tensor.dtype() == DType.F32 ? upload(tensor) : widen(tensor));
            Tensor present = model.present() == null
                    ? null
                    : placed.computeIfAbsent(model.present(), this::upload);
            models.add(new Model(logits, model.first(), model.stride(), model.weight(), model.temperature(), present));
        }
        return new Batch(models, batch.rows(), batch.classes(), null,
                batch.labels() == null ? null : upload(batch.labels()));
    }

    private Tensor upload(Tensor host) {
        CudaMemory memory = CudaMemory.allocate(stream, host.data().byteSize());
        block.add(memory);
        stream.upload(host.data(), memory.segment());
        return Tensor.of(memory.segment(), host.dtype(), host.shape());
    }

    /** As F32: kernels take logits of one type. */
    private Tensor widen(Tensor host) {
        CudaMemory memory = CudaMemory.allocate(stream, DType.F32.byteSize(host.elements()));
        block.add(memory);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment wide = arena.allocate(DType.F32.byteSize(WIDENED), 64);
            for (long from = 0; from < host.elements(); from += WIDENED) {
                int count = (int) Math.min(WIDENED, host.elements() - from);
                Floats.load(host, from, wide, count);
                stream.upload(wide.asSlice(0, DType.F32.byteSize(count)),
                        memory.segment().asSlice(DType.F32.byteSize(from), DType.F32.byteSize(count)));
                stream.synchronize();
            }
        }
        return Tensor.of(memory.segment(), DType.F32, host.shape());
    }

    @Override
    public void combine(Mode mode, Batch batch, Map<Output, Tensor> results) {
        List<CudaMemory> memories = new ArrayList<>();
        try {
            Map<Output, Tensor> there = new EnumMap<>(Output.class);
            results.forEach((output, tensor) -> {
                CudaMemory memory = CudaMemory.allocate(stream, tensor.data().byteSize());
                memories.add(memory);
                there.put(output, Tensor.of(memory.segment(), tensor.dtype(), tensor.shape()));
            });
            try (LogitEnsembleCuda ensemble = LogitEnsembleCuda.prepare(stream, mode, batch, there)) {
                ensemble.run();
            }
            results.forEach((output, tensor) -> stream.download(there.get(output).data(), tensor.data()));
            stream.synchronize();
        } finally {
            memories.forEach(CudaMemory::close);
        }
    }

    private void free() {
        block.forEach(CudaMemory::close);
        block.clear();
    }

    @Override
    public void close() {
        free();
        stream.close();
        device.close();
    }
}
