package dev.fusor.merge;

import dev.fusor.align.PermutedSource;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;

/** A permuted tensor that is gathered range by range into the buffer of its thread and place among the inputs. */
final class GatheredSource implements TensorSource {
    private final PermutedSource source;
    private final FileSource.Buffers buffers;
    private final int place;

    GatheredSource(PermutedSource source, FileSource.Buffers buffers, int place) {
        this.source = source;
        this.buffers = buffers;
        this.place = place;
    }

    @Override
    public DType dtype() {
        return source.dtype();
    }

    @Override
    public Shape shape() {
        return source.shape();
    }

    /** {@return what is gathered} */
    PermutedSource permuted() {
        return source;
    }

    @Override
    public Tensor slice(long from, long count) {
        Tensor slice = Tensor.of(buffers.room(place, dtype().byteSize(count)), dtype(), Shape.of(count));
        source.copy(from, slice);
        return slice;
    }
}
