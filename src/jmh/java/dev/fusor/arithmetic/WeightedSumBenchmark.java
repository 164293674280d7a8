package dev.fusor.arithmetic;

import dev.fusor.benchmark.Inputs;
import dev.fusor.benchmark.Traffic;
import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** What a caller waits for: the sum of models that lie in memory, with or without a base. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput) // with the byte counter and nanoseconds, "bytes" reads as GB/s
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED", "-Xmx2g"})
public class WeightedSumBenchmark {
    @Param({"BF16", "F16", "F32"})
    private DType type;

    @Param("134217728")
    private long length;

    @Param({"4"})
    private int models;

    @Param({"false", "true"})
    private boolean base;

    private final CpuDevice device = CpuDevice.open();
    private Arena arena;
    private List<Tensor> inputs;
    private Tensor out;

    @Setup
    public void allocate() {
        arena = Arena.ofShared();
        inputs = Inputs.models(arena, type, length, models);
        out = Tensor.allocate(arena, type, length);
        out.data().fill((byte) 1); // pages of its own before the first measurement
    }

    @TearDown
    public void free() {
        arena.close();
        device.close();
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
