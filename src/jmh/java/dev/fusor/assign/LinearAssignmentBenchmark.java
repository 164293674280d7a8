package dev.fusor.assign;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
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

/** How long an assignment takes, by family and size; docs/peers/scipy_assignment.py has SciPy's times for the same costs. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED", "-Xmx2g"})
public class LinearAssignmentBenchmark {
    @Param
    private BenchmarkCosts family;

    @Param({"512", "4096"})
    private int size;

    private final CpuDevice device = CpuDevice.open();
    private Arena arena;
    private Tensor costs;

    @Setup
    public void allocate() {
        arena = Arena.ofShared();
        costs = family.make(arena, size);
    }

    @Benchmark
    public Assignment solve() {
        return LinearAssignment.on(device).solve(costs, family.goal());
    }

    @TearDown
    public void free() {
        arena.close();
        device.close();
    }
}
