package dev.fusor.consensus;

import dev.fusor.benchmark.BandwidthBenchmark;
import dev.fusor.benchmark.Traffic;
import dev.fusor.consensus.TaskVectorFusion.Fusion;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/** One task vector of those of four models, on one thread: MagMax, EMR-Merging's unified one, and consensus of TALL masks. */
public class TaskVectorFusionBenchmark extends BandwidthBenchmark {
    @Param({"BF16", "F32"})
    private DType type;

    @Param("16777216")
    private long length;

    @Setup
    public void allocate() {
        allocate(type, length, 4);
    }

    @Benchmark
    public Tensor largest(Traffic traffic) {
        return merge(TaskVectorFusion.largest(), traffic);
    }

    @Benchmark
    public Tensor unified(Traffic traffic) {
        return merge(TaskVectorFusion.unified(), traffic);
    }

    @Benchmark
    public Tensor tallMasked(Traffic traffic) {
        return merge(TaskVectorFusion.tallMasked(new int[]{0, 1, 2, 3}, new double[]{0.6, 0.6, 0.6, 0.6}, 2), traffic);
    }

    private Tensor merge(Fusion fusion, Traffic traffic) {
        TaskVectorFusion.merge(inputs.getFirst(), inputs.subList(1, 5), fusion, 0.5, out);
        traffic.bytes += out.data().byteSize() * 6;
        return out;
    }
}
