package dev.fusor.align;

import dev.fusor.benchmark.BandwidthBenchmark;
import dev.fusor.benchmark.Traffic;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/** A square of weights between two models, rows or columns or both of the second permuted. */
public class InterpolationBenchmark extends BandwidthBenchmark {
    private static final int SIDE = 8192;

    @Param({"BF16", "F32"})
    private DType type;

    @Param({"rows", "columns", "both"})
    private String axes;

    private Tensor second;
    private List<Occurrence> occurrences;
    private Permutations permutations;

    @Setup
    public void allocate() {
        allocate(type, (long) SIDE * SIDE, 1);
        second = Tensor.of(inputs.getLast().data(), type, Shape.of(SIDE, SIDE));
        occurrences = new ArrayList<>();
        Map<PermutationGroup, int[]> orders = new LinkedHashMap<>();
        for (int axis = 0; axis < 2; axis++) {
            PermutationGroup group = new PermutationGroup("axis" + axis, SIDE);
            if (axis == 0 ? !axes.equals("columns") : !axes.equals("rows")) {
                List<Integer> order = new ArrayList<>(IntStream.range(0, SIDE).boxed().toList());
                Collections.shuffle(order, new Random(axis));
                orders.put(group, order.stream().mapToInt(Integer::intValue).toArray());
                occurrences.add(new Occurrence("weights", axis, 0, group, 1));
            }
        }
        permutations = new Permutations(orders);
    }

    @Benchmark
    public Tensor between(Traffic traffic) {
        Interpolation.between(device, inputs.getFirst(), PermutedSource.of(second, occurrences, permutations), 0.5,
                out);
        traffic.bytes += 3 * out.data().byteSize();
        return out;
    }
}
