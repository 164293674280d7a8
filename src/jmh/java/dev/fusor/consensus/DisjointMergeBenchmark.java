package dev.fusor.consensus;

import dev.fusor.benchmark.Inputs;
import dev.fusor.benchmark.Traffic;
import dev.fusor.consensus.DisjointMerge.Voter;
import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.trim.MagnitudeSelection;
import java.lang.foreign.Arena;
import java.util.ArrayList;
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

/** TIES of three models: the cuts, and election and merge. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput) // with the byte counter and nanoseconds, "bytes" reads as GB/s
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED", "-Xmx2g"})
public class DisjointMergeBenchmark {
    @Param({"BF16", "F32"})
    private DType type;

    @Param("16777216")
    private long length;

    @Param({"3"})
    private int models;

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
    public Tensor ties(Traffic traffic) {
        List<Voter> voters = new ArrayList<>();
        for (Tensor x : inputs.subList(1, 1 + models)) {
            voters.add(new Voter(x, 1, MagnitudeSelection.on(device).select(inputs.getFirst(), x,
                    MagnitudeSelection.kept(0.2, length), MagnitudeSelection.Ties.EXACT_K)));
        }
        DisjointMerge.on(device).merge(inputs.getFirst(), voters, 0, 1, true, out);
        traffic.bytes += out.data().byteSize() * (models + 2);
        return out;
    }
}
