package dev.fusor.merge;

import dev.fusor.arithmetic.WeightedSumCuda;
import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.consensus.DisjointMerge.Voter;
import dev.fusor.consensus.DisjointMergeCuda;
import dev.fusor.consensus.TaskVectorFusionCuda;
import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.device.cuda.CudaMemory;
import dev.fusor.device.cuda.CudaStream;
import dev.fusor.drop.DropFactors;
import dev.fusor.drop.StoredDrop;
import dev.fusor.method.DeviceRanges;
import dev.fusor.method.DisjointRanges;
import dev.fusor.method.FusedRanges;
import dev.fusor.method.VaryingRanges;
import dev.fusor.method.WeightedRanges;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.trim.TaskVectorVarianceCuda;
import java.util.List;

/**
 * Enqueues the kernels that merge a range.
 *
 * @param stream runs them
 */
record RangeKernels(CudaStream stream) {
    /**
     * {@return whether there are kernels for a merge} Inputs of several types, F64, and rows that are longer than a range are for
     * the CPU.
     *
     * @param merge says how
     * @param out the type of the result
     * @param most elements of a range
     */
    static boolean take(DeviceRanges merge, DType out, int most) {
        DType type = merge.models().getFirst().dtype();
        return CudaFormats.supports(type) && CudaFormats.supports(out)
                && merge.inputs().stream().allMatch(input -> input.dtype() == type)
                && (!(merge instanceof DisjointRanges disjoint)
                        || disjoint.row() <= most && disjoint.drops().stream().allMatch(RowDrops::takes));
    }

    /** {@return of how many elements the ranges of a merge have a multiple} */
    static int row(DeviceRanges merge) {
        return merge instanceof DisjointRanges disjoint ? disjoint.row() : 1;
    }

    /**
     * Merges a range.
     *
     * @param merge says how
     * @param base the range of the base model, on the device, or null for none
     * @param models of the models, likewise
     * @param start the flat index of the range's first element
     * @param out receives the result, on the device
     */
    void merge(DeviceRanges merge, Tensor base, List<Tensor> models, long start, Tensor out) {
        switch (merge) {
            case WeightedRanges sum -> {
                try (WeightedSumCuda launch = WeightedSumCuda.prepare(stream,
                        List.of(WeightedSumCuda.Item.of(base, models, sum.weights(), sum.divisor(), out)))) {
                    launch.run();
                }
            }
            case DisjointRanges disjoint -> {
                try (RowDrops drops = new RowDrops(stream)) {
                    merge(disjoint.rule(), base,
                            disjoint.voters(models, drops.of(disjoint.drops(), base, models, start)), start, out);
                }
            }
            case VaryingRanges varying -> merge(varying, base, models, start, out);
            case FusedRanges fused -> {
                try (TaskVectorFusionCuda launch = TaskVectorFusionCuda.prepare(stream, fused.fusion(), fused.lambda(),
                        List.of(new TaskVectorFusionCuda.Item(base, models, out)))) {
                    launch.run();
                }
            }
        }
    }

    private void merge(Rule rule, Tensor base, List<Voter> voters, long start, Tensor out) {
        try (DisjointMergeCuda launch = DisjointMergeCuda.prepare(stream, rule,
                List.of(new DisjointMergeCuda.Item(base, voters, start, out)))) {
            launch.run();
        }
    }

    private void merge(VaryingRanges varying, Tensor base, List<Tensor> models, long start, Tensor out) {
        if (!varying.selects()) {
            merge(VaryingRanges.RULE, base, varying.voters(models, null), start, out);
            return;
        }
        try (CudaMemory memory = CudaMemory.allocate(stream, DType.F32.byteSize(out.elements()))) {
            Tensor factors = memory.tensor(DType.F32, out.elements());
            TaskVectorVarianceCuda.on(stream).factors(base, models, varying.cut(), start, factors);
            DropFactors selected = new StoredDrop(start, factors);
            merge(VaryingRanges.RULE, base, varying.voters(models, selected), start, out);
        }
    }
}
