package dev.fusor.ensemble;

import dev.fusor.benchmark.BandwidthBenchmark;
import dev.fusor.benchmark.Traffic;
import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.ensemble.LogitEnsemble.Output;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/** A batch of a language model's logits from several models: the best class of each row. */
public class LogitEnsembleBenchmark extends BandwidthBenchmark {
    @Param({"F32", "BF16"})
    private DType type;

    @Param("4")
    private int models;

    @Param("256")
    private int rows;

    @Param("128256")
    private int classes;

    private Arena memory;
    private Batch batch;
    private Tensor argmax;
    private Tensor entropy;
    private Tensor distribution;

    /** Bell-shaped logits of deviation 3; each row is another piece of one long pattern. */
    @Setup
    public void allocate() {
        memory = Arena.ofShared();
        SplittableRandom random = new SplittableRandom(1);
        float[] values = new float[2 * classes];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (3 * random.nextGaussian());
        }
        Tensor pattern = Tensor.allocate(memory, type, values.length);
        Elements.store(values, pattern, 0, values.length);
        List<Model> list = new ArrayList<>();
        for (int e = 0; e < models; e++) {
            Tensor logits = Tensor.allocate(memory, type, rows, classes);
            for (long row = 0; row < rows; row++) {
                MemorySegment piece = pattern.slice(random.nextInt(classes), classes).data();
                logits.slice(row * classes, classes).data().copyFrom(piece);
            }
            list.add(Model.of(logits));
        }
        batch = new Batch(list, rows, classes, null, null);
        argmax = Tensor.allocate(memory, DType.I32, rows);
        entropy = Tensor.allocate(memory, DType.F32, rows);
        distribution = Tensor.allocate(memory, DType.F32, rows, classes);
        distribution.data().fill((byte) 1);
    }

    @TearDown
    public void freeLogits() {
        memory.close();
    }

    @Override
    public void free() {
        device.close();
    }

    @Benchmark
    public Tensor argmaxOfMeanProbabilities(Traffic traffic) {
        return run(Mode.PROBABILITIES, Map.of(Output.ARGMAX, argmax), traffic);
    }

    @Benchmark
    public Tensor argmaxOfGeometricMean(Traffic traffic) {
        return run(Mode.LOG_PROBABILITIES, Map.of(Output.ARGMAX, argmax), traffic);
    }

    @Benchmark
    public Tensor argmaxOfVote(Traffic traffic) {
        return run(Mode.VOTE, Map.of(Output.ARGMAX, argmax), traffic);
    }

    @Benchmark
    public Tensor geometricMeanAsProbabilities(Traffic traffic) {
        return run(Mode.LOG_PROBABILITIES, Map.of(Output.PROBABILITIES, distribution), traffic);
    }

    @Benchmark
    public Tensor meanProbabilitiesWithUncertainty(Traffic traffic) {
        return run(Mode.PROBABILITIES,
                Map.of(Output.ARGMAX, argmax, Output.LOG_PROBABILITIES, distribution, Output.DISAGREEMENT, entropy),
                traffic);
    }

    private Tensor run(Mode mode, Map<Output, Tensor> outputs, Traffic traffic) {
        LogitEnsemble.on(device).combine(mode, batch, outputs);
        batch.models().forEach(model -> traffic.bytes += model.logits().data().byteSize());
        outputs.values().forEach(output -> traffic.bytes += output.data().byteSize());
        return argmax;
    }
}
