package dev.fusor.linalg;

import dev.fusor.benchmark.Inputs;
import dev.fusor.device.CpuDevice;
import dev.fusor.simd.Lanes;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.concurrent.TimeUnit;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import org.openjdk.jmh.annotations.AuxCounters;
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

/** Similarities beside the rate of fused multiply-adds in registers; docs/peers/sgemm.py has NumPy's and PyTorch's. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput) // with the counter and nanoseconds, "operations" reads as GFLOP/s
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED", "-Xmx2g"})
public class UnitSimilarityBenchmark {
    private static final int PEAK_STEPS = 1 << 20;
    private static final int PEAK_SUMS = 10;

    @Param({"1", "2"})
    private int threads;

    @Param({"F32", "BF16"})
    private DType type;

    /** Units of each side, and columns. */
    @Param({"512", "4096"})
    private int units;

    @Param("4096")
    private int columns;

    /** Where the units lie: rows are contiguous, columns interleaved. */
    @Param({"0", "1"})
    private int axis;

    private CpuDevice device;
    private Arena arena;
    private Units a;
    private Units b;
    private Tensor similarities;

    /** Additions and multiplications. */
    @State(Scope.Thread)
    @AuxCounters(AuxCounters.Type.OPERATIONS)
    public static class Arithmetic {
        public long operations;
    }

    @Setup
    public void allocate() {
        device = CpuDevice.open(threads);
        arena = Arena.ofShared();
        List<Tensor> inputs = Inputs.models(arena, type, (long) units * columns, 1);
        Shape shape = axis == 0 ? Shape.of(units, columns) : Shape.of(columns, units);
        a = Units.along(Tensor.of(inputs.get(0).data(), type, shape), axis);
        b = Units.along(Tensor.of(inputs.get(1).data(), type, shape), axis);
        similarities = Tensor.allocate(arena, DType.F32, units, units);
    }

    @Benchmark
    public Tensor accumulate(Arithmetic arithmetic) {
        UnitSimilarity.on(device).accumulate(a, b, similarities);
        arithmetic.operations += 2L * units * units * columns;
        return similarities;
    }

    /** What the processor does at most: independent fused multiply-adds of the widest vectors, nothing loaded. */
    @Benchmark
    public float[] peak(Arithmetic arithmetic) {
        float[] sums = new float[threads];
        device.run(threads, task -> sums[(int) task] = multiplyAdd(PEAK_STEPS));
        arithmetic.operations += 2L * threads * PEAK_STEPS * PEAK_SUMS * Lanes.LENGTH;
        return sums;
    }

    private static float multiplyAdd(int steps) {
        FloatVector x = FloatVector.broadcast(Lanes.FLOAT, 0.999f);
        FloatVector y = FloatVector.broadcast(Lanes.FLOAT, 0.001f);
        FloatVector s0 = y;
        FloatVector s1 = y;
        FloatVector s2 = y;
        FloatVector s3 = y;
        FloatVector s4 = y;
        FloatVector s5 = y;
        FloatVector s6 = y;
        FloatVector s7 = y;
        FloatVector s8 = y;
        FloatVector s9 = y;
        for (int i = 0; i < steps; i++) {
            s0 = s0.fma(x, y);
            s1 = s1.fma(x, y);
            s2 = s2.fma(x, y);
            s3 = s3.fma(x, y);
            s4 = s4.fma(x, y);
            s5 = s5.fma(x, y);
            s6 = s6.fma(x, y);
            s7 = s7.fma(x, y);
            s8 = s8.fma(x, y);
            s9 = s9.fma(x, y);
        }
        return s0.add(s1).add(s2).add(s3).add(s4).add(s5).add(s6).add(s7).add(s8).add(s9)
                .reduceLanes(VectorOperators.ADD);
    }

    @TearDown
    public void free() {
        arena.close();
        device.close();
    }
}
