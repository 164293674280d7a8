package dev.fusor.trim;

import dev.fusor.simd.Scratch;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;

/** The task vector of a model: its difference to the base model in float32, formed where it is needed. */
public final class TaskVector {
    private TaskVector() {}

    /**
     * Forms differences, each rounded once to float32: from float32 operands, or from float64 ones if either tensor is F64.
     *
     * @param base the base model, or null to take {@code x} itself
     * @param x the model
     * @param from the first flat index
     * @param delta receives the differences from index 0
     * @param count how many, at most {@link Scratch#ELEMENTS}
     */
    public static void load(Tensor base, Tensor x, long from, float[] delta, int count) {
        Scratch scratch = Scratch.mine();
        if (base == null) {
            Elements.load(x, from, delta, count);
        } else if (base.dtype() == DType.F64 || x.dtype() == DType.F64) {
            double[] a = scratch.doubles(0);
            double[] b = scratch.doubles(1);
            Elements.load(x, from, a, count);
            Elements.load(base, from, b, count);
            for (int i = 0; i < count; i++) {
                delta[i] = (float) (a[i] - b[i]);
            }
        } else {
            float[] b = scratch.floats(3);
            Elements.load(x, from, delta, count);
            Elements.load(base, from, b, count);
            for (int i = 0; i < count; i++) {
                delta[i] -= b[i];
            }
        }
    }
}
