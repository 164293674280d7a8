package dev.fusor.benchmark;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Weights as models have them: a base of deviation 0.02, fine-tuned ones that differ by 2e-4. Seeded. */
public final class Inputs {
    private static final int PATTERN = 1 << 20;

    private Inputs() {}

    /** The base first, then the models. */
    public static List<Tensor> models(Arena arena, DType type, long length, int models) {
        List<Tensor> tensors = new ArrayList<>();
        float[] base = new float[PATTERN];
        float[] values = new float[PATTERN];
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < PATTERN; i++) {
            base[i] = (float) (random.nextGaussian() * 0.02);
        }
        tensors.add(repeated(arena, type, length, base));
        for (int m = 0; m < models; m++) {
            for (int i = 0; i < PATTERN; i++) {
                values[i] = (float) (base[i] + random.nextGaussian() * 2e-4);
            }
            tensors.add(repeated(arena, type, length, values));
        }
        return tensors;
    }

    private static Tensor repeated(Arena arena, DType type, long length, float[] values) {
        Tensor tensor = Tensor.allocate(arena, type, length);
        int count = (int) Math.min(PATTERN, length);
        Elements.store(values, tensor, 0, count);
        MemorySegment pattern = tensor.slice(0, count).data();
        for (long at = pattern.byteSize(); at < tensor.data().byteSize(); at += pattern.byteSize()) {
            long bytes = Math.min(pattern.byteSize(), tensor.data().byteSize() - at);
            tensor.data().asSlice(at, bytes).copyFrom(pattern.asSlice(0, bytes));
        }
        return tensor;
    }
}
