package dev.fusor.cli;

import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Mode;
import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.ensemble.LogitEnsemble.Output;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** Predicts block after block of rows, with each model alone and with all of them in each mode, and keeps count of the quality. */
final class EnsembleEvaluation {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Combiner combiner;
    private final List<Mode> modes;
    private final List<Output> saved;
    private final int ranks;
    private final Buffers buffers;
    private final List<PredictionQuality> models = new ArrayList<>();
    private final Map<Mode, PredictionQuality> qualities = new EnumMap<>(Mode.class);
    private long rows;
    private double information;

    /** Memory of results, taken once for the largest block. */
    private static final class Buffers {
        private final Arena arena;
        private final int blockRows;
        private final Map<Output, MemorySegment> memory = new EnumMap<>(Output.class);

        private Buffers(Arena arena, int blockRows) {
            this.arena = arena;
            this.blockRows = blockRows;
        }

        private Tensor of(Output output, DType dtype, Shape shape) {
            long bytes = dtype.byteSize(shape.elements());
            MemorySegment segment = memory.computeIfAbsent(output,
                    any -> arena.allocate(bytes / shape.extent(0) * blockRows, 64));
            return Tensor.of(segment.asSlice(0, bytes), dtype, shape);
        }
    }

    /**
     * Begins.
     *
     * @param saved what {@link #add} returns, of the only mode
     * @param ranks how many of the best classes are looked at
     */
    EnsembleEvaluation(Combiner combiner, LogitFiles logits, List<Mode> modes, List<Output> saved, int ranks,
            boolean labelled, Arena arena) {
        this.combiner = combiner;
        this.modes = modes;
        this.saved = saved;
        this.ranks = ranks;
        this.buffers = new Buffers(arena, logits.blockRows());
        for (int e = 0; e < logits.models(); e++) {
            models.add(new PredictionQuality(labelled));
        }
        modes.forEach(mode -> qualities.put(mode, new PredictionQuality(labelled)));
    }

    /** Takes a block; {@return what is saved of it, until the next one} */
    Map<Output, Tensor> add(Batch block) {
        Batch batch = combiner.place(block);
        Tensor labels = block.labels();
        int count = models.size();
        List<int[]> ballots = new ArrayList<>();
        for (int e = 0; e < count; e++) {
            Batch alone = new Batch(List.of(batch.models().get(e).weighted(1)), batch.rows(), batch.classes(), null,
                    batch.labels());
            ballots.add(predict(Mode.LOGITS, alone, labels, List.of(), models.get(e)));
        }
        for (int e = 0; e < count; e++) {
            List<int[]> others = new ArrayList<>(ballots);
            others.remove(e);
            compare(ballots.get(e), others, models.get(e));
        }
        for (Mode mode : modes) {
            compare(predict(mode, batch, labels, saved, qualities.get(mode)), ballots, qualities.get(mode));
        }
        rows += batch.rows();
        Map<Output, Tensor> results = new EnumMap<>(Output.class);
        saved.forEach(output -> results.put(output, result(output, batch)));
        return results;
    }

    /** Of a batch where it is combined, and its labels in host memory, if there are any. */
    private int[] predict(Mode mode, Batch batch, Tensor labels, List<Output> more, PredictionQuality quality) {
        Map<Output, Tensor> results = new EnumMap<>(Output.class);
        for (Output output : List.of(Output.ARGMAX, Output.TOP_LOG_PROBABILITIES, Output.ENTROPY)) {
            results.put(output, result(output, batch));
        }
        if (labels != null) {
            results.put(Output.LOSS, result(Output.LOSS, batch));
        }
        if (mode == Mode.PROBABILITIES) {
            results.put(Output.DISAGREEMENT, result(Output.DISAGREEMENT, batch));
        }
        more.forEach(output -> results.put(output, result(output, batch)));
        combiner.combine(mode, batch, results);
        int[] best = new int[Math.toIntExact(batch.rows())];
        for (int row = 0; row < best.length; row++) {
            best[row] = results.get(Output.ARGMAX).data().get(INT, 4L * row);
            float logProbability = (float) Elements.get(results.get(Output.TOP_LOG_PROBABILITIES), (long) row * ranks);
            quality.add(logProbability, (float) Elements.get(results.get(Output.ENTROPY), row));
            if (labels != null) {
                quality.judge(best[row], logProbability, labels.data().get(INT, 4L * row),
                        (float) Elements.get(results.get(Output.LOSS), row));
            }
            if (mode == Mode.PROBABILITIES) {
                information += Elements.get(results.get(Output.DISAGREEMENT), row);
            }
        }
        return best;
    }

    private static void compare(int[] best, List<int[]> others, PredictionQuality quality) {
        for (int[] other : others) {
            for (int row = 0; row < best.length; row++) {
                quality.compare(best[row], other[row]);
            }
        }
    }

    private Tensor result(Output output, Batch batch) {
        return buffers.of(output, type(output), shape(output, batch.rows(), batch.classes(), models.size(), ranks));
    }

    /** {@return the element type of a result} */
    static DType type(Output output) {
        return output == Output.ARGMAX || output == Output.TOP_CLASSES ? DType.I32 : DType.F32;
    }

    /** {@return the shape of a result} */
    static Shape shape(Output output, long rows, int classes, int models, int ranks) {
        return switch (output) {
            case LOGITS, LOG_PROBABILITIES, PROBABILITIES -> Shape.of(rows, classes);
            case TOP_CLASSES, TOP_LOG_PROBABILITIES -> Shape.of(rows, ranks);
            case LOG_SUM_EXP -> Shape.of(rows, models);
            case ARGMAX, ENTROPY, DISAGREEMENT, LOSS -> Shape.of(rows);
        };
    }

    /** {@return the quality of a model alone} */
    PredictionQuality model(int number) {
        return models.get(number);
    }

    /** {@return the quality of a mode} */
    PredictionQuality mode(Mode mode) {
        return qualities.get(mode);
    }

    /** {@return the mean mutual information of class and model in nats, NaN without the mean of probabilities} */
    double mutualInformation() {
        return modes.contains(Mode.PROBABILITIES) ? information / rows : Double.NaN;
    }
}
