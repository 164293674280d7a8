package dev.fusor.trim;

import dev.fusor.simd.Scratch;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import java.util.List;

/** A task vector as a tensor that is computed as it is asked for, with zeros where a cut through scores says so. */
public final class TaskVectorSource extends ComputedSource {
    private final MagnitudeCut cut;

    /**
     * A whole task vector.
     *
     * @param base the base model
     * @param x the model
     * @throws IllegalArgumentException if the lengths differ or a type is not arithmetic
     */
    public TaskVectorSource(TensorSource base, TensorSource x) {
        super(base, x);
        this.cut = MagnitudeCut.ALL;
    }

    /**
     * What of a task vector is selected.
     *
     * @param base the base model
     * @param x the model
     * @param scores for each element
     * @param cut keeps the scores of those that are selected
     * @throws IllegalArgumentException if the lengths differ or a type is not arithmetic
     */
    public TaskVectorSource(TensorSource base, TensorSource x, TensorSource scores, MagnitudeCut cut) {
        super(base, x, scores);
        this.cut = cut;
    }

    @Override
    void compute(List<Tensor> ranges, long at, long index, float[] values, int count) {
        TaskVector.load(ranges.get(0), ranges.get(1), at, values, count);
        if (ranges.size() > 2) {
            float[] scores = Scratch.mine().floats(1);
            Elements.load(ranges.get(2), at, scores, count);
            for (int i = 0; i < count; i++) {
                values[i] = cut.keeps(scores[i], index + i) ? values[i] : 0f;
            }
        }
    }
}
