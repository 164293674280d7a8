package dev.fusor.ensemble;

import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.simd.Floats;
import dev.fusor.simd.Scratch;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

import static dev.fusor.ensemble.LogitEnsemble.CHUNK;

/** The rows of one model, chunk by chunk: x where it lies if it is stored so, else brought into a buffer. */
final class ModelChunks {
    private final Model model;
    private final int classes;
    private final int width;
    private final int buffer;
    private final float inverse;
    private final boolean untouched;
    private MemorySegment data;
    private long at;

    /**
     * Reads a model.
     *
     * @param classes how many
     * @param width what counts of classes are rounded up to
     * @param buffer the number of the scratch buffer to use
     */
    ModelChunks(Model model, int classes, int width, int buffer) {
        this.model = model;
        this.classes = classes;
        this.width = width;
        this.buffer = buffer;
        this.inverse = inverse(model);
        this.untouched = inverse == 1 && model.present() == null;
    }

    /** {@return what logits are multiplied by} */
    static float inverse(Model model) {
        return (float) (1 / model.temperature());
    }

    /** {@return whether a chunk can be had as a type without a copy} */
    boolean lies(int chunk, DType type) {
        return untouched && model.logits().dtype() == type && count(chunk) % width == 0;
    }

    /** Finds a chunk as it is stored; {@link #lies} said that it can. */
    void point(long row, int chunk) {
        data = model.logits().data();
        at = model.logits().dtype().byteSize(index(row, chunk));
    }

    /** Finds a chunk of x, filled up with -infinity to the width. */
    void bring(long row, int chunk) {
        if (lies(chunk, DType.F32)) {
            point(row, chunk);
        } else {
            data = Scratch.mine().buffer(buffer);
            at = 0;
            load(row, chunk, data);
        }
    }

    /** Copies a chunk of x, filled up likewise. */
    void load(long row, int chunk, MemorySegment target) {
        int count = count(chunk);
        int padded = EnsembleRow.padded(count, width);
        float[] x = Scratch.mine().floats(EnsembleRow.FLOATS);
        Floats.load(model.logits(), index(row, chunk), x, count);
        if (inverse != 1) {
            for (int i = 0; i < count; i++) {
                x[i] *= inverse;
            }
        }
        if (model.present() != null) {
            for (int i = 0; i < count; i++) {
                x[i] = has(chunk * CHUNK + i) ? x[i] : Float.NEGATIVE_INFINITY;
            }
        }
        Arrays.fill(x, count, padded, Float.NEGATIVE_INFINITY);
        MemorySegment.copy(x, 0, target, ValueLayout.JAVA_FLOAT, 0, padded);
    }

    /** {@return whether the model has a class} */
    boolean has(int number) {
        Tensor present = model.present();
        return present == null || present.data().get(ValueLayout.JAVA_BYTE, number) != 0;
    }

    /** {@return x of one class} */
    float x(long row, int number) {
        return has(number)
                ? (float) Elements.get(model.logits(), index(row, 0) + number) * inverse
                : Float.NEGATIVE_INFINITY;
    }

    private int count(int chunk) {
        return Math.min(CHUNK, classes - chunk * CHUNK);
    }

    private long index(long row, int chunk) {
        return model.first() + row * model.stride() + (long) chunk * CHUNK;
    }

    /** {@return the memory that holds the chunk last found} */
    MemorySegment data() {
        return data;
    }

    /** {@return the byte where it starts} */
    long at() {
        return at;
    }
}
