package dev.fusor.consensus;

import dev.fusor.benchmark.BandwidthBenchmark;
import dev.fusor.benchmark.Traffic;
import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.consensus.DisjointMerge.Trimmed;
import dev.fusor.consensus.DisjointMerge.Voter;
import dev.fusor.drop.RandomDrop;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.trim.MagnitudeBand;
import dev.fusor.trim.MagnitudeSelection;
import java.util.ArrayList;
import java.util.List;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/** TIES of three models: the cuts, and election and merge; and DARE of them, which needs no cuts, with and without election. */
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
        long kept = MagnitudeSelection.kept(0.2, length);
        List<Trimmed> trimmed = inputs.subList(1, 1 + models).stream().map(x -> new Trimmed(x, 1, kept)).toList();
        DisjointMerge.on(device).merge(inputs.getFirst(), trimmed, MagnitudeSelection.Ties.EXACT_K,
                new Rule(Election.WEIGHTED, 1, true), out);
        return counted(traffic);
    }

    @Benchmark
    public Tensor dareTies(Traffic traffic) {
        return merge(dropped(), new Rule(Election.WEIGHTED, 1, false), traffic);
    }

    @Benchmark
    public Tensor dareLinear(Traffic traffic) {
        return merge(dropped(), new Rule(Election.NONE, 1, false), traffic);
    }

    private List<Voter> dropped() {
        List<Voter> voters = new ArrayList<>();
        for (int m = 0; m < models; m++) {
            voters.add(new Voter(inputs.get(1 + m), 1, MagnitudeBand.ALL, new RandomDrop(1, m, 0.5, true)));
        }
        return voters;
    }

    private Tensor merge(List<Voter> voters, Rule rule, Traffic traffic) {
        DisjointMerge.on(device).merge(inputs.getFirst(), voters, 0, rule, out);
        return counted(traffic);
    }

    private Tensor counted(Traffic traffic) {
        traffic.bytes += out.data().byteSize() * (models + 2);
        return out;
    }
}
