package dev.fusor.method;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.Tensor;

/** The merge of one tensor, range by range. Ranges may be made in any order and by several threads at the same time. */
@FunctionalInterface
public interface RangeMerge {
    /** The calling thread as a device: a range is one thread's work. */
    CpuDevice HERE = CpuDevice.open(1);

    /**
     * Makes one range.
     *
     * @param from the flat index of its first element
     * @param out receives the range
     */
    void merge(long from, Tensor out);
}
