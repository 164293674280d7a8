package dev.fusor.benchmark;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** What all benchmarks share: how they are run, and a base model, models and an output in memory. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput) // with the byte counter and nanoseconds, "bytes" reads as GB/s
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED", "-Xmx2g"})
public abstract class BandwidthBenchmark {
    protected final CpuDevice device = CpuDevice.open();

    /** The base model first, then the models. */
    protected List<Tensor> inputs;
    protected Tensor out;

    private Arena arena;

    protected void allocate(DType type, long length, int models) {
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
}
