package dev.fusor.consensus;

import dev.fusor.benchmark.BandwidthBenchmark;
import dev.fusor.benchmark.Traffic;
import dev.fusor.consensus.DisjointMerge.Election;
import dev.fusor.consensus.DisjointMerge.Rule;
import dev.fusor.consensus.DisjointMerge.Voter;
import dev.fusor.drop.RandomDrop;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.trim.MagnitudeBand;
import dev.fusor.trim.MagnitudeCut;
import dev.fusor.trim.MagnitudeSelection;
import dev.fusor.trim.MagnitudeSelection.Part;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
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
        List<Tensor> x = inputs.subList(1, 1 + models);
        long kept = MagnitudeSelection.kept(0.2, length);
        List<Wanted> wanted = IntStream.range(0, models).mapToObj(m -> new Wanted(m, kept)).toList();
        Part whole = new Part(inputs.getFirst(), List.copyOf(x));
        List<List<MagnitudeCut>> cuts = MagnitudeSelection.on(device)
                .select(List.of(whole), wanted, MagnitudeSelection.Ties.EXACT_K).cuts();
        List<Voter> voters = IntStream.range(0, models)
                .mapToObj(m -> new Voter(x.get(m), 1, cuts.get(m).getFirst())).toList();
        return merge(voters, new Rule(Election.WEIGHTED, 1, true), traffic);
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
        traffic.bytes += out.data().byteSize() * (models + 2);
        return out;
    }
}
