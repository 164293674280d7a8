package dev.fusor.trim;

import dev.fusor.benchmark.BandwidthBenchmark;
import dev.fusor.benchmark.Traffic;
import dev.fusor.tensor.DType;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/** The ranks of a task vector in its rows, 64 rows a task. */
public class RowRanksBenchmark extends BandwidthBenchmark {
    private static final int ROWS_OF_A_TASK = 64;

    @Param({"BF16", "F32"})
    private DType type;

    @Param("4096")
    private int row;

    @Param("16777216")
    private long length;

    @Setup
    public void allocate() {
        allocate(type, length, 1);
    }

    @Benchmark
    public void rank(Traffic traffic) {
        long task = (long) ROWS_OF_A_TASK * row;
        device.run(length / task, number -> RowRanks.of(inputs.get(0).slice(number * task, task),
                inputs.get(1).slice(number * task, task), row));
        traffic.bytes += 2 * out.data().byteSize();
    }
}
