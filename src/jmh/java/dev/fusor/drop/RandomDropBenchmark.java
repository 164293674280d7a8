package dev.fusor.drop;

import dev.fusor.benchmark.BandwidthBenchmark;
import dev.fusor.benchmark.Traffic;
import dev.fusor.simd.Scratch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.TearDown;

/** Factors of a random drop, in the cache: the GB/s are those of float32 factors. */
public class RandomDropBenchmark extends BandwidthBenchmark {
    private static final int RANGES_OF_A_TASK = 64;

    @Param("16777216")
    private long length;

    @Override
    @TearDown
    public void free() {
        device.close();
    }

    @Benchmark
    public void factors(Traffic traffic) {
        RandomDrop drop = new RandomDrop(1, 0, 0.5, true);
        long task = (long) RANGES_OF_A_TASK * Scratch.ELEMENTS;
        device.run(length / task, number -> {
            MemorySegment factors = ROOM.get();
            for (int r = 0; r < RANGES_OF_A_TASK; r++) {
                drop.load(number * task + (long) r * Scratch.ELEMENTS, Scratch.ELEMENTS, factors);
            }
        });
        traffic.bytes += Float.BYTES * length;
    }

    private static final ThreadLocal<MemorySegment> ROOM = ThreadLocal
            .withInitial(() -> Arena.ofAuto().allocate((long) Scratch.ELEMENTS * Float.BYTES, 64));
}
