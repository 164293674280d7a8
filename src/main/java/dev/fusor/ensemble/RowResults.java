package dev.fusor.ensemble;

import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Output;
import dev.fusor.simd.Floats;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Map;

import static dev.fusor.ensemble.RowBuffers.FLOATS;

/** What is wanted of a row, and where it goes. */
final class RowResults {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Gives the log-probability of one of the best classes. */
    interface LogProbability {
        /**
         * {@return it}
         *
         * @param number the class
         * @param value what it was ranked by
         */
        float of(int number, float value);
    }

    private final Batch batch;
    private final Map<Output, Tensor> outputs;
    private final Chunks chunks;
    private final TopClasses top;
    private long row;

    RowResults(Batch batch, Map<Output, Tensor> outputs, Chunks chunks) {
        this.batch = batch;
        this.outputs = outputs;
        this.chunks = chunks;
        Tensor ranked = outputs.getOrDefault(Output.TOP_CLASSES, outputs.get(Output.TOP_LOG_PROBABILITIES));
        this.top = ranked != null
                ? new TopClasses((int) ranked.shape().extent(1))
                : wants(Output.ARGMAX) ? new TopClasses(1) : null;
    }

    boolean wants(Output output) {
        return outputs.containsKey(output);
    }

    /** {@return the best classes, or null if they are not wanted} */
    TopClasses top() {
        return top;
    }

    /** {@return whether the best class is wanted, and no other} */
    boolean wantsOneBest() {
        return top != null && top.size() == 1;
    }

    /** Turns to a row. */
    void turnTo(long number) {
        row = number;
        if (top != null) {
            top.clear();
        }
    }

    /** {@return the label of the row} */
    int label() {
        return (int) BatchCheck.label(batch.labels(), row);
    }

    /** Takes the row's number of an output, if that is wanted. */
    void number(Output output, float value) {
        number(output, row, value);
    }

    /** Takes a model's number of an output, if that is wanted. */
    void number(Output output, int model, float value) {
        number(output, row * batch.models().size() + model, value);
    }

    private void number(Output output, long at, float value) {
        if (wants(output)) {
            Elements.set(outputs.get(output), at, value);
        }
    }

    /** Takes a chunk of an output, if that is wanted. */
    void store(Output output, MemorySegment values, int chunk) {
        if (wants(output)) {
            float[] numbers = RowBuffers.floats(FLOATS);
            MemorySegment.copy(values, FLOAT, 0, numbers, 0, chunks.count(chunk));
            Floats.store(numbers, outputs.get(output), row * chunks.classes() + Chunks.first(chunk),
                    chunks.count(chunk));
        }
    }

    /** Offers a chunk to the best classes, if they are wanted; chunks come in order. */
    void offer(MemorySegment values, int chunk, float max) {
        if (top != null) {
            top.offer(values, 0, chunks.count(chunk), Chunks.first(chunk), max);
        }
    }

    /** Ends a row: its best classes are known. */
    void rank(LogProbability logProbability) {
        if (wants(Output.ARGMAX)) {
            outputs.get(Output.ARGMAX).data().set(INT, 4 * row, top.number(0));
        }
        for (int i = 0; top != null && i < top.size(); i++) {
            long at = row * top.size() + i;
            if (wants(Output.TOP_CLASSES)) {
                outputs.get(Output.TOP_CLASSES).data().set(INT, 4 * at, top.number(i));
            }
            if (wants(Output.TOP_LOG_PROBABILITIES)) {
                number(Output.TOP_LOG_PROBABILITIES, at, logProbability.of(top.number(i), top.value(i)));
            }
        }
    }
}
