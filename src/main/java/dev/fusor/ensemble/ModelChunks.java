package dev.fusor.ensemble;

import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.simd.Floats;
import dev.fusor.simd.Scratch;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

import static dev.fusor.ensemble.LogitEnsemble.CHUNK;

/** The rows of one model, chunk by chunk: x where it lies if it is stored so, else brought into a buffer. */
final class ModelChunks {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Model model;
    private final int classes;
    private final LogitLoops loops;
    private final float inverse;
    private final boolean untouched;
    private MemorySegment data;
    private long at;

    /**
     * Reads a model.
     *
     * @param classes how many
     * @param loops whose width counts of classes are rounded up to
     */
    ModelChunks(Model model, int classes, LogitLoops loops) {
        this.model = model;
        this.classes = classes;
        this.loops = loops;
        this.inverse = inverse(model);
        this.untouched = inverse == 1 && model.present() == null;
    }

    /** {@return what logits are multiplied by} */
    static float inverse(Model model) {
        return (float) (1 / model.temperature());
    }

    /** Finds a chunk of x, filled up with -infinity to the width: where it lies if it is stored so, else in a scratch buffer. */
    void bring(long row, int chunk, int buffer) {
        if (untouched && model.logits().dtype() == DType.F32 && count(chunk) % loops.width() == 0) {
            data = model.logits().data();
            at = DType.F32.byteSize(index(row, chunk));
        } else {
            data = Scratch.mine().buffer(buffer);
            at = 0;
            load(row, chunk, data);
        }
    }

    /** Copies a chunk of x, filled up likewise. */
    void load(long row, int chunk, MemorySegment target) {
        int count = count(chunk);
        int padded = EnsembleRow.padded(count, loops.width());
        Floats.load(model.logits(), index(row, chunk), target, count);
        for (int i = count; i < padded; i++) {
            target.set(FLOAT, 4L * i, Float.NEGATIVE_INFINITY);
        }
        if (inverse != 1) {
            loops.multiply(target, inverse, padded);
        }
        if (model.present() != null) {
            loops.limit(target, model.present().data(), (long) chunk * CHUNK, count);
        }
    }

    /** {@return a byte for each class, 0 where the model lacks it, or null if it has all} */
    MemorySegment present() {
        return model.present() == null ? null : model.present().data();
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
