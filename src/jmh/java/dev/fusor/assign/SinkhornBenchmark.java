package dev.fusor.assign;

import dev.fusor.benchmark.Traffic;
import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
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

/** Twenty iterations; GB/s of the costs, read once for each update, beside the read rate of CopyBenchmark. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput) // with the byte counter and nanoseconds, "bytes" reads as GB/s
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED", "-Xmx2g"})
public class SinkhornBenchmark {
    private static final int ITERATIONS = 20;

    @Param({"512", "4096"})
    private int size;

    private final CpuDevice device = CpuDevice.open();
    private Arena arena;
    private Tensor costs;
    private Tensor plan;
    private double[] sums;

    @Setup
    public void allocate() {
        arena = Arena.ofShared();
        costs = BenchmarkCosts.UNIFORM.make(arena, size);
        plan = Tensor.allocate(arena, DType.F32, size, size);
        sums = new double[size];
        Arrays.fill(sums, 1.0 / size);
    }

    @Benchmark
    public Sinkhorn.Outcome solve(Traffic traffic) {
        traffic.bytes += 2 * ITERATIONS * costs.data().byteSize();
        return Sinkhorn.on(device).solve(costs, sums, sums, new Sinkhorn.Settings(0.05, ITERATIONS, 0), plan);
    }

    @TearDown
    public void free() {
        arena.close();
        device.close();
    }
}
