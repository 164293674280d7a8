package dev.fusor.trim;

import dev.fusor.benchmark.BandwidthBenchmark;
import dev.fusor.benchmark.Traffic;
import dev.fusor.tensor.DType;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/** The k-th magnitude of a tensor, and of a task vector that is never stored. */
public class MagnitudeSelectionBenchmark extends BandwidthBenchmark {
    @Param({"BF16", "F32"})
    private DType type;

    @Param("16777216")
    private long length;

    @Param({"0.2"})
    private double density;

    @Param({"false", "true"})
    private boolean base;

    @Setup
    public void allocate() {
        allocate(type, length, 1);
    }

    @Benchmark
    public MagnitudeCut select(Traffic traffic) {
        traffic.bytes += out.data().byteSize() * (base ? 2 : 1);
        return MagnitudeSelection.on(device).select(base ? inputs.get(0) : null, inputs.get(1),
                MagnitudeSelection.kept(density, length), MagnitudeSelection.Ties.EXACT_K);
    }
}
