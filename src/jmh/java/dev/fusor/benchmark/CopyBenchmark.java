package dev.fusor.benchmark;

import dev.fusor.simd.Lanes;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/** What this machine can move at most, for the ratios of all other benchmarks. */
public class CopyBenchmark extends BandwidthBenchmark {
    @Param({"BF16", "F32"})
    private DType type;

    @Param("134217728")
    private long length;

    @Setup
    public void allocate() {
        allocate(type, length, 1);
    }

    /** The copy of the library: beyond 2.5 MB it writes past the caches. */
    @Benchmark
    public Tensor copy(Traffic traffic) {
        long half = out.data().byteSize() / 2;
        device.run(2, part -> MemorySegment.copy(inputs.getFirst().data(), part * half, out.data(), part * half, half));
        traffic.bytes += 2 * out.data().byteSize();
        return out;
    }

    /** By vectors: as any loop of this library, through the caches. */
    @Benchmark
    public Tensor vectorCopy(Traffic traffic) {
        long part = 1 << 19;
        device.run(out.data().byteSize() / part,
                number -> copy(inputs.getFirst().data(), out.data(), number * part, part));
        traffic.bytes += 2 * out.data().byteSize();
        return out;
    }

    private static void copy(MemorySegment from, MemorySegment to, long start, long bytes) {
        for (long at = start; at < start + bytes; at += Lanes.FLOAT.vectorByteSize()) {
            FloatVector.fromMemorySegment(Lanes.FLOAT, from, at, ByteOrder.LITTLE_ENDIAN)
                    .intoMemorySegment(to, at, ByteOrder.LITTLE_ENDIAN);
        }
    }

    /** Every byte once, for loops that write next to nothing. */
    @Benchmark
    public double read(Traffic traffic) {
        long part = 1 << 19;
        double[] sums = new double[(int) (out.data().byteSize() / part)];
        device.run(sums.length, number -> sums[(int) number] = sum(inputs.getFirst().data(), number * part, part));
        traffic.bytes += out.data().byteSize();
        return sums[0];
    }

    private static float sum(MemorySegment from, long start, long bytes) {
        int step = Lanes.FLOAT.vectorByteSize();
        FloatVector even = FloatVector.zero(Lanes.FLOAT);
        FloatVector odd = FloatVector.zero(Lanes.FLOAT);
        for (long at = start; at < start + bytes; at += 2L * step) {
            even = even.add(FloatVector.fromMemorySegment(Lanes.FLOAT, from, at, ByteOrder.LITTLE_ENDIAN));
            odd = odd.add(FloatVector.fromMemorySegment(Lanes.FLOAT, from, at + step, ByteOrder.LITTLE_ENDIAN));
        }
        return even.add(odd).reduceLanes(VectorOperators.ADD);
    }

    /** The triad of STREAM, a = b + s * c, over the bytes as float32. */
    @Benchmark
    public Tensor triad(Traffic traffic) {
        long part = 1 << 19;
        device.run(out.data().byteSize() / part, number -> triad(inputs.get(0).data(), inputs.get(1).data(), out.data(),
                number * part, part));
        traffic.bytes += 3 * out.data().byteSize();
        return out;
    }

    private static void triad(MemorySegment b, MemorySegment c, MemorySegment a, long from, long bytes) {
        for (long at = from; at < from + bytes; at += Lanes.FLOAT.vectorByteSize()) {
            FloatVector.fromMemorySegment(Lanes.FLOAT, b, at, ByteOrder.LITTLE_ENDIAN)
                    .fma(FloatVector.broadcast(Lanes.FLOAT, 0.5f),
                            FloatVector.fromMemorySegment(Lanes.FLOAT, c, at, ByteOrder.LITTLE_ENDIAN))
                    .intoMemorySegment(a, at, ByteOrder.LITTLE_ENDIAN);
        }
    }
}
