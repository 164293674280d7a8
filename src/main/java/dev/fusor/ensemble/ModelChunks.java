package dev.fusor.ensemble;

import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.ensemble.LogitEnsemble.Model;
import dev.fusor.ensemble.LogitLoops.Form;
import dev.fusor.simd.Floats;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.function.Function;

/** The rows of one model, chunk by chunk: x where it lies if it is stored so, else brought into a buffer. */
final class ModelChunks {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Model model;
    private final Chunks chunks;
    private final LogitLoops loops;
    private final float inverse;
    private final boolean untouched;
    private MemorySegment data;
    private long at;

    private ModelChunks(Model model, Chunks chunks, LogitLoops loops) {
        this.model = model;
        this.chunks = chunks;
        this.loops = loops;
        this.inverse = inverse(model);
        this.untouched = inverse == 1 && model.present() == null;
    }

    /** {@return all models of a batch} */
    static ModelChunks[] of(Batch batch, Chunks chunks, Function<Form, LogitLoops> forms) {
        LogitLoops loops = forms.apply(new Form(1, false));
        return batch.models().stream().map(model -> new ModelChunks(model, chunks, loops)).toArray(ModelChunks[]::new);
    }

    /** {@return what logits are multiplied by} */
    static float inverse(Model model) {
        return (float) (1 / model.temperature());
    }

    /** Finds a chunk of x, filled up with -infinity to the width: where it lies if it is stored so, else in a scratch buffer. */
    void bring(long row, int chunk, int buffer) {
        if (untouched && model.logits().dtype() == DType.F32 && chunks.count(chunk) == chunks.width(chunk)) {
            data = model.logits().data();
            at = DType.F32.byteSize(index(row, chunk));
        } else {
            data = RowBuffers.buffer(buffer);
            at = 0;
            load(row, chunk, data);
        }
    }

    /** Copies a chunk of x, filled up likewise. */
    void load(long row, int chunk, MemorySegment target) {
        int count = chunks.count(chunk);
        int padded = chunks.width(chunk);
        Floats.load(model.logits(), index(row, chunk), target, count);
        for (int i = count; i < padded; i++) {
            target.set(FLOAT, 4L * i, Float.NEGATIVE_INFINITY);
        }
        if (inverse != 1) {
            loops.multiply(target, inverse, padded);
        }
        if (model.present() != null) {
            loops.limit(target, model.present().data(), Chunks.first(chunk), count);
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

    private long index(long row, int chunk) {
        return model.first() + row * model.stride() + Chunks.first(chunk);
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
