package dev.fusor.testing;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;

/** Tensors for tests: seeded, of any type, at any alignment. */
public final class Tensors {
    /** Vary it with -Dfusor.seed=N; it stands in the message of what fails. */
    public static final long SEED = Long.getLong("fusor.seed", 20261120);

    private static final Arena ARENA = Arena.ofAuto();

    private Tensors() {}

    /** Zeros, starting one byte past an aligned address. */
    public static Tensor misaligned(DType type, long length) {
        MemorySegment memory = ARENA.allocate(type.byteSize(length) + 1, 64).asSlice(1);
        return Tensor.of(memory, type, Shape.of(length));
    }

    public static Tensor zeros(DType type, long length) {
        return Tensor.allocate(Arena.ofAuto(), type, length);
    }

    public static Tensor of(DType type, double... values) {
        Tensor tensor = zeros(type, values.length);
        for (int i = 0; i < values.length; i++) {
            Elements.set(tensor, i, values[i]);
        }
        return tensor;
    }

    /** Bell-shaped values of a standard deviation, around a base if there is one. */
    public static Tensor random(DType type, long length, long seed, Tensor base, double deviation) {
        SplittableRandom random = new SplittableRandom(SEED + seed);
        Tensor tensor = zeros(type, length);
        for (long i = 0; i < length; i++) {
            double value = random.nextGaussian() * deviation;
            Elements.set(tensor, i, base == null ? value : Elements.get(base, i) + value);
        }
        return tensor;
    }

    /** Every element any bit pattern: NaN, infinities, subnormals and all. */
    public static Tensor anyBits(DType type, long length, long seed) {
        SplittableRandom random = new SplittableRandom(SEED + seed);
        Tensor tensor = zeros(type, length);
        for (long i = 0; i < tensor.data().byteSize(); i++) {
            tensor.data().set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt());
        }
        return tensor;
    }

    public static double[] values(Tensor tensor) {
        double[] values = new double[Math.toIntExact(tensor.elements())];
        for (int i = 0; i < values.length; i++) {
            values[i] = Elements.get(tensor, i);
        }
        return values;
    }

    public static byte[] bytes(Tensor tensor) {
        return tensor.data().toArray(ValueLayout.JAVA_BYTE);
    }
}
