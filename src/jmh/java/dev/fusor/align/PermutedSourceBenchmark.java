package dev.fusor.align;

import dev.fusor.benchmark.BandwidthBenchmark;
import dev.fusor.benchmark.Traffic;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/** Gathering a matrix of 4096 columns with its units in other places: by rows, by heads of 128 columns, by columns. */
public class PermutedSourceBenchmark extends BandwidthBenchmark {
    private static final int COLUMNS = 4096;
    /** Elements that a merge asks for at a time. */
    private static final long RANGE = 1 << 18;

    @Param({"BF16", "F32"})
    private DType type;

    @Param({"ROWS", "HEADS", "COLUMNS", "ROWS_AND_COLUMNS"})
    private Units units;

    @Param("67108864")
    private long length;

    private PermutedSource permuted;

    /** What moves. */
    public enum Units {
        ROWS, HEADS, COLUMNS, ROWS_AND_COLUMNS
    }

    @Setup
    public void allocate() {
        allocate(type, length, 0);
        int rows = (int) (length / COLUMNS);
        List<Occurrence> occurrences = new ArrayList<>();
        if (units == Units.ROWS || units == Units.ROWS_AND_COLUMNS) {
            occurrences.add(new Occurrence("x", 0, 0, new PermutationGroup("rows", rows), 1));
        }
        if (units != Units.ROWS) {
            int block = units == Units.HEADS ? 128 : 1;
            occurrences.add(new Occurrence("x", 1, 0, new PermutationGroup("columns", COLUMNS / block), block));
        }
        Permutations permutations = Permutations.identity(List.of());
        for (Occurrence occurrence : occurrences) {
            List<Integer> order = new ArrayList<>(IntStream.range(0, occurrence.group().units()).boxed().toList());
            Collections.shuffle(order, new Random(1));
            permutations = permutations.with(occurrence.group(), order.stream().mapToInt(Integer::intValue).toArray());
        }
        permuted = (PermutedSource) PermutedSource.of(
                Tensor.of(inputs.getFirst().data(), type, Shape.of(rows, COLUMNS)), occurrences, permutations);
    }

    @Benchmark
    public Tensor gather(Traffic traffic) {
        device.run(length / RANGE, number -> permuted.copy(number * RANGE, out.slice(number * RANGE, RANGE)));
        traffic.bytes += 2 * out.data().byteSize();
        return out;
    }
}
