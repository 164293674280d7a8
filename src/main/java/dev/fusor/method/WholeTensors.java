package dev.fusor.method;

import dev.fusor.device.CpuDevice;
import dev.fusor.reduce.Products;
import dev.fusor.reduce.Reduction;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.MagnitudeSelection;
import dev.fusor.trim.MagnitudeSelection.Part;
import dev.fusor.trim.MagnitudeSelection.Selected;
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
     * Is told of every look how many bytes of tensors were asked for.
     *
     * @param bytes of ranges, each as often as it was asked for
     */
    default void looked(long bytes) {}

    /**
     * {@return the dot product of two tensors and the sum of the squares of each}
     *
     * @param a any arithmetic type
     * @param b likewise, of as many elements
     */
    default Products products(TensorSource a, TensorSource b) {
        looked(a.bytesOf(a.elements()) + b.bytesOf(b.elements()));
        return Reduction.on(cpu()).products(a, b);
    }

    /**
     * {@return the sum of a tensor}
     *
     * @param a any arithmetic type
     */
    default double sum(TensorSource a) {
        looked(a.bytesOf(a.elements()));
        return Reduction.on(cpu()).sum(a);
    }

    /**
     * {@return where task vectors differ most: where their variance is not 0, at so many of these elements, of equals the first; or
     * everywhere, for a fraction of 1} Nobody is told of the look.
     *
     * @param base the base model
     * @param models at least one, of the base's element count
     * @param fraction of the elements whose variance is not 0, from 0 to 1
     */
    default Differing differing(TensorSource base, List<TensorSource> models, double fraction) {
        return Differing.of(base, models, fraction, cpu());
    }

    /**
     * {@return where to cut task vectors: for each that is wanted, a cut for each part}
     *
     * @param parts tensors that are cut together
     * @param wanted what is to be kept of which models
     * @param ties what becomes of equals
     */
    default List<List<MagnitudeCut>> select(List<Part> parts, List<Wanted> wanted, Ties ties) {
        Selected selected = selected(parts, wanted, ties);
        looked(selected.bytesRead());
        return selected.cuts();
    }

    /**
     * {@return the same, and what was read for it} Nobody is told of the look.
     *
     * @param parts tensors that are cut together
     * @param wanted what is to be kept of which models
     * @param ties what becomes of equals
     */
    default Selected selected(List<Part> parts, List<Wanted> wanted, Ties ties) {
        return MagnitudeSelection.on(cpu()).select(parts, wanted, ties);
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
