package dev.fusor.reduce;

import dev.fusor.benchmark.BandwidthBenchmark;
import dev.fusor.benchmark.Traffic;
import dev.fusor.tensor.DType;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/** The dot product and the sum of squares by the fixed tree. */
public class ReductionBenchmark extends BandwidthBenchmark {
    @Param({"BF16", "F32"})
    private DType type;

    @Param("16777216")
    private long length;

    @Setup
    public void allocate() {
        allocate(type, length, 5);
    }

    @Benchmark
    public double dot(Traffic traffic) {
        traffic.bytes += 2 * out.data().byteSize();
        return Reduction.on(device).dot(inputs.get(0), inputs.get(1));
    }

    @Benchmark
    public double sumOfSquares(Traffic traffic) {
        traffic.bytes += out.data().byteSize();
        return Reduction.on(device).sumOfSquares(inputs.get(0));
    }

    @Benchmark
    public double sum(Traffic traffic) {
        traffic.bytes += out.data().byteSize();
        return Reduction.on(device).sum(inputs.get(0));
    }

    @Benchmark
    public Products products(Traffic traffic) {
        traffic.bytes += 2 * out.data().byteSize();
        return Reduction.on(device).products(inputs.get(0), inputs.get(1));
    }

    /** Four models: a gradient, a base and four more are read. */
    @Benchmark
    public double[] taskVectorProducts(Traffic traffic) {
        traffic.bytes += 6 * out.data().byteSize();
        return Reduction.on(device).taskVectorProducts(inputs.get(0), inputs.get(1), inputs.subList(2, 6));
    }
}
