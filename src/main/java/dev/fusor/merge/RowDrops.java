package dev.fusor.merge;

import dev.fusor.consensus.DisjointMergeCuda;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.drop.DropFactors;
import dev.fusor.drop.MaskedDrop;
import dev.fusor.drop.RankedDrop;
import dev.fusor.drop.RankedDropCuda;
import dev.fusor.drop.ScaledDrop;
import dev.fusor.drop.StoredDrop;
import dev.fusor.method.Drop;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.trim.RowSelectionCuda;
import java.util.ArrayList;
import java.util.List;

/** What is dropped of a range of whole rows, found on a CUDA device, in memory that is there until this is closed. */
final class RowDrops implements AutoCloseable {
    private final CudaStream stream;
    private final List<CudaMemory> memories = new ArrayList<>();

    /**
     * Nothing yet.
     *
     * @param stream runs kernels
     */
    RowDrops(CudaStream stream) {
        this.stream = stream;
    }

    /** {@return whether drops are found here} */
    static boolean takes(Drop drop) {
        return switch (drop) {
            case Drop.Always(DropFactors factors) -> DisjointMergeCuda.supports(factors);
            case Drop.Scaled(Drop scaled, float _) -> takes(scaled);
            case Drop.Trimmed _ -> true;
            case Drop.Ranked _ -> true;
            default -> false;
        };
    }

    /**
     * {@return what is dropped of each model, null for nothing} Kernels that find it are enqueued.
     *
     * @param drops say what
     * @param base the range of the base model, on the device
     * @param models of the models, likewise
     * @param first the flat index of the range's first element
     */
    List<DropFactors> of(List<Drop> drops, Tensor base, List<Tensor> models, long first) {
        List<DropFactors> all = new ArrayList<>();
        for (int m = 0; m < models.size(); m++) {
            all.add(of(drops.get(m), base, models.get(m), first));
        }
        return all;
    }

    private DropFactors of(Drop drop, Tensor base, Tensor x, long first) {
        return switch (drop) {
            case Drop.Always(DropFactors factors) -> factors;
            case Drop.Scaled(Drop scaled, float scale) -> new ScaledDrop(of(scaled, base, x, first), scale);
            case Drop.Trimmed rows -> {
                CudaMemory kept = allocate(RowSelectionCuda.maskBytes(x.elements()));
                RowSelectionCuda.on(stream).select(base, x, rows.row(), rows.atLeast(), rows.tooLarge(), rows.ties(),
                        kept.segment());
                yield new MaskedDrop(first, kept.segment());
            }
            case Drop.Ranked(long key, int model, RankedDrop.Window window) -> {
                Tensor factors = allocate(DType.F32.byteSize(x.elements())).tensor(DType.F32, x.elements());
                try (RankedDropCuda ranked = RankedDropCuda.prepare(stream, key, model, window,
                        new RankedDropCuda.Rows(base, x, first, factors))) {
                    ranked.run();
                }
                yield new StoredDrop(first, factors);
            }
            default -> throw new IllegalArgumentException("wanted a drop that a device finds, got " + drop);
        };
    }

    private CudaMemory allocate(long bytes) {
        CudaMemory memory = CudaMemory.allocate(stream, bytes);
        memories.add(memory);
        return memory;
    }

    /** Frees the memory once the stream has come so far. */
    @Override
    public void close() {
        memories.forEach(CudaMemory::close);
    }
}
