package dev.fusor.arithmetic;

import dev.fusor.benchmark.BandwidthBenchmark;
import dev.fusor.benchmark.Traffic;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/** Near swap of a base and one model. */
public class NearSwapBenchmark extends BandwidthBenchmark {
    @Param({"BF16", "F32"})
    private DType type;

    @Param("16777216")
    private long length;

    @Setup
    public void allocate() {
        allocate(type, length, 1);
    }

    @Benchmark
    public Tensor swap(Traffic traffic) {
        NearSwap.on(device).swap(inputs.get(0), inputs.get(1), 1e-4, out);
        traffic.bytes += 3 * out.data().byteSize();
        return out;
    }
}
