package dev.fusor.reduce;

import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** Both launches of a reduction of whole tensors: to partial results, and from these to one for each item. */
final class FoldedReduction implements AutoCloseable {
    private final ReductionPartials partials;
    private final ReductionPass pass;

    /**
     * Prepares them.
     *
     * @param kernel reads the tensors
     * @param fold the kernel that folds what it finds
     * @param resultCount of each item
     * @param items the tensors of each, as many of each, null where one is missing; the first has the length of all
     * @param numbers what the kernel takes beside tables and places
     */
    FoldedReduction(CudaStream stream, CudaKernel kernel, String fold, int resultCount, List<List<Tensor>> items,
            int... numbers) {
        int tile = ReductionPass.MOST_TILE_ELEMENTS;
        this.partials = new ReductionPartials(stream, fold, resultCount,
                items.stream().mapToLong(item -> ReductionPass.tiles(item.getFirst().elements(), tile)).toArray());
        try {
            this.pass = new ReductionPass(stream, kernel, items, tile, 0, partials, numbers);
        } catch (RuntimeException e) {
            partials.close();
            throw e;
        }
    }

    void run() {
        pass.run();
        partials.fold();
    }

    MemorySegment results() {
        return partials.results();
    }

    @Override
    public void close() {
        pass.close();
        partials.close();
    }
}
