package dev.fusor.method;

import dev.fusor.device.CpuDevice;
import dev.fusor.reduce.Products;
import dev.fusor.reduce.Reduction;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.MagnitudeSelection;
import dev.fusor.trim.MagnitudeSelection.Part;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import java.util.List;

/**
 * What methods ask of whole tensors before ranges are merged; whoever carries a merge out may find it on another device, to
 * the same bits.
 */
@FunctionalInterface
public interface WholeTensors {
    /** {@return the device of what is found on the CPU} */
    CpuDevice cpu();

    /**
     * {@return the dot product of two tensors and the sum of the squares of each}
     *
     * @param a any arithmetic type
     * @param b likewise, of as many elements
     */
    default Products products(TensorSource a, TensorSource b) {
        return Reduction.on(cpu()).products(a, b);
    }

    /**
     * {@return where to cut task vectors: for each that is wanted, a cut for each part}
     *
     * @param parts tensors that are cut together
     * @param wanted what is to be kept of which models
     * @param ties what becomes of equals
     */
    default List<List<MagnitudeCut>> select(List<Part> parts, List<Wanted> wanted, Ties ties) {
        return MagnitudeSelection.on(cpu()).select(parts, wanted, ties).cuts();
    }

    /**
     * {@return everything on the CPU}
     *
     * @param device runs it
     */
    static WholeTensors on(CpuDevice device) {
        return () -> device;
    }
}
