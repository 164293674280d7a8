package dev.fusor.consensus;

import dev.fusor.benchmark.BandwidthBenchmark;
import dev.fusor.benchmark.Traffic;
import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.consensus.DisjointMerge.Voter;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.trim.MagnitudeSelection;
import java.util.ArrayList;
import java.util.List;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/** TIES of three models: the cuts, and election and merge. */
public class DisjointMergeBenchmark extends BandwidthBenchmark {
    @Param({"BF16", "F32"})
    private DType type;

    @Param("16777216")
    private long length;

    @Param({"3"})
    private int models;

    @Setup
    public void allocate() {
        allocate(type, length, models);
    }

    @Benchmark
    public Tensor ties(Traffic traffic) {
        List<Voter> voters = new ArrayList<>();
        for (Tensor x : inputs.subList(1, 1 + models)) {
            voters.add(new Voter(x, 1, MagnitudeSelection.on(device).select(inputs.getFirst(), x,
                    MagnitudeSelection.kept(0.2, length), MagnitudeSelection.Ties.EXACT_K)));
        }
        DisjointMerge.on(device).merge(inputs.getFirst(), voters, 0, new Rule(Election.WEIGHTED, 1, true), out);
        traffic.bytes += out.data().byteSize() * (models + 2);
        return out;
    }
}
