package dev.fusor.ensemble;

import dev.fusor.benchmark.BandwidthBenchmark;
import dev.fusor.benchmark.Traffic;
import dev.fusor.ensemble.EnsembleGradient.Objective;
import dev.fusor.ensemble.EnsembleGradient.Output;
import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Map;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/** The gradients of four models by their weights and temperatures. */
public class EnsembleGradientBenchmark extends BandwidthBenchmark {
    private static final int MODELS = 4;

    @Param({"F32", "BF16"})
    private DType type;

    @Param("64")
    private int rows;

    @Param("128256")
    private int classes;

    private Batch batch;
    private Map<Output, Tensor> outputs;

    @Setup
    public void allocate() {
        allocate(type, (long) rows * classes, MODELS - 1);
        List<Model> models = inputs.stream().map(flat -> Model.of(Tensor.of(flat.data(), type, Shape.of(rows, classes)))
                .tempered(0.01)).toList();
        Arena memory = Arena.ofAuto();
        batch = new Batch(models, rows, classes, null, Tensor.allocate(memory, DType.I32, rows));
        outputs = Map.of(Output.OBJECTIVE, Tensor.allocate(memory, DType.F32, rows), Output.WEIGHTS,
                Tensor.allocate(memory, DType.F32, rows, MODELS), Output.TEMPERATURES,
                Tensor.allocate(memory, DType.F32, rows, MODELS));
    }

    @Benchmark
    public Map<Output, Tensor> crossEntropyOfMeanLogits(Traffic traffic) {
        return run(Mode.LOGITS, Objective.CROSS_ENTROPY, traffic);
    }

    @Benchmark
    public Map<Output, Tensor> entropyOfMeanLogits(Traffic traffic) {
        return run(Mode.LOGITS, Objective.ENTROPY, traffic);
    }

    @Benchmark
    public Map<Output, Tensor> crossEntropyOfMeanProbabilities(Traffic traffic) {
        return run(Mode.PROBABILITIES, Objective.CROSS_ENTROPY, traffic);
    }

    @Benchmark
    public Map<Output, Tensor> entropyOfMeanProbabilities(Traffic traffic) {
        return run(Mode.PROBABILITIES, Objective.ENTROPY, traffic);
    }

    private Map<Output, Tensor> run(Mode mode, Objective objective, Traffic traffic) {
        EnsembleGradient.on(device).differentiate(mode, objective, batch, outputs);
        inputs.forEach(tensor -> traffic.bytes += tensor.data().byteSize());
        return outputs;
    }
}
