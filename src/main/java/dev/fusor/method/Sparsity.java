package dev.fusor.method;

import dev.fusor.drop.DropFactors;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.MagnitudeBand;
import dev.fusor.trim.TaskVectorSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * What a merge keeps of one model's task vector.
 *
 * @param band what is kept by magnitude
 * @param drop what is dropped beside that
 */
record Sparsity(MagnitudeBand band, Drop drop) {
    private static final ValueLayout.OfFloat FACTOR = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Factors of as many elements as a task vector is formed of at a time. */
    private static final ThreadLocal<MemorySegment> ROOM = ThreadLocal
            .withInitial(() -> Arena.ofAuto().allocate(FACTOR, TaskVectorSource.MOST));

    /** Everything is kept. */
    static final Sparsity NONE = new Sparsity(MagnitudeBand.ALL, Drop.NOTHING);

    /** {@return what is left of a model's task vector} */
    TaskVectorSource of(TensorSource base, TensorSource x) {
        return new TaskVectorSource(base, x, (from, count) -> {
            DropFactors factors = drop.factors(base, x, from, count);
            return (index, delta, n) -> thin(factors, index, delta, n);
        });
    }

    /** {@return the magnitudes of what is left} */
    TaskVectorSource magnitudesOf(TensorSource base, TensorSource x) {
        return new TaskVectorSource(base, x, (from, count) -> {
            DropFactors factors = drop.factors(base, x, from, count);
            return (index, delta, n) -> {
                thin(factors, index, delta, n);
                for (int i = 0; i < n; i++) {
                    delta[i] = Math.abs(delta[i]);
                }
            };
        });
    }

    private void thin(DropFactors factors, long index, float[] delta, int count) {
        MemorySegment room = ROOM.get();
        if (factors != null) {
            factors.load(index, count, room);
        }
        for (int i = 0; i < count; i++) {
            float factor = factors == null ? 1 : room.getAtIndex(FACTOR, i);
            delta[i] = band.keeps(delta[i], index + i) && factor == factor ? factor * delta[i] : 0f;
        }
    }

    /** {@return the same, what is left multiplied by a number} */
    Sparsity times(float scale) {
        return new Sparsity(band, new Drop.Scaled(drop, scale));
    }
}
