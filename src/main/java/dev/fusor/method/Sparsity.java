package dev.fusor.method;

import dev.fusor.drop.DropFactors;
import dev.fusor.drop.ScaledDrop;
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
 * @param drop what is dropped at random
 */
record Sparsity(MagnitudeBand band, Drop drop) {
    private static final ValueLayout.OfFloat FACTOR = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Factors of as many elements as a task vector is formed of at a time. */
    private static final ThreadLocal<MemorySegment> ROOM = ThreadLocal
            .withInitial(() -> Arena.ofAuto().allocate(FACTOR, TaskVectorSource.MOST));

    /** Everything is kept. */
    static final Sparsity NONE = new Sparsity(MagnitudeBand.ALL, Drop.NOTHING);

    /** What is dropped at random of a range. */
    @FunctionalInterface
    interface Drop {
        /** Nothing is. */
        Drop NOTHING = new Always(null);

        /**
         * {@return the factors, or null for none} They are asked for before the range's tensors are.
         *
         * @param from the flat index of the range's first element
         * @param count how many elements it has
         */
        DropFactors factors(long from, long count);

        /**
         * The same for every range.
         *
         * @param drop the factors, or null for none
         */
        record Always(DropFactors drop) implements Drop {
            @Override
            public DropFactors factors(long from, long count) {
                return drop;
            }
        }
    }

    /** {@return what is left of a model's task vector} */
    TaskVectorSource of(TensorSource base, TensorSource x) {
        return new TaskVectorSource(base, x, (from, count) -> {
            DropFactors factors = drop.factors(from, count);
            return (index, delta, n) -> thin(factors, index, delta, n);
        });
    }

    /** {@return the magnitudes of what is left} */
    TaskVectorSource magnitudesOf(TensorSource base, TensorSource x) {
        return new TaskVectorSource(base, x, (from, count) -> {
            DropFactors factors = drop.factors(from, count);
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
        return new Sparsity(band, drop instanceof Drop.Always(DropFactors always)
                ? new Drop.Always(new ScaledDrop(always, scale))
                : (from, count) -> new ScaledDrop(drop.factors(from, count), scale));
    }
}
