package dev.fusor.arithmetic;

import dev.fusor.benchmark.BandwidthBenchmark;
import dev.fusor.benchmark.Traffic;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.util.Arrays;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/** What a caller waits for: the sum of models that lie in memory, with or without a base. */
public class WeightedSumBenchmark extends BandwidthBenchmark {
    @Param({"BF16", "F16", "F32"})
    private DType type;

    @Param("134217728")
    private long length;

    @Param({"4"})
    private int models;

    @Param({"false", "true"})
    private boolean base;

    @Setup
    public void allocate() {
        allocate(type, length, models);
    }

    @Benchmark
    public Tensor sum(Traffic traffic) {
        double[] weights = new double[models];
        Arrays.fill(weights, 1.0 / models);
        WeightedSum.on(device).sum(base ? inputs.getFirst() : null, inputs.subList(1, 1 + models), weights, 1, out);
        traffic.bytes += out.data().byteSize() * (models + (base ? 2 : 1));
        return out;
    }
}
